"""What a process beside the workers is told, and what leads to it."""

import os

import pytest

from gemd.shared import host_process
from gemd.shared.host_process import HostProcess, read_setup, write_setup
from gemd.shared.script_host import ScriptSetup
from gemd.system.confinement import Confinement
from gemd.system.privileges import Identity

SETUP = ScriptSetup(
    Identity("alice", 1001, 1002, (1002, 1003)),
    "/srv/jail",
    Confinement(("/etc/k\udcff",), ("/srv",), None, ("/tmp",)),
)


@pytest.fixture
def written():
    descriptor = write_setup(SETUP)
    yield descriptor
    os.close(descriptor)


def test_a_setup_is_read_as_it_was_written(written):
    assert read_setup(written, ScriptSetup) == SETUP


def test_a_setup_has_no_name_and_does_not_survive_exec(written):
    assert "(deleted)" in os.readlink(f"/proc/self/fd/{written}")
    assert not os.get_inheritable(written)


def test_code_of_another_version_does_not_begin(written, monkeypatch):
    monkeypatch.setattr(host_process.gemd, "__version__", "99.0")
    with pytest.raises(ValueError, match=r"gemd 99.0 has taken the place of .*: gemctl upgrade"):
        read_setup(written, ScriptSetup)


def test_that_it_is_another_version_s_is_said_of_one_that_has_another_shape(tmp_path):
    (tmp_path / "file").write_text('{"version": "99.0"}')
    with (tmp_path / "file").open("rb") as file, pytest.raises(ValueError, match=r"taken the place of 99\.0"):
        read_setup(file.fileno(), ScriptSetup)


@pytest.mark.parametrize("text", [b"", b"{}", b"[1", b'{"version": 1}'])
def test_what_is_no_setup_is_an_error(tmp_path, text):
    (tmp_path / "file").write_bytes(text)
    with (tmp_path / "file").open("rb") as file, pytest.raises(ValueError, match=r"."):
        read_setup(file.fileno(), ScriptSetup)


class Kitchen(HostProcess):
    kind = "kitchen"


def test_what_leads_to_it_keeps_what_is_asked_until_it_is_heard():
    host = Kitchen("upstairs", SETUP, {"A": "b"})
    host.requests.send(b"one")
    host.requests.send(b"two")
    assert (host.title, host.served.recv(10), host.served.recv(10)) == ("the kitchen upstairs", b"one", b"two")
    host.close()
    assert (host.requests.fileno(), host.served.fileno()) == (-1, -1)
