"""The process of an application, started as the master starts it, and asked as a worker asks it."""

import contextlib
import os
import signal
import socket

import pytest

from gemd.config.host_settings import Location
from gemd.master.host_processes import run_host
from gemd.protocol.fastcgi import AnswerReader, encode_request
from gemd.responders.app.relayed import AppProcess
from gemd.shared.app_host import AppHost, AppSetup
from gemd.shared.host_process import END, SIGN
from gemd.system.level import Level
from tests.support.waiting import LONGEST, wait_for


def make_setup(location, **keys):
    """What such a process is told, with these over the defaults."""
    defaults = {
        "where": "host[1].app",
        "identity": None,
        "chroot": None,
        "confinement": None,
        "seconds": 60.0,
        "max_requests": 0,
        "max_memory": 0,
        "watches": False,
        "level": Level.INFO,
        "shows_queries": False,
    }
    return AppSetup(location=location, **{**defaults, **keys})


class HostUnderTest:
    """One that runs. `lines` are what it has said to its master, without its signs of life."""

    def __init__(self, pid, host, channel):
        self.pid, self.host = pid, host
        self.lines = []
        self.process = AppProcess("m:app", host.requests, 60.0)
        self._channel = channel
        self._received = b""

    def hear(self):
        """Take what it has said by now; all lines."""
        with contextlib.suppress(BlockingIOError):
            while data := self._channel.recv(65536, socket.MSG_DONTWAIT):
                self._received += data
        *lines, self._received = self._received.split(b"\n")
        self.lines += [line.decode() for line in lines if line]
        return self.lines

    def wait_for(self, text):
        """Until it has said a line that begins so; that line."""
        return wait_for(lambda: next((line for line in self.hear() if line.startswith(text)), None), text)

    def give_sign(self):
        """Whether it gives a sign of life."""
        self._channel.settimeout(LONGEST)
        self._channel.send(SIGN)
        while b"\n" not in (data := self._channel.recv(65536)):
            assert data
        self._received += data
        return True

    def end(self):
        self._channel.send(END)

    def send(self, path, **params):
        """Ask; the socket by which it answers."""
        environ = {"GEMINI_URL": f"gemini://localhost{path}", "REMOTE_ADDR": "192.0.2.1", "SERVER_PORT": "1965"}
        encoded = {name.encode(): value.encode() for name, value in {**environ, **params}.items()}
        sock = self.process.hand_over(encode_request(encoded))
        sock.settimeout(LONGEST)
        return sock

    def ask(self, path="/", **params):
        """The whole answer, and how it ended; None where it broke off without a word."""
        with self.send(path, **params) as sock:
            return read_answer(sock)

    def hang_up(self):
        """As a master does that is killed."""
        self._channel.close()

    def code(self, seconds=LONGEST):
        """Its exit code, when it has ended."""
        pid, status = wait_for(lambda: (found := os.waitpid(self.pid, os.WNOHANG))[0] and found, "its end", seconds)
        assert pid == self.pid
        self.pid = None
        return os.waitstatus_to_exitcode(status)


def read_answer(sock):
    """Text and end."""
    reader, text = AnswerReader(), b""
    while reader.end is None and (data := sock.recv(65536)):
        text += reader.feed(data)
    return text.decode(), reader.end


@pytest.fixture
def write(tmp_path):
    """Write a module beside the application's; its path."""

    def write(name, text):
        path = tmp_path / "apps" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def start(write):
    """Start one for an application: a module with this text. The location's keys may be given, or the setup's; or
    else what led to a former one."""
    started = []

    def start(text, name="mine", setup=None, host=None, closed=(), **keys):
        folder = write(name, text).parent
        location = Location(**{"app": f"{name}:app", "app_path": str(folder), "app_process": True, **keys})
        host = host or AppHost(make_setup(location, **(setup or {})), {**os.environ, **location.app_env})
        ours, its = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                for descriptor in closed:
                    os.close(descriptor)
                run_host(host, its, host.served)
            os._exit(99)
        its.close()
        started.append((under_test := HostUnderTest(pid, host, ours), ours))
        return under_test

    yield start
    for host, channel in started:
        host.host.close()
        if host.pid is not None:
            with contextlib.suppress(ChildProcessError, ProcessLookupError):
                os.kill(host.pid, signal.SIGKILL)
                os.waitpid(host.pid, 0)
        channel.close()
