"""A start that is only tried, in a process of its own."""

from gemd.exit_codes import ExitCode
from gemd.startup.rehearsal import rehearse
from gemd.startup.resources import Inherited
from gemd.startup.telling import Teller
from tests.conftest import IS_ROOT

USER = {"user": "root"} if IS_ROOT else {}

TELLER = Teller(lambda: None, is_json=False)


def test_what_is_in_order(configure, tmp_path, capfd):
    before = sorted(tmp_path.rglob("*"))
    assert rehearse(configure, configure(**USER), Inherited(tmp_path), TELLER) is ExitCode.OK
    assert "is in order" not in capfd.readouterr().err  # which is for the one who asks
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_wrong_is_said(configure, tmp_path, capfd):
    config = configure(control="none/c", **USER)
    assert rehearse(configure, config, Inherited(tmp_path), TELLER) is ExitCode.BIND
    said = capfd.readouterr().err
    assert said.startswith(f"gemd: control: the control socket: can't listen on unix:{tmp_path}/none/c: No such file")
    assert said.count("\n") == 1
