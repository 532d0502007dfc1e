"""Every test with `framework` runs twice: with gemd.app, and with the jetforce package, where it is installed."""

import importlib
import warnings

import pytest

from tests.support.skipping import MAY_SKIP


def load_jetforce():
    try:
        with warnings.catch_warnings(action="ignore"):
            return importlib.import_module("jetforce")
    except ImportError:
        if not MAY_SKIP:
            pytest.fail("the package jetforce is not installed")
        pytest.skip("the package jetforce is not installed")


@pytest.fixture(params=["gemd.app", "jetforce"])
def framework(request):
    return load_jetforce() if request.param == "jetforce" else importlib.import_module("gemd.app")
