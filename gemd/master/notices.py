"""What gemd is to those around it: its configuration, logs, pid file, service manager, control socket and successor.

Rules: one collaborator of the master, which decides when; a test gives it a scripted one instead. Nothing here waits
for anybody. Only one master at a time speaks to the service manager.
"""

import contextlib
import os
import select
import signal
import socket
from pathlib import Path
from typing import Protocol

from gemd.master.control import Command, ControlSocket
from gemd.master.handover import BYE, GO, GONE, READY, Channel, Handover, Successor, start_successor
from gemd.master.launch import Launch
from gemd.master.log_files import LogFiles, reopening_task
from gemd.master.report import Outcome
from gemd.master.task import Loader, Task
from gemd.shared.generation import Generation
from gemd.system.last_words import forget_predecessor
from gemd.system.log import error_log
from gemd.system.pid_file import PidFile, PidFileError
from gemd.system.systemd import Notifier


class Notices(Protocol):
    """What the master has to tell, and to ask."""

    loading: Task[Generation]  # everything read again, into a generation that shares what has not changed
    reopening: Task[LogFiles]  # the log files opened anew

    def adopt(self, current: Generation, former: Generation) -> None:
        """The workers of `current` serve, and nothing of `former` alone is needed any more."""

    def discard(self, failed: Generation, current: Generation) -> None:
        """The generation that was loaded last is not to be."""

    def announce(self) -> None:
        """The first workers serve: this master is the service."""

    def resume(self) -> None:
        """The successor has failed: this master is the service again."""

    def announce_reload(self, *, is_over: bool) -> None:
        """A reload begins or is over."""

    def announce_stop(self, generation: Generation, reason: str = "") -> None:
        """All is going to end, for a reason if it never served: listen no more."""

    def report(self, text: str, *, is_alive: bool) -> None:
        """How things are, in a line; `is_alive` when the watchdog need not worry."""

    def commands(self) -> list[Command]:
        """What gemctl asks."""

    def start_successor(self, generation: Generation) -> Successor:
        """Start a new master with the sockets of this one. Raises OSError."""

    def retire(self, successor: Successor) -> None:
        """The successor serves: it is the service from now on."""

    def reopen_predecessor(self) -> None:
        """Have the master that this one succeeds open its logs anew too, while it drains."""

    def has_predecessor(self) -> bool:
        """Whether the master that this one succeeds still drains."""

    def close(self, *, is_succeeded: bool) -> None:
        """End; what a successor goes on using stays."""


_NOBODY = Notifier({})  # to whom a master speaks while another one is the service


class DaemonNotices(Notices):
    """The real ones. `loader` reads the configuration again; `launch` leads to the shell that waits."""

    def __init__(
        self,
        generation: Generation,
        loader: Loader,
        directory: Path,
        notifier: Notifier,
        variables: dict[str, str],
        pid_file: PidFile | None,
        control: ControlSocket | None,
        handover: Handover | None,
        launch: Launch,
    ) -> None:
        self._generations = {generation}
        self._loader = loader
        self.loading = Task("the configuration could not be loaded", loader.find, self._keep)
        self.reopening = reopening_task()
        self._directory = directory
        self._notifier = notifier
        self._variables = {**notifier.variables, **variables}  # of a successor's environment
        self._pid_file = pid_file
        self._control = control
        self._launch = launch
        self._channel: Channel | None = None  # to the predecessor
        self._predecessor: int | None = None  # a pidfd
        if handover is not None:
            self._channel = Channel(socket.socket(fileno=handover.channel))
            forget_predecessor()
            with contextlib.suppress(OSError):
                self._predecessor = os.pidfd_open(handover.predecessor)
        self._owns_files = handover is None  # the pid file and the control socket; else they are the predecessor's
        self._awaited = self._channel  # whose word this master has to wait for before it speaks
        self._manager = notifier if handover is None else _NOBODY
        self._successor_channel: Channel | None = None

    def let_go(self, generation: Generation) -> None:
        """Close what only the master has a use for. Runs in a worker of that generation."""
        if self._control is not None:
            self._control.close()
        if self._pid_file is not None:
            self._pid_file.close()
        self._hang_up()
        self._launch.close()
        for other in self._generations - {generation}:
            other.close_all_but(generation)
        for host in generation.hosts:
            host.served.close()

    def _hang_up(self) -> None:
        for channel in (self._channel, self._successor_channel):
            if channel is not None and channel.is_open:
                channel.close()
        if self._predecessor is not None:
            os.close(self._predecessor)
            self._predecessor = None

    def _keep(self, found: Outcome, current: Generation) -> Generation:
        generation = self._loader.make(found, current)
        self._generations.add(generation)
        return generation

    def adopt(self, current: Generation, former: Generation) -> None:
        current.logs.use()
        self.discard(former, current)

    def discard(self, failed: Generation, current: Generation) -> None:
        failed.close_all_but(current)
        self._generations = {current}

    def announce(self) -> None:
        self._take_files()
        if self._channel is not None:
            self._channel.say(READY)
        self._manager.ready()
        self._launch.tell()

    def resume(self) -> None:
        self._take_files()
        self._manager = self._notifier
        self._manager.main_pid(os.getpid())
        self._manager.ready()

    def _take_files(self) -> None:
        """Write the pid file, and hear commands."""
        self._owns_files = True
        if self._pid_file is not None:
            try:
                self._pid_file.write()
            except PidFileError as error:
                error_log.error("%s", error)
        if self._control is not None:
            self._control.listen()

    def announce_reload(self, *, is_over: bool) -> None:
        if is_over:
            self._manager.ready()
        else:
            self._manager.reloading()

    def announce_stop(self, generation: Generation, reason: str = "") -> None:
        if self._channel is not None and reason:
            self._channel.explain(reason)
        # Close the listeners, so that new connections are refused, and not queued for workers that are gone.
        self._manager.stopping()
        for listener in generation.listeners:
            listener.close()

    def report(self, text: str, *, is_alive: bool) -> None:
        if self._awaited is not None and self._awaited.hear() in (GO, GONE):
            self._awaited = None
            self._manager = self._notifier
            self._manager.ready()
        self._manager.status(text)
        error_log.settle()
        if is_alive:
            self._manager.alive()

    def commands(self) -> list[Command]:
        return self._control.take() if self._control is not None else []

    def start_successor(self, generation: Generation) -> Successor:
        streams = generation.logs.streams.copies
        successor = start_successor(
            self._directory, generation.listeners, self._pid_file, self._control, self._variables, streams
        )
        self._successor_channel = successor.channel
        return successor

    def retire(self, successor: Successor) -> None:
        if self._control is not None:
            self._control.pause()
        self._manager.main_pid(successor.pid)
        self._manager = _NOBODY
        self._awaited = None
        successor.channel.say(GO)

    def reopen_predecessor(self) -> None:
        if self._predecessor is not None:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._predecessor, signal.SIGUSR1)

    def has_predecessor(self) -> bool:
        if self._predecessor is None:
            return False
        poll = select.poll()
        poll.register(self._predecessor, select.POLLIN)
        return not poll.poll(0)

    def close(self, *, is_succeeded: bool) -> None:
        self.loading.cancel()
        self.reopening.cancel()
        if self._channel is not None:
            self._channel.say(BYE)
        self._hang_up()
        if self._owns_files and not is_succeeded:
            if self._pid_file is not None:
                self._pid_file.remove()
            if self._control is not None:
                self._control.remove()
        if self._control is not None:
            self._control.close()
        if self._pid_file is not None:
            with contextlib.suppress(OSError):
                self._pid_file.close()
        for generation in self._generations:
            generation.close_all_but(None)
