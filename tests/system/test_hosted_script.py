"""What a script host is asked, and what becomes of what it says; the host is played."""

import contextlib
import errno
import os
import select
import socket

import msgspec
import pytest

from gemd.system import script_requests
from gemd.system.descriptors import send_descriptors
from gemd.system.hosted_script import HostedScript
from gemd.system.running_script import Remains
from gemd.system.script_limits import ScriptLimits
from gemd.system.script_output import ScriptError
from gemd.system.script_requests import (
    Ended,
    Failed,
    Gone,
    Started,
    StartRequest,
    is_wanted,
    receive_request,
    tell,
)
from gemd.system.script_start import ScriptFile
from tests.support.descriptors import open_descriptors
from tests.support.scripts import started

LIMITS = ScriptLimits(cpu_seconds=7)
ENVIRON = {"PATH": "/bin", "ODD": "\udcff"}


@pytest.fixture
def host():
    """The ends of the socket by which a host is asked: the worker's and its own."""
    requests, served = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    served.setblocking(False)
    with requests, served:
        yield requests, served


class Asked(HostedScript):
    """One that may be ended more than once."""

    ended = None

    def end(self):
        if self.ended is None:
            self.ended = super().end()
        return self.ended


@pytest.fixture
def ask(host, tmp_path):
    """Ask for a script; it, and the host's end of its socket."""
    before = open_descriptors()
    asked = []

    def ask():
        file = ScriptFile(str(tmp_path / "script"))
        script = started(Asked(host[0], file, ENVIRON, LIMITS))
        file.close()
        _, found, control = receive_request(host[1])
        found.close()
        asked.append((script, control))
        return asked[-1]

    yield ask
    for script, control in asked:
        script.end()
        control.close()
    assert open_descriptors() == before


def test_what_a_script_reads_comes_along(host, tmp_path):
    before = open_descriptors()
    (tmp_path / "body").write_text("body")
    body = os.open(tmp_path / "body", os.O_RDONLY)
    file = ScriptFile(str(tmp_path / "script"), body=body, arguments=("", "a b", "\udcff"))
    script = started(HostedScript(host[0], file, ENVIRON, LIMITS))
    file.close()
    request, found, control = receive_request(host[1])
    assert request.has_body
    assert os.pread(found.body, 10, 0) == b"body"
    assert found.arguments == ("", "a b", "\udcff")
    assert os.fstat(found.open()).st_ino == tmp_path.stat().st_ino
    found.close()
    control.close()
    script.end()
    assert open_descriptors() == before


def test_a_body_that_did_not_come_is_no_empty_one(host, tmp_path):
    before = open_descriptors()
    request = StartRequest(b"/script", b"script", {}, LIMITS, has_body=True)
    control, its = socket.socketpair()
    directory = os.open(tmp_path, os.O_RDONLY)
    send_descriptors(host[0], msgspec.msgpack.encode(request), [its.fileno(), directory])
    with pytest.raises(ValueError, match="too few descriptors are free"):
        receive_request(host[1])
    os.close(directory)
    control.close()
    its.close()
    assert open_descriptors() == before


@pytest.fixture
def start(ask):
    """Ask for a script that is started; it, the host's end, and the writing ends of its output."""
    opened = []

    def start():
        script, control = ask()
        pipes = os.pipe(), os.pipe()
        tell(control, Started(), *(reader for reader, _ in pipes))
        for reader, _ in pipes:
            os.close(reader)
        opened.extend(writer for _, writer in pipes)
        return script, control, *(writer for _, writer in pipes)

    yield start
    for descriptor in opened:
        os.close(descriptor)


def is_readable(script):
    return bool(select.select([script.fileno()], [], [], 0)[0])


def test_the_host_learns_what_to_start_and_where(host, tmp_path):
    file = ScriptFile(str(tmp_path / "s\udcfe"))
    script = started(HostedScript(host[0], file, ENVIRON, LIMITS))
    file.close()
    request, found, control = receive_request(host[1])
    with control:
        assert request.limits == LIMITS
        assert request.environ == {b"PATH": b"/bin", b"ODD": b"\xff"}
        assert (found.path, found.name) == (f"{tmp_path}/s\udcfe", "s\udcfe")
        assert os.path.samestat(os.fstat(found.open()), os.stat(tmp_path))
    found.close()
    script.end()


def test_there_is_nothing_to_read_before_it_is_started(ask):
    script, _ = ask()
    assert script.read() is None
    assert not script.has_ended()
    assert script.descriptors == (script.fileno(),)
    assert (script.stderr, script.deadline) == (b"", float("inf"))


def test_one_that_is_not_started_has_nothing_to_watch(host, tmp_path):
    script = HostedScript(host[0], ScriptFile(str(tmp_path / "script")), ENVIRON, LIMITS)
    assert tuple(script.descriptors) == ()
    script.discard()
    with pytest.raises(BlockingIOError):
        receive_request(host[1])


def test_its_output_is_read_and_its_end_told(start):
    script, control, output, errors = start()
    os.write(output, b"text")
    os.write(errors, b"oops")
    assert script.read() == b"text"
    assert (script.read(), len(script.descriptors)) == (None, 3)
    os.write(output, b"more")
    tell(control, Ended(0))
    assert is_readable(script)
    assert [script.read() for _ in range(2)] == [b"more", b""]
    assert script.has_ended()
    assert script.stderr == b"oops"


def test_what_is_left_of_it_goes_on_until_the_host_says_otherwise(start):
    """And is taken, so that it is not held up."""
    script, control, output, errors = start()
    os.write(output, b"all")
    tell(control, Ended(0))
    while script.read() != b"":
        pass
    assert script.has_ended()
    assert script.goes_on()
    os.set_blocking(output, False)
    for _ in range(10):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(output, bytes(4096))
        os.write(errors, b"more\n")
        assert script.goes_on()
    tell(control, Gone(Remains(2, 1)))
    assert is_readable(script)
    assert not script.goes_on()
    assert script.stderr == b"more\n" * 10
    assert script.end() == Remains(2, 1)


@pytest.mark.parametrize("says_end", [False, True])
def test_a_host_that_says_no_more_has_nothing_left(start, says_end):
    script, control, *_ = start()
    if says_end:
        tell(control, Ended(0))
    assert script.goes_on()
    control.close()
    assert not script.goes_on()
    assert script.end() == Remains()


def test_one_that_was_ended_itself_is_gone_as_well(start):
    script, control, *_ = start()
    script.terminate()
    tell(control, Gone(Remains(1, 0)))
    assert not script.goes_on()
    assert script.has_ended()
    with pytest.raises(ScriptError, match="was ended by its script host"):
        script.read()
    assert script.end() == Remains(1, 0)


def test_the_host_learns_how_long_it_may_go_on(host, tmp_path):
    asking = ScriptFile(str(tmp_path / "script"))
    script = started(HostedScript(host[0], asking, ENVIRON, LIMITS, 2.5))
    asking.close()
    request, file, control = receive_request(host[1])
    file.close()
    control.close()
    script.end()
    assert request.after == 2.5


def test_another_end_than_code_0_is_an_error(start):
    script, control, _, _ = start()
    tell(control, Ended(-9))
    with pytest.raises(ScriptError, match="was ended by SIGKILL"):
        script.read()


def test_what_can_t_be_started_says_why(ask):
    script, control = ask()
    tell(control, Failed("can't be started: no"))
    assert script.has_ended()
    with pytest.raises(ScriptError, match=r"^can't be started: no$"):
        script.read()


def test_a_host_that_ends_loses_its_scripts(start):
    script, control, _, _ = start()
    assert script.read() is None
    control.close()
    with pytest.raises(ScriptError, match="lost its script host"):
        script.read()
    assert script.has_ended()


@pytest.mark.parametrize("said", [b"nonsense", b"\x81\xa4type\xa6Wanted"])
def test_what_a_host_says_is_checked(ask, said):
    script, control = ask()
    control.send(said)
    with pytest.raises(ScriptError, match="can't be understood"):
        script.read()


@pytest.mark.parametrize("number", [0, 1])
def test_a_script_without_its_output_is_of_no_use(ask, number):
    script, control = ask()
    reader, writer = os.pipe()
    tell(control, Started(), *[reader] * number)
    os.close(reader)
    os.close(writer)
    with pytest.raises(ScriptError, match="too few descriptors"):
        script.read()


def test_the_end_of_what_was_never_begun_is_an_error(ask):
    script, control = ask()
    tell(control, Ended(0))
    with pytest.raises(ScriptError, match="can't be read from"):
        script.read()
    assert script.has_ended()


def test_a_host_that_can_t_send_descriptors_says_so(ask, monkeypatch):
    def refuse(sock, data, descriptors):
        if descriptors:
            raise OSError(errno.ETOOMANYREFS, "Too many references")
        send_descriptors(sock, data, descriptors)

    script, control = ask()
    monkeypatch.setattr(script_requests, "send_descriptors", refuse)
    tell(control, Started(), 0, 1)
    with pytest.raises(ScriptError, match=r"^can't be read from: Too many references$"):
        script.read()


def test_one_whose_request_was_not_heard_says_why_that_may_be(ask):
    script, control = ask()
    control.close()
    with pytest.raises(ScriptError, match="which has ended, or has no descriptors left"):
        script.read()


def test_one_that_is_not_wanted_ends_the_host_s_end(start):
    script, control, _, _ = start()
    assert not script.has_ended()
    script.terminate()
    assert control.recv(10) == b""
    assert not script.has_ended()  # it has its time


def test_whether_it_is_wanted_is_told_without_waiting(ask):
    script, control = ask()
    assert is_wanted(control)
    script.terminate()
    assert not is_wanted(control)


def test_a_host_that_hangs_is_not_waited_for(start):
    script, _, _, _ = start()
    script.terminate()
    script.kill()
    assert is_readable(script)
    assert script.has_ended()


def test_what_is_said_to_nobody_is_lost(ask):
    script, control = ask()
    script.end()
    tell(control, Ended(0))
    script.end = lambda: None


# Asking


def asks(host, tmp_path, environ=ENVIRON):
    file = ScriptFile(str(tmp_path / "script"))
    try:
        return started(HostedScript(host[0], file, environ, LIMITS))
    finally:
        file.close()


def test_a_host_that_takes_nothing_is_not_waited_for(host, tmp_path):
    host[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with contextlib.ExitStack() as asked, pytest.raises(ScriptError, match="does not answer"):
        ask_until_full(host, tmp_path, asked)


def ask_until_full(host, tmp_path, asked):
    for _ in range(1000):
        asked.callback(asks(host, tmp_path).end)


def test_a_shortage_of_descriptors_is_an_error(host, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socketpair", refuse)
    with pytest.raises(ScriptError, match="can't be asked: Too many open files"):
        asks(host, tmp_path)


@pytest.mark.parametrize("environ", [{"A": "\ud800"}, {"\ud800": "a"}])
def test_an_environment_that_can_t_be_is_an_error(host, tmp_path, environ):
    with pytest.raises(ScriptError, match="surrogates not allowed"):
        asks(host, tmp_path, environ)


def test_a_host_that_is_gone_for_good_is_an_error(host, tmp_path):
    host[1].close()
    with pytest.raises(ScriptError, match="its script host"):
        asks(host, tmp_path)


def test_what_is_larger_than_a_message_is_an_error(host, tmp_path):
    with pytest.raises(ScriptError, match="its script host can't be asked: Message too long"):
        asks(host, tmp_path, {"X": "x" * 1_000_000})


def test_a_directory_that_is_gone_is_an_error(host, tmp_path):
    file = ScriptFile(str(tmp_path / "gone" / "script"))
    with pytest.raises(ScriptError, match="No such file"):
        started(HostedScript(host[0], file, ENVIRON, LIMITS))
