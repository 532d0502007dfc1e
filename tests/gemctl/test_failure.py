import re

import pytest

from gemd.gemctl.failure import ExitCode, Failure
from tests.packaging.installing import PROJECT


def test_a_failure_has_its_reasons_and_a_code():
    failure = Failure("one", "two", code=ExitCode.USAGE)
    assert (failure.lines, failure.code, str(failure)) == (("one", "two"), 2, "one\ntwo")
    assert Failure("one").code == 1


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_is_documented(code):
    listed = re.findall(r"^\.It ([0-9]+)$", (PROJECT / "man/gemctl.8").read_text(), re.MULTILINE)
    assert str(int(code)) in listed
