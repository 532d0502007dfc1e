"""What systemd makes for gemd, as its units say."""

import pytest

from gemd.system import service_units
from gemd.system.service_units import find_units, name_maker


@pytest.fixture
def units(tmp_path, monkeypatch):
    """Write files of units; the first folder wins."""
    places = tmp_path / "etc", tmp_path / "lib"
    monkeypatch.setattr(service_units, "_PLACES", tuple(map(str, places)))

    def write(name, text, place="lib"):
        path = tmp_path / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    write("other.service", "[Service]\nExecStart=/usr/bin/other\nLogsDirectory=other\nUser=x\n")
    return write


GEMD = (
    "[Service]\nExecStart=/usr/sbin/gemd -c /etc/gemd.conf\n# LogsDirectory=comment\nRuntimeDirectory=gemd more\n"
    "LogsDirectory=gemd\nLoadCredential=a.crt:/etc/a.crt\n"
)


def test_directories_that_a_unit_makes(units):
    units("gemd.service", GEMD)
    said = "systemd makes /var/log/gemd when it starts gemd.service (LogsDirectory=)"
    assert name_maker("/var/log/gemd/access.log") == name_maker("/var/log/gemd") == said
    assert "/run/more " in name_maker("/run/more/c")
    assert "(LoadCredential=)" in name_maker("/run/credentials/gemd.service/a.crt")
    for path in ("/var/log/gemdx/a", "/var/log/other/a", "/var/log/comment/a", "/run/credentials/b.service/a", "/x"):
        assert name_maker(path) is None


def test_what_is_made_already_is_no_excuse(units, monkeypatch):
    units("gemd.service", GEMD)
    monkeypatch.setenv("LOGS_DIRECTORY", "/var/log/gemd")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/gemd.service")
    assert name_maker("/var/log/gemd/a") is None
    assert name_maker("/run/credentials/gemd.service/a.crt") is None
    assert name_maker("/run/gemd/c") is not None


def test_the_first_place_wins_and_drop_ins_add(units):
    units("capsule.service", GEMD)
    units("capsule.service", "[Service]\nExecStart=/opt/venv/bin/python -m x /opt/gemd\nStateDirectory=%p/x\n", "etc")
    units("capsule.service.d/more.conf", "[Service]\nCacheDirectory=c\n", "etc")
    assert name_maker("/var/log/gemd/a") is None
    assert "/var/lib/capsule/x " in name_maker("/var/lib/capsule/x/y")
    assert "/var/cache/c " in name_maker("/var/cache/c")


@pytest.mark.parametrize(
    ("lines", "user"),
    [("", None), ("User=gemd\n", "User=gemd"), ("User=root\n", None), ("DynamicUser=yes\n", "DynamicUser=")],
)
def test_whom_it_runs_as(units, lines, user):
    units("gemd.service", GEMD + lines)
    assert [unit.user for unit in find_units()] == [user]


def test_no_systemd(tmp_path, monkeypatch):
    monkeypatch.setattr(service_units, "_PLACES", (str(tmp_path / "none"),))
    assert list(find_units()) == []
