import datetime
import os
import stat
from pathlib import Path

import pytest

from gemd.gemctl.failure import Failure
from gemd.gemctl.known_hosts import KnownHost, KnownHosts, default_path

END = datetime.datetime(2126, 10, 30, 12, 0, 0, tzinfo=datetime.UTC)
FIRST, SECOND, KEY = "a1" * 32, "b2" * 32, "c3" * 32


@pytest.fixture
def store(tmp_path):
    return KnownHosts(tmp_path / "data/gemd/known_hosts")


def test_nothing_is_known_at_first(store):
    assert store.find("h:1965") is None
    assert not store.path.exists()


def test_what_is_remembered_is_found(store):
    known = KnownHost("h:1965", FIRST, END, KEY)
    store.remember(known)
    store.remember(KnownHost("[::1]:300", SECOND, END))
    assert store.find("h:1965") == known
    assert store.find("[::1]:300").fingerprint == SECOND
    assert store.find("h:300") is None


def test_people_can_read_it(store):
    store.remember(KnownHost("h:1965", FIRST, END, KEY))
    assert store.path.read_text().splitlines()[1:] == [f"h:1965 SHA256:{FIRST} SPKI-SHA256:{KEY} 2126-10-30T12:00:00Z"]


def test_a_line_from_before_keys_were_kept(store):
    store.path.parent.mkdir(parents=True)
    store.path.write_text(f"h:1965 SHA256:{FIRST} 2126-10-30T12:00:00Z\n")
    assert store.find("h:1965") == KnownHost("h:1965", FIRST, END)
    store.remember(KnownHost("h:1965", FIRST, END, KEY))
    assert store.find("h:1965").public_key_fingerprint == KEY


def test_the_last_line_of_a_host_holds(store):
    store.remember(KnownHost("h:1965", FIRST, END))
    store.remember(KnownHost("h:1965", SECOND, END))
    assert store.find("h:1965").fingerprint == SECOND
    assert FIRST in store.path.read_text()


def test_it_is_its_owners_alone(store):
    before = os.umask(0)
    try:
        store.remember(KnownHost("h:1965", FIRST, END))
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


def test_a_last_line_that_an_editor_left_open(store):
    store.remember(KnownHost("h:1965", FIRST, END))
    store.path.write_text(store.path.read_text().rstrip("\n"))
    store.remember(KnownHost("g:1965", SECOND, END))
    assert store.find("h:1965").fingerprint == FIRST
    assert store.find("g:1965").fingerprint == SECOND


@pytest.mark.parametrize(
    "line",
    [
        "h:1965",
        f"h:1965 {FIRST}",
        "h:1965 SHA256:abc 2126-10-30T12:00:00Z",
        f"h:1965 {FIRST} soon",
        f"h {FIRST} 2126-01-01",
        f"h SHA256:{FIRST} 2126-10-30T12:00:00Z",
        f"H:1965 SHA256:{FIRST} 2126-10-30T12:00:00Z",
        f"\x1b[31mh:1965 SHA256:{FIRST} 2126-10-30T12:00:00Z",
        f"h:1965 SPKI-SHA256:{KEY} 2126-10-30T12:00:00Z",
        f"h:1965 SHA256:{FIRST} SHA256:{SECOND} 2126-10-30T12:00:00Z",
        f"h:1965 SHA256:{FIRST} SPKI-SHA256:{KEY} SPKI-SHA256:{KEY} 2126-10-30T12:00:00Z",
    ],
)
def test_a_line_that_makes_no_sense_is_named_and_never_skipped(store, line):
    store.path.parent.mkdir(parents=True)
    store.path.write_text(f"# a remark\n\n{line}\n")
    with pytest.raises(Failure, match=r"known_hosts:3: expected host:port, SHA256:<hex>, SPKI-SHA256:<hex> and a time"):
        store.find("other:1965")


def test_what_can_not_be_read_or_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Failure, match=r"can't be read: Not a directory"):
        KnownHosts(tmp_path / "file" / "known_hosts").find("h:1965")
    with pytest.raises(Failure, match=r"can't be written: "):
        KnownHosts(tmp_path / "file" / "known_hosts").remember(KnownHost("h:1965", FIRST, END))
    (tmp_path / "file").write_bytes(b"\xff")
    with pytest.raises(Failure, match="is not UTF-8 text"):
        KnownHosts(tmp_path / "file").find("h:1965")


@pytest.mark.parametrize("text", ["# remark\n", ""])
def test_what_a_windows_editor_saves(store, text):
    store.path.parent.mkdir(parents=True)
    store.path.write_bytes(f"\ufeff{text}h:1965 SHA256:{FIRST} 2126-10-30T12:00:00Z\n".replace("\n", "\r\n").encode())
    assert store.find("h:1965").fingerprint == FIRST


@pytest.mark.parametrize("year", [1, 999, 9999])
def test_no_certificate_makes_the_file_unreadable(store, year):
    end = END.replace(year=year)
    store.remember(KnownHost("h:1965", FIRST, end))
    assert store.find("h:1965").not_after == end


def test_what_never_ends(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert KnownHosts(tmp_path / "fifo").find("h:1965") is None
    with pytest.raises(Failure, match=r"fifo: can't be written: "):
        KnownHosts(tmp_path / "fifo").remember(KnownHost("h:1965", FIRST, END))
    for path in (Path("/dev/zero"), tmp_path / "sparse"):
        if path.parent == tmp_path:
            path.touch()
            os.truncate(path, 1 << 40)
        with pytest.raises(Failure, match=r"is larger than 16\.0 MiB"):
            KnownHosts(path).find("h:1965")


def test_a_full_disk():
    with pytest.raises(Failure, match="/dev/full: can't be written"):
        KnownHosts(Path("/dev/full")).remember(KnownHost("h:1965", FIRST, END))


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path() == tmp_path / "gemd/known_hosts"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/ada")
    assert str(default_path()) == "/home/ada/.local/share/gemd/known_hosts"
