"""What a script host is told, and what leads to it."""

import os

import pytest

from gemd.shared import script_host
from gemd.shared.script_host import ScriptHost, Setup
from gemd.system.confinement import Confinement
from gemd.system.privileges import Identity

SETUP = Setup(
    Identity("alice", 1001, 1002, (1002, 1003)),
    "/srv/jail",
    Confinement(("/etc/k\udcff",), ("/srv",), None, ("/tmp",)),
)


@pytest.fixture
def written():
    descriptor = SETUP.write()
    yield descriptor
    os.close(descriptor)


def test_a_setup_is_read_as_it_was_written(written):
    assert Setup.read(written) == SETUP


def test_a_setup_has_no_name_and_does_not_survive_exec(written):
    assert "(deleted)" in os.readlink(f"/proc/self/fd/{written}")
    assert not os.get_inheritable(written)


def test_code_of_another_version_does_not_begin(written, monkeypatch):
    monkeypatch.setattr(script_host.gemd, "__version__", "99.0")
    with pytest.raises(ValueError, match=r"gemd 99.0 has taken the place of .*: gemctl upgrade"):
        Setup.read(written)


def test_that_it_is_another_version_s_is_said_of_one_that_has_another_shape(tmp_path):
    (tmp_path / "file").write_text('{"version": "99.0"}')
    with (tmp_path / "file").open("rb") as file, pytest.raises(ValueError, match=r"taken the place of 99\.0"):
        Setup.read(file.fileno())


@pytest.mark.parametrize("text", [b"", b"{}", b"[1", b'{"version": 1}'])
def test_what_is_no_setup_is_an_error(tmp_path, text):
    (tmp_path / "file").write_bytes(text)
    with (tmp_path / "file").open("rb") as file, pytest.raises(ValueError, match=r"."):
        Setup.read(file.fileno())


def test_what_leads_to_a_host_keeps_what_is_asked_until_it_is_heard():
    host = ScriptHost(SETUP)
    host.requests.send(b"one")
    host.requests.send(b"two")
    assert (host.user, host.served.recv(10), host.served.recv(10)) == ("alice", b"one", b"two")
    host.close()
    assert (host.requests.fileno(), host.served.fileno()) == (-1, -1)
