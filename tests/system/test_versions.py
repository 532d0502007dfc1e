"""What -V says."""

import platform

import cryptography
import OpenSSL
import pytest

from gemd import __version__
from gemd.system import versions
from gemd.system.versions import describe_versions


def test_all_that_matters_is_named():
    first, second = describe_versions().splitlines()
    assert first == f"gemd {__version__}"
    for version in (platform.python_version(), OpenSSL.__version__, cryptography.__version__):
        assert version in second


@pytest.mark.parametrize("binding", ["called directly", "called by pyOpenSSL"])
def test_how_openssl_is_called(monkeypatch, binding):
    monkeypatch.setattr(versions, "BINDING", binding)
    assert binding in describe_versions()
