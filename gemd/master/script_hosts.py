"""Script hosts: the processes that run scripts as users of their own, kept alive while their generation has workers.

Rules: a host is a fresh interpreter, so that no key is in its memory; it is asked for a sign of life, and killed when
it gives none; one of a generation that has been replaced ends by itself, with the last worker of that, and all are
killed with the master, which has no workers any more by then.
"""

import os
import socket
import sys
from collections.abc import Iterable

from gemd.exit_codes import ExitCode
from gemd.master.deaths import describe_end
from gemd.master.process import Child, ProcessControl
from gemd.master.workers import YOUNG
from gemd.shared.generation import Generation
from gemd.shared.script_host import READY, SIGN, ScriptHost
from gemd.system.log import error_log

_MIN_DELAY = 0.5  # seconds until the next one, after one that has died young
_MAX_DELAY = 30.0  # after several that have died before they could run anything
_ASKS = 3  # times that one is asked within timeouts.worker
_PIECE = 4096
_MAX_PIECES = 64  # at one look, which is all that a socket holds
_MAX_LINE = 1000
_ENVIRON = {"LC_ALL": "C.UTF-8"}  # of the host; a script has its own
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from gemd.script_host.main import main; sys.exit(main(*map(int, sys.argv[1:3])))"
)


class ScriptHosts:
    """Those of all generations."""

    def __init__(self, processes: ProcessControl) -> None:
        self._processes = processes
        self._keepers: dict[ScriptHost, _Keeper] = {}

    def step(self, generations: Iterable[Generation], pids: Iterable[int], now: float) -> None:
        """Start what these lack, and look after all. `pids` are the workers', which are not left by any of them."""
        wanted = {host: generation for generation in generations for host in generation.script_hosts}
        for host, generation in wanted.items():
            if host not in self._keepers:
                self._keepers[host] = _Keeper(host, generation, self._processes)
        for host, keeper in list(self._keepers.items()):
            if keeper.look(now):
                self._processes.kill_orphans(list(pids))
            if host in wanted:
                keeper.start(now)
            elif keeper.is_gone:
                del self._keepers[host]


class _Keeper:
    """Keeps one alive."""

    def __init__(self, host: ScriptHost, generation: Generation, processes: ProcessControl) -> None:
        self._host = host
        self._generation = generation
        self._processes = processes
        self._child: Child | None = None
        self._is_ready = False
        self._failures = 0
        self._start_at = 0.0
        self._born = self._asked_at = self._heard_at = 0.0
        self._received = b""

    @property
    def is_gone(self) -> bool:
        """Whether there is no process."""
        return self._child is None

    def start(self, now: float) -> None:
        """Start one unless there is one, or it is too early for the next."""
        if self._child is not None or now < self._start_at:
            return
        self._is_ready, self._received = False, b""
        self._born = self._asked_at = self._heard_at = now
        try:
            self._child = self._processes.spawn_script_host(
                self._generation, self._host.served, lambda channel, served: run_host(self._host, channel, served)
            )
        except OSError as error:
            self._put_off(now)
            error_log.error("can't fork the script host of %s: %s", self._host.user, error.strerror)

    def _put_off(self, now: float) -> None:
        """When the next one may be started: soon after one that could run scripts, for those may have killed it."""
        if self._is_ready:
            self._failures = 0
            self._start_at = now if now - self._born >= YOUNG else now + _MIN_DELAY
            return
        self._start_at = now + min(_MIN_DELAY * float(1 << self._failures), _MAX_DELAY)
        self._failures = min(self._failures + 1, 16)

    def look(self, now: float) -> bool:
        """Hear what it says, and kill it when it is late; whether it has ended since the last look."""
        child = self._child
        if child is None:
            return False
        code = child.code  # before the last that it has said is read
        self._hear(child, now)
        if code is not None:
            child.hang_up()
            self._child = None
            if code != ExitCode.OK:
                what = (self._host.user, child.pid, describe_end(code))
                error_log.error("the script host of %s (pid %d) %s", *what)
            self._put_off(now)
            return True
        timeout = self._generation.config.timeouts.worker
        if now - self._asked_at >= timeout / _ASKS and self._heard_at >= self._asked_at:
            self._asked_at = now
            self._ask(child)
        elif self._heard_at < self._asked_at and now - self._asked_at > timeout:
            late = (self._host.user, child.pid, timeout)
            error_log.error("killing the script host of %s (pid %d): no sign of life for %.0f s", *late)
            self._asked_at = now  # as long again before the next try: one that waits for a disk can't be killed
            child.kill()
        return False

    def _ask(self, child: Child) -> None:
        try:
            child.channel.send(SIGN, socket.MSG_NOSIGNAL)
        except OSError:
            return  # it has ended, or is late

    def _hear(self, child: Child, now: float) -> None:
        for _ in range(_MAX_PIECES):
            if child.channel.fileno() < 0:
                break
            try:
                data = child.channel.recv(_PIECE)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                child.hang_up()
                break
            self._heard_at = now
            self._received += data
        *lines, rest = self._received.split(b"\n")
        self._received = rest[:_MAX_LINE]
        for line in lines:
            self._note(line)

    def _note(self, line: bytes) -> None:
        if line == READY:
            self._is_ready = True
        elif line:
            text = line[:_MAX_LINE].decode("utf-8", "replace")
            error_log.error("the script host of %s: %s", self._host.user, text)


def run_host(host: ScriptHost, channel: socket.socket, served: socket.socket) -> ExitCode:
    """Become the script host. Runs in a child of the master."""
    try:
        os.dup2(host.setup.write(), 0)
        for sock in (channel, served):
            sock.set_inheritable(True)
        flags = ["-I", "-X", "utf8", *(["-B"] if sys.dont_write_bytecode else [])]
        numbers = [str(channel.fileno()), str(served.fileno())]
        os.execve(sys.executable, [sys.executable, *flags, "-c", _PROGRAM, *numbers, *sys.path], _ENVIRON)
    except OSError as error:
        channel.send(f"{sys.executable} can't be executed: {error.strerror}\n".encode("utf-8", "backslashreplace"))
    return ExitCode.INTERNAL
