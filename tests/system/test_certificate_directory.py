from pathlib import Path

import pytest

from gemd.config import parse_config
from gemd.system.certificate_directory import find_certificate_directory
from gemd.system.certificates import CertificateError


@pytest.fixture
def find(monkeypatch):
    """Where they are for a configuration, this environment and this user."""

    def find(*, uid=1000, tls=None, user=None, **environ):
        monkeypatch.setattr("os.environ", environ)
        monkeypatch.setattr("os.geteuid", lambda: uid)
        tables = {"host": [{"name": "h"}], "tls": tls or {}, **({"user": user} if user else {})}
        config = parse_config(tables, base=Path("/etc"), source=None, cpus=1)
        return str(find_certificate_directory(config))

    return find


def test_as_configured_before_all(find):
    assert find(tls={"certificates": "kept"}, STATE_DIRECTORY="/s", uid=0) == "/etc/kept"


def test_as_systemd_says(find):
    assert find(STATE_DIRECTORY="/s", uid=0) == "/s"
    assert find(STATE_DIRECTORY="/s:/t") == "/s"
    assert find(STATE_DIRECTORY="relative", uid=0) == "/var/lib/gemd"


def test_a_service_has_a_place_of_the_machine(find):
    assert find(uid=0, HOME="/root") == "/var/lib/gemd"
    assert find(user="gemd", HOME="/home/a") == "/var/lib/gemd"


def test_anybody_else_has_one_of_ones_own(find):
    assert find(HOME="/home/a") == "/home/a/.local/share/gemd"
    assert find(HOME="/home/a", XDG_DATA_HOME="/data") == "/data/gemd"
    assert find(HOME="/home/a", XDG_DATA_HOME="data") == "/home/a/.local/share/gemd"


def test_somebody_without_a_home_is_told(find, monkeypatch):
    def fail():
        raise RuntimeError

    monkeypatch.setattr(Path, "home", fail)
    with pytest.raises(CertificateError, match=r"set tls\.certificates"):
        find()
