"""Processes, signals and time, as one collaborator of the master: a test gives it a scripted one instead.

Rules: between fork and a worker's own signal set-up no signal is delivered, so that none is lost or handled by
the wrong process; nobody waits for a child, as one that waits for a disk can't even be killed.
"""

import contextlib
import errno
import gc
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from gemd.exit_codes import ExitCode
from gemd.master.child import Child
from gemd.shared.channel import hear_last_words, send_files
from gemd.shared.generation import Generation
from gemd.shared.host_process import END
from gemd.system.orphans import adopt_orphans, kill_orphans
from gemd.system.out_of_memory import OutOfMemoryKills
from gemd.system.signals import SignalQueue

Work = Callable[[Generation, int, int, socket.socket], ExitCode]
Task = Callable[[socket.socket], ExitCode]
Program = Callable[[socket.socket, socket.socket], ExitCode]

_END_TIMEOUT = 1.0  # seconds for those that are killed; who waits for a disk takes longer, and nobody waits for that
_END_INTERVAL = 0.005
_MAX_CHILDREN = 4  # beside the workers: two that do something, and some that wait for a disk and can't be killed


class ProcessControl(Protocol):
    """What the master asks of the kernel."""

    def spawn(self, generation: Generation, nr: int, row: int) -> int:
        """Fork a worker for slot `nr`, with a row of the scoreboard; return its pid. Raises OSError."""

    def kill(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a worker; nothing happens if it has just ended."""

    def reap(self) -> list[tuple[int, int]]:
        """The children that have ended, each with its exit code, or minus the signal that killed it."""

    def spawn_child(self, generation: Generation, task: Task) -> Child:
        """Fork a process that does a task, given the other end of its channel, and ends with the exit code that it
        returns. It has what a worker of that generation has. Raises OSError."""

    def spawn_host(self, generation: Generation, served: socket.socket, program: Program) -> Child:
        """Fork a process beside the workers, which is given the other end of its channel and a copy of `served`. Raises
        OSError."""

    def tell_hosts(self) -> None:
        """Have those processes end when all is answered."""

    def has_hosts(self) -> bool:
        """Whether there are any."""

    def kill_hosts(self) -> None:
        """Kill them, whatever they are at, and what they run: one that was stopped would be left for ever. There are no
        workers any more. Waits for a moment."""

    def last_words(self, pid: int) -> str:
        """Why a worker did not serve, if it has said so; of those that `reap` returned last."""

    def kill_orphans(self, keep: Collection[int]) -> None:
        """End the scripts of workers and the processes beside them that are gone; the children in `keep` are none."""

    def hand_out(self, paths: Sequence[str], descriptors: Sequence[int]) -> None:
        """Send every worker these log files; one that does not read its messages is late, and will be killed."""

    def share_memory(self) -> None:
        """Something large was made that all workers will inherit."""

    def count_oom_kills(self) -> int:
        """How many processes the kernel has killed for want of memory."""

    def monotonic(self) -> float:
        """Seconds on the monotonic clock."""

    def sleep(self, seconds: float) -> list[signal.Signals]:
        """Wait for signals or for other work, at most `seconds`; return the signals that came."""


class ForkingProcessControl(ProcessControl):
    """The real one. `poll` ends the sleep: others may register there what they wait for. `work` is run in each worker,
    and returns the exit code; `let_go` closes there what is only the master's."""

    def __init__(
        self, poll: select.poll, signals: SignalQueue, work: Work, let_go: Callable[[Generation], None]
    ) -> None:
        self._poll = poll
        self._work = work
        self._let_go = let_go
        self._signals = signals
        poll.register(self._signals.fileno(), select.POLLIN)
        self._channels: dict[int, socket.socket] = {}
        self._last_words: dict[int, str] = {}
        self._children: dict[int, Child] = {}
        self._hosts: dict[int, Child] = {}
        self._oom_kills = OutOfMemoryKills()
        adopt_orphans()
        gc.collect()  # beside what was imported, which is frozen already
        gc.freeze()

    def share_memory(self) -> None:
        # Keep the collector from touching, and so copying, the pages that all processes share.
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def spawn(self, generation: Generation, nr: int, row: int) -> int:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = self._fork(generation, lambda channel: self._work(generation, nr, row, channel), ours, its)
        self._channels[pid] = ours
        return pid

    def spawn_child(self, generation: Generation, task: Task) -> Child:
        if len(self._children) >= _MAX_CHILDREN:
            raise OSError(errno.EAGAIN, f"{len(self._children)} earlier ones wait for something, and can't be ended")
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        pid = self._fork(generation, task, ours, its)
        self._children[pid] = child = Child(pid, ours, self._poll)
        return child

    def spawn_host(self, generation: Generation, served: socket.socket, program: Program) -> Child:
        with served.dup() as copy:  # one that a child of this generation does not close
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            pid = self._fork(generation, lambda channel: program(channel, copy), ours, its)
        self._hosts[pid] = child = Child(pid, ours, self._poll)
        return child

    def _fork(self, generation: Generation, task: Task, ours: socket.socket, its: socket.socket) -> int:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                self._become_child(generation, task, ours, its)
        except OSError:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            its.close()
        ours.setblocking(False)
        return pid

    def _become_child(self, generation: Generation, task: Task, ours: socket.socket, its: socket.socket) -> None:
        """Close, clear and reset what only the master may have. Runs in the child; ends the process."""
        code = ExitCode.INTERNAL
        try:
            others = (*self._children.values(), *self._hosts.values())
            for channel in (ours, *self._channels.values(), *(child.channel for child in others)):
                channel.close()
            self._signals.close()
            self._let_go(generation)
            code = task(its)
        finally:
            os._exit(code)

    def kill(self, pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def reap(self) -> list[tuple[int, int]]:
        ended: list[tuple[int, int]] = []
        self._last_words = {}
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                code = os.waitstatus_to_exitcode(status)
                child = self._children.pop(pid, None) or self._hosts.pop(pid, None)
                if child is not None:
                    child.code = code
                    continue
                ended.append((pid, code))
                if pid in self._channels:
                    with self._channels.pop(pid) as channel:
                        self._last_words[pid] = hear_last_words(channel)
        return ended

    def last_words(self, pid: int) -> str:
        return self._last_words.get(pid, "")

    def tell_hosts(self) -> None:
        for child in self._hosts.values():
            child.tell(END)

    def has_hosts(self) -> bool:
        return bool(self._hosts)

    def kill_hosts(self) -> None:
        if not self._hosts:
            return
        for child in self._hosts.values():
            child.kill()
        end = time.monotonic() + _END_TIMEOUT
        while self._hosts and time.monotonic() < end:
            time.sleep(_END_INTERVAL)
            self.reap()
        self.kill_orphans(())

    def kill_orphans(self, keep: Collection[int]) -> None:
        kill_orphans(keep={*keep, *self._children, *self._hosts})

    def hand_out(self, paths: Sequence[str], descriptors: Sequence[int]) -> None:
        for channel in self._channels.values():
            with contextlib.suppress(OSError):
                send_files(channel, paths, descriptors)

    def count_oom_kills(self) -> int:
        return self._oom_kills.read()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> list[signal.Signals]:
        self._poll.poll(max(0.0, seconds) * 1000)
        return self._signals.take()
