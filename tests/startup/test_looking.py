"""What a start would make, looked at: what systemd will have made is no fault."""

import select
from pathlib import Path

import pytest

from gemd.config import Problem
from gemd.config.mistake import about
from gemd.startup import looking
from gemd.startup.looking import Looking
from gemd.system.certificates import CertificateError
from gemd.system.listener import BindError
from gemd.system.log_file import LogError
from gemd.system.pid_file import PidFileError
from gemd.system.privileges import PrivilegeError
from gemd.system.service_units import Unit

MAKER = "systemd makes it when it starts gemd.service (LogsDirectory=)"


@pytest.fixture
def hands(configure):
    return Looking(configure())


@pytest.fixture
def systemd(monkeypatch):
    """Whether systemd makes what is missing."""
    monkeypatch.setattr(looking, "name_maker", lambda path: MAKER)


def open_logs(hands, config):
    with hands.opening_logs(config):
        pass


ACTIONS = {
    "control": (BindError, lambda hands, none, _: hands.bind_control(f"{none}/c", select.poll())),
    "pid file": (PidFileError, lambda hands, none, _: hands.lock_pid_file(none / "x/p", None)),
    "certificate": (CertificateError, lambda hands, none, _: hands.load_configured(none / "c", none / "k", ("h",))),
    "met": (CertificateError, lambda hands, none, _: hands.open_servers(Path("/dev/null/x"), None)),
    "log": (LogError, lambda hands, _, config: open_logs(hands, config)),
}


@pytest.mark.parametrize("what", ACTIONS)
def test_what_is_missing_is_a_fault(configure, hands, tmp_path, what):
    failure, act = ACTIONS[what]
    config = configure(log={"access": str(tmp_path / "none/a"), "error": "off"})
    with pytest.raises(failure):
        act(hands, tmp_path / "none", config)
    assert hands.warnings == []


@pytest.mark.parametrize("what", ACTIONS)
def test_but_for_what_systemd_makes(configure, hands, tmp_path, systemd, what):
    _, act = ACTIONS[what]
    act(hands, tmp_path / "none", configure(log={"access": str(tmp_path / "none/a"), "error": "off"}))
    (warning,) = hands.warnings
    assert warning.text.endswith(f"; {MAKER}, and nobody else")
    assert (warning.path, str(warning).count("log.access: ")) == (("log.access", 1) if what == "log" else ("", 0))


def test_it_is_told_with_its_key(hands, tmp_path, systemd):
    with about("control"):
        hands.bind_control(f"{tmp_path}/none/c", select.poll())
    assert [problem.path for problem in hands.warnings] == ["control"]


def test_so_is_the_place_of_a_socket(configure, tmp_path, systemd):
    config = configure(listen=["127.0.0.1:0", f"unix:{tmp_path}/none/s"])
    hands = Looking(config)
    hands.bind([entry.address for entry in config.listen], 1.0, [], {})
    assert [problem.path for problem in hands.warnings] == ["listen[2]"]


def test_a_certificate_that_systemd_hands_over_has_a_stand_in(hands, tmp_path, systemd):
    assert hands.load_configured(tmp_path / "c", tmp_path / "k", ("example.org",)).path == tmp_path / "c"


def test_what_is_in_a_directory_that_is_made_on_the_way_is_in_order(hands, tmp_path):
    assert hands.lock_pid_file(tmp_path / "new/p", None) is None
    hands.bind_control(str(tmp_path / "new/c"), select.poll())
    assert not (tmp_path / "new").exists()


def test_who_to_be_may_be_said_by_a_unit(configure, hands, monkeypatch):
    def refuse(_):
        raise PrivilegeError("started as root")

    monkeypatch.setattr("gemd.startup.making.find_user", refuse)
    monkeypatch.setattr(looking, "find_units", lambda: [Unit("gemd", (("User", "root"),))])
    with pytest.raises(PrivilegeError):
        hands.find_user(configure())
    monkeypatch.setattr(looking, "find_units", lambda: [Unit("gemd", (("DynamicUser", "yes"),))])
    assert hands.find_user(configure()) is None
    text = "started as root; gemd.service says who to be itself (DynamicUser=), if that starts it"
    assert hands.warnings == [Problem("user", text)]
    with pytest.raises(PrivilegeError):
        hands.find_user(configure(user="nobody"))
