"""Who descends from whom, with real processes on both ends of a socket."""

import contextlib
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gemd.system import ancestry
from gemd.system.ancestry import find_ancestors, read_credentials
from tests.support.waiting import wait_for

CALL = """
import ctypes, os, socket, sys
def be(name):
    ctypes.CDLL(None).prctl(15, name.encode())
path, *names = sys.argv[1:]
for name in names:  # each a generation of its own
    be(name)
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        os._exit(0)
be("caller")
sock = socket.socket(socket.AF_UNIX)
sock.connect(path)
{then}
"""
STAY = "sock.recv(1)"


@pytest.fixture
def call(tmp_path):
    """Have a process connect whose ancestors have these names; our end."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.settimeout(15)
        listener.bind(str(tmp_path / "socket"))
        listener.listen()

        def call(*names, then=STAY):
            code = [sys.executable, "-c", CALL.format(then=then), str(tmp_path / "socket"), *names]
            started = stack.enter_context(subprocess.Popen(code))
            connection, _ = listener.accept()
            stack.callback(started.wait, 15)
            stack.callback(connection.close)
            return connection

        yield call


def own_name():
    return Path("/proc/self/comm").read_text().rstrip("\n")


def test_the_names_of_its_ancestors_from_the_parent_on(call):
    found = find_ancestors(call("one", "odd: (x)", "three"))
    assert found[:4] == ("three", "odd: (x)", "one", own_name())
    assert "caller" not in found


def test_pid_and_uid(call):
    pid, uid = read_credentials(call("a"))
    assert pid not in (0, os.getpid())
    assert uid == os.geteuid()


@pytest.mark.parametrize("has_peer_pidfd", [True, False])
def test_who_has_ended_is_nobody(call, monkeypatch, has_peer_pidfd):
    if not has_peer_pidfd:
        monkeypatch.setattr(ancestry, "_SO_PEERPIDFD", 0x7FFF)
    connection = call("a", then="os._exit(0)")
    pid = read_credentials(connection)[0]
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "its end")
    assert find_ancestors(connection) is None


def test_an_older_kernel_knows_it_by_its_number(call, monkeypatch):
    monkeypatch.setattr(ancestry, "_SO_PEERPIDFD", 0x7FFF)
    assert find_ancestors(call("one", "two"))[:2] == ("two", "one")


def test_any_other_failure_is_no_reason_to_trust_the_number():
    class Connection:
        def getsockopt(self, _level, option, size=0):
            if size:
                return ancestry._CREDENTIALS.pack(os.getpid(), 0, 0)
            raise OSError(errno.ESRCH, "No such process")

    assert find_ancestors(Connection()) is None


def test_a_number_that_means_nothing_here():
    class Connection:
        def getsockopt(self, *_):
            return ancestry._CREDENTIALS.pack(0, 1, 1)

    assert find_ancestors(Connection()) is None


CHAINS = {  # what is read, again and again; the names that are found
    "the same": ([[(9, "c"), (5, "p"), (1, "i")]] * 2, ("p", "i")),
    "a parent that ended": ([[(9, "c"), (5, "p")], [(9, "c"), (1, "i")], [(9, "c"), (1, "i")]], ("i",)),
    "a number that has another process by now": ([[(9, "c"), (5, "p")], [(9, "c"), (5, "x")]] * 2, None),
    "gone": ([[(9, "c"), (1, "i")], None], None),
    "never there": ([None, None], None),
}


@pytest.mark.parametrize(("chains", "expected"), CHAINS.values(), ids=CHAINS)
def test_only_what_stays_is_believed(call, monkeypatch, chains, expected):
    read = iter(chains)
    monkeypatch.setattr(ancestry, "_follow", lambda _pid: next(read))
    assert find_ancestors(call()) == expected


def test_a_chain_without_an_end_is_not_followed(call, monkeypatch):
    monkeypatch.setattr(ancestry, "_MOST", 3)
    assert find_ancestors(call("a", "b", "c")) is None


def test_what_proc_does_not_show_can_not_be_followed(call, monkeypatch):
    """As where another user's processes are hidden."""

    real = Path.read_bytes

    def hide(path):
        if path == Path(f"/proc/{os.getpid()}/status"):
            raise FileNotFoundError
        return real(path)

    connection = call("a")
    monkeypatch.setattr(Path, "read_bytes", hide)
    assert find_ancestors(connection) is None
