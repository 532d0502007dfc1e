"""What systemd hands over, and what it is told: sd_listen_fds(3) and sd_notify(3), with a socket of the test's own."""

import os
import socket
import time

import pytest

from gemd.system.systemd import Notifier, is_journal, take_listen_descriptors

MINE = str(os.getpid())


class Manager:
    """A service manager that listens, at a path or at an abstract name."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)
        name = os.fsdecode(address)
        self.variable = "@" + name[1:] if name.startswith("\0") else name

    def heard(self):
        """All messages since the last look, each as a list of lines."""
        messages = []
        try:
            while True:
                messages.append(self.socket.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return messages


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request, tmp_path):
    address = str(tmp_path / "notify") if request.param == "a path" else f"\0gemd-test-{os.getpid()}-{id(tmp_path)}"
    manager = Manager(address)
    yield manager
    manager.socket.close()


@pytest.fixture
def notify(manager):
    """A notifier in an environment that has these variables beside the socket's."""

    def notify(**variables):
        return Notifier({"NOTIFY_SOCKET": manager.variable, **variables})

    return notify


# Messages


def test_it_serves(manager, notify):
    notify().ready()
    assert manager.heard() == [["READY=1"]]


def test_a_reload_has_its_moment_on_the_monotonic_clock(manager, notify):
    before = time.monotonic_ns() // 1000
    notify().reloading()
    ((state, moment),) = manager.heard()
    assert state == "RELOADING=1"
    name, _, number = moment.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(number) <= time.monotonic_ns() // 1000


def test_its_end_and_its_heir(manager, notify):
    notifier = notify()
    notifier.main_pid(4711)
    notifier.stopping()
    assert manager.heard() == [["MAINPID=4711"], ["STOPPING=1"]]


def test_the_status_is_told_when_it_changes(manager, notify):
    notifier = notify()
    for text in ("1 of 2 workers", "1 of 2 workers", "2 of 2 workers", "1 of 2 workers"):
        notifier.status(text)
    assert manager.heard() == [["STATUS=1 of 2 workers"], ["STATUS=2 of 2 workers"], ["STATUS=1 of 2 workers"]]


# The watchdog


def test_the_watchdog_hears_signs_of_life_when_it_asks_for_them(manager, notify):
    notifier = notify(WATCHDOG_USEC="3000000", WATCHDOG_PID=MINE)
    assert notifier.watchdog_interval == 3.0
    notifier.alive()
    notifier.alive()
    assert manager.heard() == [["WATCHDOG=1"], ["WATCHDOG=1"]]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": ""},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "-1"},
        {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": f"{MINE}0"},
    ],
    ids=str,
)
def test_otherwise_it_hears_none(manager, notify, variables):
    notifier = notify(**variables)
    assert notifier.watchdog_interval is None
    notifier.alive()
    assert manager.heard() == []


def test_the_watchdog_may_be_for_whoever_is_the_service(notify):
    assert notify(WATCHDOG_USEC="500000").watchdog_interval == 0.5


# The environment


def test_the_variables_are_taken_from_the_environment(manager):
    environ = {"NOTIFY_SOCKET": manager.variable, "WATCHDOG_USEC": "1", "WATCHDOG_PID": MINE, "PATH": "/bin"}
    Notifier(environ)
    assert environ == {"PATH": "/bin"}


def test_those_that_do_not_apply_are_taken_too():
    environ = {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "x", "WATCHDOG_PID": "1"}
    Notifier(environ)
    assert environ == {}


def test_a_successor_is_given_what_it_needs_to_speak_too(manager, notify):
    variables = notify(WATCHDOG_USEC="3000000", WATCHDOG_PID=MINE).variables
    assert variables == {"NOTIFY_SOCKET": manager.variable, "WATCHDOG_USEC": "3000000"}  # its pid is another one
    successor = Notifier(dict(variables))
    assert successor.watchdog_interval == 3.0
    successor.ready()
    assert manager.heard() == [["READY=1"]]


def test_without_a_manager_there_is_nothing_to_hand_over():
    assert Notifier({"WATCHDOG_USEC": "3000000"}).variables == {}


# A manager that can't be reached


@pytest.mark.parametrize(
    "address", [None, "", "relative/path", "vsock:2:1234", "/nonexistent/notify", "@nobody", "/" * 300]
)
def test_nobody_is_told_and_nothing_happens(address):
    notifier = Notifier({} if address is None else {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    before = len(os.listdir("/proc/self/fd"))
    notifier.ready()
    notifier.status("serving")
    notifier.alive()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_manager_that_does_not_listen_holds_nobody_up(manager, notify):
    notifier = notify(WATCHDOG_USEC="1000000")
    for _ in range(5000):
        notifier.alive()
    assert len(manager.heard()) < 5000


# Sockets


def test_the_listening_sockets_are_known():
    environ = {"LISTEN_PID": MINE, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "gemd:gemd", "PATH": "/bin"}
    assert take_listen_descriptors(environ) == [3, 4]
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "2"},
        {"LISTEN_PID": MINE},
        {"LISTEN_PID": "1", "LISTEN_FDS": "2"},
        {"LISTEN_PID": f" {MINE}", "LISTEN_FDS": "2"},
        {"LISTEN_PID": "", "LISTEN_FDS": "2"},
        {"LISTEN_PID": MINE, "LISTEN_FDS": ""},
        {"LISTEN_PID": MINE, "LISTEN_FDS": "-1"},
        {"LISTEN_PID": MINE, "LISTEN_FDS": "two"},
        {"LISTEN_PID": MINE, "LISTEN_FDS": "0"},
    ],
    ids=str,
)
def test_those_of_another_process_are_not_ours(environ):
    assert take_listen_descriptors(environ) == []
    assert environ == {}


# The journal


@pytest.mark.parametrize(("changes", "expected"), [((0, 0), True), ((1, 0), False), ((0, 1), False)])
def test_the_journal_is_known_by_device_and_inode(tmp_path, changes, expected):
    with (tmp_path / "stream").open("wb") as stream:
        status = os.fstat(stream.fileno())
        name = f"{status.st_dev + changes[0]}:{status.st_ino + changes[1]}"
        assert is_journal(stream.fileno(), {"JOURNAL_STREAM": name}) is expected


@pytest.mark.parametrize("environ", [{}, {"JOURNAL_STREAM": ""}, {"JOURNAL_STREAM": "x"}])
def test_without_a_name_there_is_no_journal(environ):
    assert not is_journal(2, environ)
