"""The relay: a thread that takes what workers ask, hands it to the application's threads, and sends what they say.

Rules: it waits for nobody, so that it gives its sign of life while the application computes or is being imported; when
it takes no more, what waits is for the next process of this application.
"""

import json
import math
import os
import select
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

from gemd.app_host.condition import Condition
from gemd.app_host.exchange import Exchange
from gemd.exit_codes import ExitCode
from gemd.responders.app.threads import AppThreads
from gemd.shared.app_host import AppSetup
from gemd.shared.host_process import CHANGED, END, FIGURES, LEAVE, READY
from gemd.system.default_timeout import ignore_default_timeout
from gemd.system.descriptors import receive_descriptors
from gemd.system.log import error_log

_LOOK_INTERVAL = 1.0  # seconds between two looks at how things are
_MAX_EXCHANGES = 4096
_PIECE = 4096


class Relay:
    """Takes requests from `open` on. `made` is when the process began, in nanoseconds of the system's clock."""

    def __init__(self, setup: AppSetup, channel: socket.socket, requests: socket.socket, made: int) -> None:
        self._channel = channel
        self._requests = requests
        self._condition = Condition(setup, made)
        self._threads: AppThreads | None = None
        self._stop: Callable[[], None] | None = None
        self._poll = select.poll()
        self._acts: dict[int, Callable[[int], None]] = {}
        self._exchanges: dict[Exchange, None] = {}
        self._woken: deque[Exchange] = deque()
        self._beginning: deque[Exchange] = deque()
        self._unsaid: deque[bytes] = deque()  # that the master has to hear
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._is_awaiting = False  # or about to
        self._is_taking = False  # requests
        self._is_leaving = False
        self._next_look = self._next_deadline = math.inf
        for descriptor, act in ((channel.fileno(), self._answer_master), (self._wakeup, self._wake_up)):
            self._watch(descriptor, act)
        for sock in (channel, requests):
            sock.setblocking(False)

    def start(self) -> None:
        """Begin to answer the master. Ends with the process."""
        threading.Thread(target=self._run, name="relay", daemon=True).start()

    def open(self, threads: AppThreads, stop: Callable[[], None]) -> None:
        """The application is loaded: take requests. `stop` is called when there will be no more. From another
        thread."""
        self._threads, self._stop = threads, stop
        os.eventfd_write(self._wakeup, 1)

    # What exchanges ask for

    def wake(self, exchange: Exchange) -> None:
        """Have it looked at. From any thread."""
        self._woken.append(exchange)
        if self._is_awaiting:
            self._is_awaiting = False  # one write is enough
            os.eventfd_write(self._wakeup, 1)

    def begin_soon(self, exchange: Exchange) -> None:
        """Have its `begin` called when there is nothing else to do: a thread that comes up wants the interpreter."""
        self._beginning.append(exchange)

    def await_room(self, exchange: Exchange, *, is_blocked: bool) -> None:
        """Look when the worker takes more, or no more than when it hangs up."""
        self._poll.modify(exchange.socket, select.POLLIN | (select.POLLOUT if is_blocked else 0))
        self._next_deadline = min(self._next_deadline, exchange.deadline)

    def forget(self, exchange: Exchange) -> None:
        """It is over, and its socket is to be closed."""
        self._unwatch(exchange.socket.fileno())
        del self._exchanges[exchange]
        self._condition.answered += 1

    # The loop

    def _run(self) -> None:
        try:
            while not (self._is_leaving and not self._exchanges):
                self._step()
            if self._stop is not None:
                self._stop()
            else:
                os._exit(ExitCode.OK)  # the application is not loaded yet, and nobody waits for it
        finally:
            if (fault := sys.exception()) is not None:
                error_log.error("a fault of gemd itself in the process of an application", exc_info=fault)
                os._exit(ExitCode.INTERNAL)

    def _step(self) -> None:
        while self._beginning:
            self._beginning.popleft().begin()
        now = time.monotonic()
        moment = min(self._next_look, self._next_deadline)
        timeout = None if moment == math.inf else max(0, math.ceil((moment - now) * 1000))
        self._is_awaiting = True  # before that look: who wakes later writes
        events = self._poll.poll(0 if self._woken else timeout)
        self._is_awaiting = False
        for descriptor, event in events:
            act = self._acts.get(descriptor)  # none where an earlier one has put an end to it
            if act is not None:
                act(event)
        while self._woken:
            self._woken.popleft().look()
        now = time.monotonic()
        if now >= self._next_deadline:
            for exchange in [one for one in self._exchanges if one.deadline <= now]:
                exchange.look()
            later = (one.deadline for one in self._exchanges)
            self._next_deadline = min((deadline for deadline in later if deadline > now), default=math.inf)
        if now >= self._next_look:
            self._next_look = now + _LOOK_INTERVAL
            self._look()
        self._take_or_not()

    def _watch(self, descriptor: int, act: Callable[[int], None]) -> None:
        self._acts[descriptor] = act
        self._poll.register(descriptor, select.POLLIN)

    def _unwatch(self, descriptor: int) -> None:
        if self._acts.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def _wake_up(self, _event: int) -> None:
        os.eventfd_read(self._wakeup)
        if self._threads is not None and self._next_look == math.inf:
            self._unsaid.append(READY)
            self._next_look = time.monotonic()
            self._say_all()

    # Requests

    def _take_or_not(self) -> None:
        """Hear what is asked where it can be taken; else it is for others, or for later."""
        is_open = self._next_look < math.inf and not self._is_leaving and not self._condition.is_exhausted
        is_taking = is_open and len(self._exchanges) < _MAX_EXCHANGES
        if is_taking and not self._is_taking:
            self._watch(self._requests.fileno(), self._take_requests)
        elif self._is_taking and not is_taking:
            self._unwatch(self._requests.fileno())
        self._is_taking = is_taking

    def _take_requests(self, _event: int) -> None:
        """Take one: where there are more, that is told again."""
        assert self._threads is not None
        if not self._has_descriptor():
            self._condition.is_exhausted = True
            return
        try:
            data, descriptors = receive_descriptors(self._requests, 1, 2)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            self._is_leaving = True  # there is nobody left who could ask
        elif descriptors:  # else the last one was taken just now, and the worker learns that by the end of its socket
            kind = socket.AF_UNIX, socket.SOCK_STREAM, 0  # which are asked for where they are not said
            self._take(socket.socket(*kind, descriptors[0]), self._threads, *descriptors[1:])

    def _has_descriptor(self) -> bool:
        """Whether one is free here: else who asks is better off with another process."""
        try:
            os.close(os.dup(self._wakeup))
        except OSError:
            return False
        return True

    def _take(self, sock: socket.socket, threads: AppThreads, body: int | None = None) -> None:
        ignore_default_timeout(sock)
        exchange = Exchange(self, sock, threads, body)
        self._exchanges[exchange] = None

        def act(event: int) -> None:
            if event & ~select.POLLOUT:
                exchange.hear()
            if event & select.POLLOUT:
                exchange.look()

        self._watch(sock.fileno(), act)
        exchange.hear()  # which is there by now

    # The master

    def _answer_master(self, _event: int) -> None:
        try:
            data = self._channel.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if END in data:
            self._is_leaving = True
        if data:
            self._say(b"")
        else:
            self._unwatch(self._channel.fileno())  # workers end soon after their master, and this one after them
            self._is_leaving = self._is_leaving or self._next_look == math.inf  # if it has had any

    def _look(self) -> None:
        """Once a second."""
        assert self._threads is not None
        error_log.settle()
        condition = self._condition
        if condition.look(self._threads, len(self._exchanges)):
            self._say(FIGURES + json.dumps(condition.figures).encode())
        if (reason := condition.take_reason_to_leave()) is not None:
            self._unsaid.append(LEAVE + reason.encode())
        if (path := condition.take_change()) is not None:
            error_log.info("%s has changed: reloading", path)
            self._unsaid.append(CHANGED)
        self._say_all()

    def _say_all(self) -> None:
        """Say what has to be heard; what the master can't take now is said at the next look."""
        while self._unsaid and self._say(self._unsaid[0]):
            self._unsaid.popleft()

    def _say(self, line: bytes) -> bool:
        """Whether the master has room for it."""
        try:
            self._channel.send(line + b"\n", socket.MSG_NOSIGNAL)
        except OSError:
            return False  # the master is gone, or late
        return True
