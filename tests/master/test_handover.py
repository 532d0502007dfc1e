"""What passes between an old master and a new one: descriptors through exec, and words over a channel."""

import json
import os
import select
import signal
import socket
import sys
import time

import msgspec
import pytest

from gemd.config.types import Address
from gemd.master import handover as successor
from gemd.master.control import bind_control
from gemd.master.handover import (
    BYE,
    GO,
    GONE,
    READY,
    Channel,
    Handover,
    build_command,
    start_successor,
    take_handover,
)
from gemd.system.listener import Listener, bind_all
from gemd.system.pid_file import lock_pid_file
from gemd.system.process import become_subreaper

LONGEST = 30.0
VARIABLE = "GEMD_HANDOVER"


@pytest.fixture
def pair():
    """A channel, and the socket at its other end."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel = Channel(ours)
    yield channel, its
    its.close()
    if channel.is_open:
        channel.close()


# Words


def test_words_come_one_by_one_in_their_order(pair):
    channel, its = pair
    assert channel.hear() is None
    its.send(READY)
    its.send(BYE)
    assert [channel.hear(), channel.hear(), channel.hear()] == [READY, BYE, None]


def test_words_that_were_said_before_the_end_are_heard(pair):
    channel, its = pair
    its.send(READY)
    its.close()
    assert [channel.hear(), channel.hear(), channel.hear()] == [READY, GONE, GONE]


def test_what_is_said_to_one_that_has_gone_is_lost(pair):
    channel, its = pair
    its.close()
    channel.say(GO)
    assert channel.hear() == GONE


def test_one_that_does_not_listen_holds_nobody_up(pair):
    channel, _ = pair
    for _ in range(100_000):
        channel.say(GO)


def test_hanging_up_is_heard(pair):
    channel, its = pair
    channel.close()
    assert not channel.is_open
    assert its.recv(10) == b""


# What is handed over


def handover(**changes):
    values = {"predecessor": 1, "directory": "/", "channel": 0, "listeners": (), "lock": None, "control": None}
    return Handover(**{**values, **changes})


def test_without_a_predecessor_nothing_is_handed_over():
    assert take_handover({"PATH": "/bin"}) is None


def test_what_is_handed_over_is_taken_from_the_environment(pair):
    _, its = pair
    os.set_inheritable(its.fileno(), True)
    given = handover(channel=its.fileno(), directory="/etc", predecessor=7)
    environ = {VARIABLE: msgspec.json.encode(given).decode(), "PATH": "/bin"}
    assert take_handover(environ) == given
    assert environ == {"PATH": "/bin"}
    assert not os.get_inheritable(its.fileno())


def test_all_descriptors_are_known():
    given = handover(channel=9, listeners=((3, "a:1", False), (4, "b:1", True)), lock=5, control=(6, "/c"))
    assert given.descriptors == [9, 3, 4, 6, 5]
    assert handover(channel=9).descriptors == [9]


GARBAGE = {
    "nothing": "",
    "no JSON": "{",
    "another type": "[]",
    "a number": "12",
    "missing keys": '{"predecessor": 1}',
    "wrong types": json.dumps({**msgspec.to_builtins(handover()), "channel": "0"}),
    "null": json.dumps({**msgspec.to_builtins(handover()), "listeners": None}),
    "a descriptor that is closed": json.dumps({**msgspec.to_builtins(handover()), "channel": 100_000}),
    "a negative one": json.dumps({**msgspec.to_builtins(handover()), "channel": -1}),
    "one beyond all": json.dumps({**msgspec.to_builtins(handover()), "channel": 2**40}),
    "a listener that is closed": json.dumps(
        {**msgspec.to_builtins(handover()), "listeners": [[100_000, "a:1", False]]}
    ),
}


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_refused(text):
    environ = {VARIABLE: text}
    before = os.get_inheritable(0)
    assert take_handover(environ) is None
    assert environ == {}
    assert os.get_inheritable(0) == before, "what is refused is left as it was"


def test_a_channel_that_is_no_socket_is_refused():
    reader, writer = os.pipe()
    text = msgspec.json.encode(handover(channel=reader)).decode()
    assert take_handover({VARIABLE: text}) is None
    os.close(reader)
    os.close(writer)


# Starting it

NEW_MASTER = """
import json, os, signal, socket, sys
from gemd.master.handover import Channel, take_handover, READY, BYE
handover = take_handover(os.environ)
channel = Channel(socket.socket(fileno=handover.channel))
blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
seen = {
    "predecessor": handover.predecessor,
    "parent": os.getppid(),
    "directory": os.getcwd(),
    "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")),
    "listening": [os.fstat(fd).st_ino for fd, *_ in handover.listeners],
    "listeners": handover.listeners,
    "lock": os.readlink(f"/proc/self/fd/{handover.lock}") if handover.lock else None,
    "control": handover.control,
    "inheritable": [fd for fd in handover.descriptors if os.get_inheritable(fd)],
    "extra": os.environ.get("NOTIFY_SOCKET"),
    "variable": os.environ.get("GEMD_HANDOVER"),
    "blocked": len(blocked),
    "usr2": signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL,
}
with open(sys.argv[1] + ".tmp", "w") as file:
    json.dump(seen, file)
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
channel.say(READY)
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Stands for this program when it is started again: a script, and the file it writes."""
    path, written = tmp_path / "program.py", tmp_path / "seen.json"
    path.write_text(NEW_MASTER)
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, str(path), str(written)])
    monkeypatch.setattr(sys, "argv", [str(path), str(written)])
    return path, written


@pytest.fixture(autouse=True)
def _adopts_nobody():
    yield
    become_subreaper(False)  # as a master is left by `start_successor`


@pytest.fixture
def start(tmp_path):
    """Start a successor, and end it."""
    started = []

    def start(*, listeners=(), pid_file=None, control=None, variables=None, streams=None):
        started.append(start_successor(tmp_path, listeners, pid_file, control, variables or {}, streams or {}))
        return started[-1]

    yield start
    for each in started:
        each.kill(signal.SIGKILL)
        each.close()


def hear(child, *expected):
    """The next words of a successor."""
    end = time.monotonic() + LONGEST
    heard = []
    while len(heard) < len(expected) and time.monotonic() < end:
        word = child.channel.hear()
        if word is None:
            select.select([child.channel._socket], [], [], 1)
        else:
            heard.append(word)
    assert heard == list(expected)


def test_descriptors_survive_and_nothing_else(start, program, tmp_path):
    listeners = bind_all([Address("127.0.0.1", 0), Address("unix", 0, str(tmp_path / "s"))], 10.0)
    given = Listener(listeners[0].socket.dup(), Address("127.0.0.1", listeners[0].port), is_given=True)
    pid_file, control = lock_pid_file(tmp_path / "gemd.pid"), bind_control(str(tmp_path / "control"), select.poll())
    stray = os.open("/dev/null", os.O_RDONLY)
    inherited = {fd for fd in map(int, os.listdir("/proc/self/fd")) if is_inheritable(fd)}  # from who runs the tests
    try:
        child = start(
            listeners=[*listeners, given], pid_file=pid_file, control=control, variables={"NOTIFY_SOCKET": "@there"}
        )
        hear(child, READY, GONE)
        seen = json.loads(program[1].read_text())
        assert seen["predecessor"] == os.getpid()
        assert seen["directory"] == str(tmp_path)
        assert seen["listening"] == [os.fstat(li.socket.fileno()).st_ino for li in [*listeners, given]]
        assert [tuple(rest) for _, *rest in seen["listeners"]] == [
            ("127.0.0.1:0", False),
            (f"unix:{tmp_path}/s", False),
            (f"127.0.0.1:{given.port}", True),
        ]
        assert seen["lock"] == str(tmp_path / "gemd.pid.lock")
        assert seen["control"][1] == str(tmp_path / "control")
        assert seen["inheritable"] == []
        assert (seen["extra"], seen["variable"]) == ("@there", None)
        handed = {fd for fd, *_ in seen["listeners"]} | {pid_file.lock, seen["control"][0]}
        assert len(set(seen["descriptors"]) - handed - inherited) == 1  # the channel
        assert stray not in seen["descriptors"]
        for mine in [*(li.socket.fileno() for li in listeners), pid_file.lock, control.listener.socket.fileno()]:
            assert not os.get_inheritable(mine)
    finally:
        os.close(stray)
        for listener in [*listeners, given]:
            listener.close()
        pid_file.close()
        control.close()


def is_inheritable(descriptor):
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False


def test_it_begins_with_a_clean_slate_of_signals(start, program):
    before = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        hear(start(), READY, GONE)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        signal.signal(signal.SIGUSR2, before)
    seen = json.loads(program[1].read_text())
    assert (seen["blocked"], seen["usr2"]) == (0, True)


def test_it_has_the_streams_that_this_one_was_given(start, program, tmp_path):
    """An application may have led them elsewhere."""
    with (tmp_path / "stream").open("wb") as stream:
        program[0].write_text(NEW_MASTER + "\nos.write(2, b'hello')\n")
        hear(start(streams={2: stream.fileno()}), READY, GONE)
    assert (tmp_path / "stream").read_text() == "hello"


def test_it_is_nobodys_child_here(start, program):
    hear(start(), READY, GONE)
    assert json.loads(program[1].read_text())["parent"] != os.getpid()


def test_a_program_that_fails_at_once_is_heard_of(start, program):
    program[0].write_text("raise SystemExit(1)")
    hear(start(), GONE)


def test_one_that_is_killed_is_heard_of(start, program):
    program[0].write_text("import time; time.sleep(600)")
    child = start()
    assert child.channel.hear() is None
    child.kill(signal.SIGKILL)
    hear(child, GONE)
    child.kill(signal.SIGTERM)  # nobody is hit


def test_a_program_that_can_not_be_started_leaves_nothing_open(start, program, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    before = os.listdir("/proc/self/fd")
    with pytest.raises(FileNotFoundError) as caught:
        start()
    assert caught.value.filename == "/nonexistent/python"
    assert os.listdir("/proc/self/fd") == before


def test_a_fork_that_fails_leaves_nothing_open(start, program, monkeypatch):
    def fail():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(successor.os, "fork", fail)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(BlockingIOError):
        start()
    assert os.listdir("/proc/self/fd") == before


def test_ten_of_them_leave_nothing_open(start, program):
    program[0].write_text("")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        child = start()
        hear(child, GONE)
        child.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_directory_that_is_gone_does_not_matter(program, tmp_path):
    child = start_successor(tmp_path / "gone", [], None, None, {}, {})
    hear(child, READY, GONE)
    child.close()


# The command line


def test_a_script_is_started_as_it_was(tmp_path):
    script = tmp_path / "gemd"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    original = ["/usr/bin/python3", str(script), "-c", "gemd.conf"]
    assert build_command(original, original[1:]) == [str(script), "-c", "gemd.conf"]


@pytest.mark.parametrize(
    ("original", "arguments"),
    [
        (["python3", "-m", "gemd", "-c", "x"], ["/lib/gemd/__main__.py", "-c", "x"]),
        (["python3", "-X", "dev", "/sbin/gemd"], ["/sbin/gemd"]),
        (["python3", "/nonexistent/gemd"], ["/nonexistent/gemd"]),
    ],
    ids=["module", "options", "missing"],
)
def test_anything_else_by_its_interpreter(original, arguments):
    assert build_command(original, arguments) == [sys.executable, *original[1:]]


def test_the_last_word_is_heard_though_ours_was_not():
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel, other = Channel(ours), Channel(its)
    other.say(READY)
    other.say(BYE)
    assert channel.hear() == READY
    channel.say(GO)
    other.close()
    assert [channel.hear(), channel.hear()] == [BYE, GONE]
    channel.close()
