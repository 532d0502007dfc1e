"""The control socket, a real one, and callers of every kind."""

import json
import os
import select
import socket
import stat
import time

import pytest

from gemd.master import control
from gemd.master.control import bind_control
from gemd.system.listener import BindError
from tests.conftest import need_root

LONGEST = 15.0


class Caller:
    """One end of a connection to the socket; `ask` sends a line, `answer` reads what came until the end."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(LONGEST)
        self.socket.connect(path)

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, name):
        self.send(json.dumps({"command": name}).encode() + b"\n")

    def read(self):
        """Everything until the other end hangs up."""
        data = b""
        while chunk := self.socket.recv(65536):
            data += chunk
        return data

    def answer(self):
        (line,) = self.read().splitlines()
        return json.loads(line)

    def is_cut(self):
        """Whether the other end has hung up."""
        try:
            return bool(select.select([self.socket], [], [], 0)[0]) and not self.socket.recv(1, socket.MSG_PEEK)
        except ConnectionResetError:
            return True


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "control.sock")


@pytest.fixture
def poll():
    return select.poll()


@pytest.fixture
def listening(path, poll):
    """A control socket that somebody waits for with `poll`."""
    listening = bind_control(path, poll)
    listening.listen()
    yield listening
    listening.close()


@pytest.fixture
def call(path):
    """Connect to it, and hang up in the end."""
    callers = []

    def call():
        callers.append(Caller(path))
        return callers[-1]

    yield call
    for caller in callers:
        caller.socket.close()


@pytest.fixture
def clock(monkeypatch):
    """The clock of the control socket alone, in seconds, as a list of one time."""
    now = [1000.0]

    class Clock:
        monotonic = staticmethod(lambda: now[0])

    monkeypatch.setattr(control, "time", Clock)
    return now


def take(listening, poll, count=1):
    """What arrives, taken as the master does it, which waits with `poll`."""
    commands, end = [], time.monotonic() + LONGEST
    while len(commands) < count:
        assert time.monotonic() < end, "no command arrived"
        poll.poll(1000)
        commands += listening.take()
    return commands


def names(commands):
    return [command.name for command in commands]


@pytest.mark.parametrize("name", ["status", "stop", "", "what nobody knows"])
def test_a_command_arrives_and_is_answered(listening, poll, call, name):
    caller = call()
    caller.ask(name)
    (command,) = take(listening, poll)
    assert command.name == name
    assert command.is_open
    command.succeed("it is done", status={"pid": 1})
    assert not command.is_open
    assert caller.answer() == {"ok": True, "message": "it is done", "status": {"pid": 1}}


def test_an_answer_without_a_message_has_none(listening, poll, call):
    caller = call()
    caller.ask("status")
    take(listening, poll)[0].succeed(status={})
    assert caller.answer() == {"ok": True, "status": {}}


def test_a_failure_has_its_reasons(listening, poll, call):
    caller = call()
    caller.ask("reload")
    take(listening, poll)[0].fail("no such root", "no such user")
    assert caller.answer() == {"ok": False, "errors": ["no such root", "no such user"]}


def test_a_command_that_is_accepted_is_cut_with_the_socket(listening, poll, call):
    caller = call()
    caller.ask("stop")
    (command,) = take(listening, poll)
    command.accept("stopping")
    assert command.is_open
    line = caller.socket.makefile("rb").readline()
    assert json.loads(line) == {"ok": True, "message": "stopping", "pid": os.getpid()}
    assert not caller.is_cut()
    listening.close()
    assert caller.is_cut()


def test_callers_are_told_apart(listening, poll, call):
    first, second = call(), call()
    second.ask("reload")
    (reload,) = take(listening, poll)
    first.ask("status")
    (status,) = take(listening, poll)
    reload.fail("reload")
    status.fail("status")
    assert (first.answer()["errors"], second.answer()["errors"]) == (["status"], ["reload"])


def test_a_command_may_come_in_pieces(listening, poll, call):
    caller = call()
    for octet in b'{"command": "status"}':
        caller.send(bytes([octet]))
        poll.poll(1000)
        assert listening.take() == []
    caller.send(b"\n")
    assert names(take(listening, poll)) == ["status"]


def test_what_follows_the_line_is_left_alone(listening, poll, call):
    caller = call()
    caller.send(b'{"command": "status", "more": [1]}\n{"command": "stop"}\n')
    assert names(take(listening, poll)) == ["status"]
    assert listening.take() == []


BAD = [
    b"\n",
    b"status\n",
    b"{}\n",
    b"[]\n",
    b"null\n",
    b'"status"\n',
    b'{"command": null}\n',
    b'{"command": ["status"]}\n',
    b'{"command": "status"\n',
    b'\xff\xfe{"command": "status"}\n',
    b"\x00\n",
    b"[" * 4000 + b"\n",
    b'{"a":' * 700 + b"\n",
    b"9" * 4090 + b"\n",
]


@pytest.mark.parametrize("line", BAD, ids=lambda line: str(line[:20]))
def test_what_is_no_command_is_told_so(listening, poll, call, line):
    caller, other = call(), call()
    caller.send(line)
    other.ask("status")
    assert names(take(listening, poll)) == ["status"]
    answer = caller.answer()
    assert answer["ok"] is False
    assert answer["errors"] == ['expected a line such as {"command": "status"}']


def test_a_line_without_an_end_is_cut_off(listening, poll, call):
    caller = call()
    caller.send(b"x" * 5000)
    poll.poll(1000)
    assert listening.take() == []
    assert listening.take() == []
    assert caller.is_cut()


def test_who_hangs_up_is_forgotten(listening, poll, call):
    gone, late = call(), call()
    gone.send(b'{"comm')
    gone.socket.close()
    late.ask("status")
    (command,) = take(listening, poll)
    late.socket.close()
    command.succeed(status={"text": "x" * 10})
    assert listening.take() == []
    assert poll.poll(0) == []


def test_who_says_nothing_is_dropped_after_a_while(listening, poll, call, clock):
    caller = call()
    assert listening.take() == []
    clock[0] += 4.9
    assert listening.take() == []
    assert not caller.is_cut()
    clock[0] += 0.2
    assert listening.take() == []
    assert caller.is_cut()
    assert poll.poll(0) == []


def test_who_drips_is_dropped_too(listening, poll, call, clock):
    caller = call()
    for _ in range(60):
        caller.send(b" ")
        poll.poll(1000)
        assert listening.take() == []
        clock[0] += 0.1
        if caller.is_cut():
            break
    assert clock[0] - 1000 == pytest.approx(5.0, abs=0.2)


def test_more_callers_than_are_heard_at_once_are_all_heard(listening, poll, call):
    for _ in range(100):
        call().ask("status")
    assert len(listening.take()) == 32
    assert len(take(listening, poll, 68)) == 68


def test_who_comes_after_many_that_say_nothing_is_heard_at_once(listening, poll, call, clock):
    """The clock stands still: nobody's time is over."""
    silent = [call() for _ in range(100)]
    call().ask("status")
    assert names(take(listening, poll)) == ["status"]
    cut = [caller.is_cut() for caller in silent]
    assert cut == [True] * 69 + [False] * 31  # those that had waited for longest
    assert poll.poll(0) == []


def test_who_has_just_come_is_not_cut_off_for_those_behind(listening, poll, call):
    """It is looked at before that, and what it asks is heard."""
    first = call()
    first.ask("status")
    silent = [call() for _ in range(63)]
    assert names(listening.take()) == ["status"]
    assert not any(caller.is_cut() for caller in silent[:31])
    assert listening.take() == []
    assert [caller.is_cut() for caller in silent] == [True] * 31 + [False] * 32


def test_those_that_are_refused_do_not_keep_the_master(listening, poll, call, monkeypatch):
    """As many come meanwhile as are refused: a script that connects in a loop, for one."""

    def refuse(_connection):
        if len(refused) < 1000:
            refused.append(call())
        return "go away"

    refused = []
    with monkeypatch.context() as context:
        context.setattr(control, "_why_refused", refuse)
        call()
        assert listening.take() == []
    assert len(refused) == 32
    call().ask("status")
    assert names(take(listening, poll)) == ["status"]


def test_an_accept_that_fails_makes_no_hot_loop(listening, poll, call, monkeypatch):
    caller = call()
    caller.ask("status")

    class Failing:
        def accept(self):
            raise OSError(24, "Too many open files")

        def __getattr__(self, name):
            return getattr(real, name)

    real = listening.listener.socket
    monkeypatch.setattr(listening.listener, "socket", Failing(), raising=True)
    assert listening.take() == []
    assert poll.poll(0) == []
    monkeypatch.undo()
    assert names(listening.take()) == ["status"]


def test_nobody_is_heard_before_somebody_listens(path, poll, call):
    listening = bind_control(path, poll)
    caller = call()
    caller.ask("status")
    assert listening.take() == []
    listening.listen()
    assert names(take(listening, poll)) == ["status"]
    listening.close()


def test_a_master_that_listens_no_more_leaves_callers_to_the_next_one(listening, poll, path, call):
    half = call()
    half.send(b'{"command"')
    poll.poll(1000)
    assert listening.take() == []
    listening.pause()
    call().ask("status")
    assert listening.take() == []
    assert poll.poll(0) == []  # nothing of it wakes a master that only drains
    assert half.is_cut()  # it may ask again, and is heard by the next one
    listening.listen()
    assert names(take(listening, poll)) == ["status"]


def test_listening_anew_does_no_harm(listening, poll, call):
    listening.listen()
    listening.pause()
    listening.pause()
    listening.listen()
    caller = call()
    caller.ask("status")
    assert names(take(listening, poll)) == ["status"]


def test_closing_cuts_everybody_off_and_leaves_the_file(listening, poll, path, call):
    caller, asking = call(), call()
    asking.ask("reload")
    (command,) = take(listening, poll)
    listening.close()
    assert caller.is_cut()
    assert asking.is_cut()
    assert not command.is_open
    assert os.path.exists(path)


def test_a_worker_that_closes_it_leaves_the_masters_alone(listening, poll, path, call):
    caller, asking = call(), call()
    asking.ask("reload")
    (command,) = take(listening, poll)
    pid = os.fork()
    if pid == 0:
        try:
            listening.close()
            left = [fd for fd in os.listdir("/proc/self/fd") if is_socket(int(fd), path)]
            os._exit(len(left))
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    command.succeed("it is done")
    assert asking.answer()["ok"]
    caller.ask("status")
    assert names(take(listening, poll)) == ["status"]


def is_socket(descriptor, path):
    """Whether it is of the control socket: a listening one, or a connection that was accepted."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as sock:
            return sock.getsockname() == path
    except OSError:
        return False


def test_only_its_owner_may_reach_it(path):
    before = os.umask(0)
    try:
        listening = bind_control(path, poll)
        assert os.umask(0) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    assert not listening.listener.socket.get_inheritable()
    listening.close()


@need_root
def test_another_user_is_not_heard_whatever_the_file_allows(listening, poll, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # whose parents are root's alone
    tmp_path.chmod(0o755)
    os.chmod("control.sock", 0o666)
    end, reader = os.pipe()[::-1]
    pid = os.fork()
    if pid == 0:
        try:
            os.setresuid(65534, 65534, 65534)
            os.write(end, Caller("control.sock").read())
        finally:
            os._exit(0)
    os.close(end)
    until = time.monotonic() + LONGEST
    while not select.select([reader], [], [], 0)[0]:
        assert time.monotonic() < until
        poll.poll(100)
        assert listening.take() == []
    assert json.loads(os.read(reader, 4096))["errors"] == ["only root and the user that gemd runs as may command it"]
    os.waitpid(pid, 0)
    os.close(reader)


def test_a_socket_that_nobody_listens_on_is_replaced(path, poll, call):
    bind_control(path, poll).close()
    listening = bind_control(path, poll)
    listening.listen()
    call().ask("status")
    assert names(take(listening, poll)) == ["status"]
    listening.close()


def test_one_that_is_alive_is_not(listening, path):
    with pytest.raises(BindError, match=r"the control socket: can't listen on unix:.*: Address already in use"):
        bind_control(path, select.poll())
    assert os.path.exists(path)


def test_a_directory_that_is_missing_is_named(tmp_path):
    with pytest.raises(BindError, match=r"the control socket: can't listen on unix:.*/none/c: No such file"):
        bind_control(str(tmp_path / "none" / "c"), select.poll())


def test_its_file_is_removed_once(listening, path):
    listening.remove()
    assert not os.path.exists(path)
    listening.remove()


def test_a_caller_that_does_not_read_holds_the_master_for_a_moment_at_most(listening, poll, call, monkeypatch):
    monkeypatch.setattr(control, "_ANSWER_TIMEOUT", 0.05)
    caller = call()
    caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    caller.ask("status")
    (command,) = take(listening, poll)
    start = time.monotonic()
    command.succeed(status={"text": "x" * 10_000_000})
    assert time.monotonic() - start < LONGEST
    assert not command.is_open


REFUSED = {  # who asks, whom gemd runs as, what the caller descends from; what is said, if it is refused
    "root": (0, 7, None, None),
    "another user": (8, 7, ("sh", "init"), "only root and the user"),
    "the user": (7, 7, ("sh", "init"), None),
    "a script": (7, 7, ("sh", "gemd", "gemd", "init"), "scripts and applications of gemd may not"),
    "who is hidden": (7, 7, None, "ask as root"),
    "a script where the master is root": (7, 0, ("gemd", "init"), "only root and the user"),
}


@pytest.mark.parametrize(("uid", "own", "ancestors", "said"), REFUSED.values(), ids=REFUSED)
def test_who_may_command(listening, poll, call, monkeypatch, uid, own, ancestors, said):
    monkeypatch.setattr(control, "read_credentials", lambda _connection: (9, uid))
    monkeypatch.setattr(control, "find_ancestors", lambda _connection: ancestors)
    monkeypatch.setattr(os, "geteuid", lambda: own)
    caller = call()
    if said is None:
        caller.ask("status")
        assert names(take(listening, poll)) == ["status"]
    else:
        poll.poll(1000)
        assert listening.take() == []
        assert said in caller.answer()["errors"][0]
