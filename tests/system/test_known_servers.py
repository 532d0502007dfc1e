"""The keys that servers had when they were first met."""

import os
import stat

import pytest

from gemd.config.types import Address
from gemd.system.certificates import CertificateError
from gemd.system.known_servers import (
    KnownServers,
    KnownServersError,
    known_servers_path,
    name_server,
    open_known_servers,
)

ONE, OTHER = "ab" * 32, "cd" * 32
SERVER = "10.0.0.2:1965 b.example"


@pytest.fixture
def known(tmp_path):
    opened = open_known_servers(tmp_path / "certificates")
    yield opened
    opened.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "certificates" / "known_servers"


def test_what_is_remembered(known, path):
    assert known.find(SERVER) is None
    assert known.remember(SERVER, ONE) == ONE
    assert known.find(SERVER) == ONE
    assert known.find("10.0.0.2:1965 -") is None
    assert f"\n{SERVER} SPKI-SHA256:{ONE} 20" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = open_known_servers(path.parent)
    assert again.find(SERVER) == ONE
    again.close()


def test_what_another_worker_has_met_is_known_and_the_first_one_holds(known, path):
    other = KnownServers(os.dup(known.fileno()), known.path)
    assert other.find(SERVER) is None
    known.remember(SERVER, ONE)
    assert other.remember(SERVER, OTHER) == ONE
    assert (other.find(SERVER), known.find(SERVER)) == (ONE, ONE)
    known.remember("b.example:1966 -", OTHER)
    assert other.find("b.example:1966 -") == OTHER
    other.close()
    assert path.read_text().count("SPKI-SHA256:") == 3


def test_a_line_that_was_removed_is_forgotten(known, path):
    known.remember(SERVER, ONE)
    known.remember("a.example:1965 -", ONE)
    text = path.read_text()
    path.write_text("".join(line for line in text.splitlines(True) if SERVER not in line))
    assert known.find(SERVER) is None
    assert known.find("a.example:1965 -") == ONE
    assert known.remember(SERVER, OTHER) == OTHER


def test_the_last_line_may_be_open_and_is_not_read_before_it_ends(known, path):
    known.remember(SERVER, ONE)
    with path.open("a") as file:
        file.write("# by hand\n\nc.example:1965 - SPKI-SHA256:" + OTHER + " 2026-11-26")
    assert known.find("c.example:1965 -") is None
    assert known.remember("d.example:1965 -", ONE) == ONE
    assert known.find("c.example:1965 -") == OTHER


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        SERVER,
        f"{SERVER} SHA256:{ONE} 2026-11-26",
        f"{SERVER} SPKI-SHA256:{ONE[:-1]} 2026-11-26",
        "\x00\xff",
    ],
)
def test_a_line_that_makes_no_sense(known, path, line):
    known.remember("a.example:1965 -", ONE)
    with path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(KnownServersError, match="known_servers:4: expected a server"):
        known.find(SERVER)
    with pytest.raises(KnownServersError, match="known_servers:4: expected a server"):  # and so it is later
        known.find(SERVER)
    with pytest.raises(CertificateError, match="known_servers:4: expected"):
        open_known_servers(path.parent)


def test_a_disk_that_is_full(known, path, monkeypatch):
    known.remember("a.example:1965 -", ONE)
    before = path.read_text()
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:10]))
    with pytest.raises(KnownServersError, match="is the disk full"):
        known.remember(SERVER, ONE)
    monkeypatch.undo()
    assert path.read_text() == before
    assert known.remember(SERVER, ONE) == ONE


def test_a_file_that_somebody_empties_meanwhile(known, path, monkeypatch):
    write = os.write

    def write_and_empty(descriptor, data):
        write(descriptor, data)
        path.write_text("")
        return len(data)

    monkeypatch.setattr(os, "write", write_and_empty)
    with pytest.raises(KnownServersError, match="changed by somebody else"):
        known.remember(SERVER, ONE)
    monkeypatch.undo()
    assert known.remember(SERVER, OTHER) == OTHER


def test_what_can_not_be_opened(tmp_path):
    (tmp_path / "known_servers").mkdir()
    with pytest.raises(CertificateError, match="known_servers can't be opened"):
        open_known_servers(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(CertificateError):
        open_known_servers(tmp_path / "file")
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "known_servers")
    with pytest.raises(CertificateError, match="is no file"):
        open_known_servers(tmp_path / "pipe")


def test_no_link_is_followed(tmp_path):
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "known_servers").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CertificateError):
        open_known_servers(tmp_path)


def test_the_file_is_its_owners(tmp_path):
    open_known_servers(tmp_path / "new", (os.getuid(), os.getgid())).close()
    assert (tmp_path / "new" / "known_servers").stat().st_uid == os.getuid()
    assert known_servers_path(tmp_path / "new") == str(tmp_path / "new" / "known_servers")


def test_how_servers_are_named():
    assert name_server(Address("10.0.0.2", 1965), "b.example") == SERVER
    assert name_server(Address("::1", 1966), None) == "[::1]:1966 -"
    assert name_server(Address("unix", 0, "/run/a b\u00e9.sock"), "h") == "unix:/run/a%20b%C3%A9.sock h"
