import pytest

from gemd.gemctl.failure import Failure
from gemd.gemctl.status import Status, parse_status
from gemd.protocol.figures import ALL_FIGURES

from .conftest import STATUS


def test_what_a_newer_master_adds_is_no_error():
    assert parse_status({**STATUS, "moons": 4}).pid == 123


@pytest.mark.parametrize("wrong", [{}, {**STATUS, "pid": "x"}, {**STATUS, "workers": [{"nr": 1}]}])
def test_what_is_no_status(wrong):
    with pytest.raises(Failure, match="gemd's status can't be understood"):
        parse_status(wrong)


def test_what_an_older_master_leaves_out_is_nothing():
    status = parse_status({"version": "9", "pid": 1, "state": "stopping"})
    assert status == Status("9", 1, "stopping", {figure.name: 0 for figure in ALL_FIGURES})
