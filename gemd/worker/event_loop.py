"""The event loop: where a worker waits, for clients and for what answers them.

Rules: only `wait` waits, in one place. A connection is in one state: reading until its request is complete, uploading
until its body is, writing until its answer is in the kernel, lingering until it is closed; or passing, where another
server answers it. What goes wrong in a step of one connection ends that connection alone.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping

from gemd.config.listen import Listen
from gemd.config.settings import Limits, Timeouts
from gemd.protocol.errors import GeminiError
from gemd.protocol.response import Answer, error_response
from gemd.protocol.upload import Intake
from gemd.responders.counted import note_eviction
from gemd.responders.own_texts import WordRefusal, leave_words
from gemd.shared.under_way import UnderWay
from gemd.system.listener import Listener
from gemd.system.log import error_log
from gemd.system.tls import ConnectionMaker
from gemd.worker.accepting import Accepting
from gemd.worker.admission import Admission
from gemd.worker.connection import Connection, ReportLoss
from gemd.worker.lookups import Lookups
from gemd.worker.memory import Memory
from gemd.worker.passed import Passes
from gemd.worker.poller import Poller
from gemd.worker.states import States
from gemd.worker.thread_pool import ThreadPool
from gemd.worker.waiting import AnswerHelper

_LOOK_INTERVAL = 0.02  # seconds between two looks around while much happens: so late a deadline may be noticed
_TOO_MUCH = "clients hold too much memory together (limits.buffered)"
_OWN_FAULT = "a fault of gemd itself"
_FAULT = "An unexpected error occurred"


class EventLoop:
    """`ready` has connections whose request is complete, or refused, and again when their upload is; `ended` has those
    whose answer is over: whoever serves takes them from there."""

    def __init__(
        self,
        listeners: Mapping[Listener, Listen],
        context: ConnectionMaker | None,
        timeouts: Timeouts,
        limits: Limits,
        max_connections: int,
        pool: ThreadPool,
        lookups: Lookups,
        under_way: UnderWay,
        report_loss: ReportLoss,
        admission: Admission | None = None,
        passes: Passes | None = None,
        word_refusal: WordRefusal = leave_words,
        *,
        takes_uploads: bool = False,
    ) -> None:
        self.ready: deque[Connection] = deque()
        self.ended: deque[Connection] = deque()
        self.upload_begun: Callable[[Connection], None] = lambda _connection: None  # told of each that is to come
        self._poller: Poller[Connection] = Poller()
        self._max_connections = max_connections
        self._admission = admission
        self._word_refusal = word_refusal
        self._next_look = 0.0
        self._states = states = States(
            self._poller,
            lambda connection: AnswerHelper(connection, self._poller, pool, lookups, under_way),
            timeouts,
            limits,
            max_connections,
            report_loss,
            self.ready,
            self.ended,
        )
        self._reading, self._writing = states.reading, states.writing
        self._accepting = Accepting(
            self._poller,
            listeners,
            context,
            timeouts,
            max_connections,
            self._reading,
            admission,
            limits.ipv6_prefix,
        )
        if passes is not None:
            states.add_passing(listeners, passes)
        if takes_uploads:
            states.add_uploading(lambda connection: self.upload_begun(connection))
        self._memory = Memory(self._reading, self._writing, timeouts, limits, states.holders)

    def count(self) -> tuple[int, int, int, int, int]:
        """How many connections are in each state: reading, writing, lingering, passing, uploading."""
        return self._states.count()

    @property
    def refused(self) -> int:
        """How many connections were turned away before TLS began."""
        return self._admission.refused if self._admission is not None else 0

    @property
    def received(self) -> int:
        """How many bytes of uploads have come."""
        return self._states.uploading.received if self._states.uploading is not None else 0

    def has_room(self, reading: int, *others: int) -> bool:
        """Whether another connection could be taken beside these, as `count` has them, without one having to go."""
        most = self._max_connections
        return reading < most and sum(others) < most and self._accepting.is_listening

    def leave_accepting(self, *, is_left: bool) -> None:
        """Leave accepting to the other workers, or take part in it again."""
        self._accepting.leave_to_others(is_left=is_left)

    def is_idle(self) -> bool:
        """Whether there is nobody."""
        return not (self.ready or self.ended or any(self.count()))

    def watch(self, fd: int, act: Callable[[], None]) -> None:
        """Have `act` called whenever a descriptor of the worker's own is readable."""
        self._poller.watch(fd, act)

    def unwatch(self, fd: int) -> None:
        """Watch it no longer."""
        self._poller.unwatch(fd)

    def answer(self, connection: Connection, answer: Answer | Intake) -> None:
        """Begin to send the answer to a connection that was ready, or to take its upload first."""
        self._writing.answer(connection, answer)

    def end_by(self, moment: float) -> None:
        """Give up at a moment, in monotonic seconds, what clients still have to send: the worker ends."""
        self._states.end_by(moment)

    def stop_listening(self, *, is_urgent: bool) -> None:
        """Accept what is in the backlog and no more; `is_urgent` leaves less time to those who are slow."""
        self._accepting.stop()
        if is_urgent:
            self._reading.hurry()
            self._states.closing.leave_deliveries()

    def wait(self, timeout: float) -> bool:
        """Let things happen until there is something to do, or for `timeout` seconds. Whether it is time to look
        around, which is not worth it in each turn where much happens."""
        runnable = self._writing.runnable()
        is_quiet = not runnable
        for act, connection, events in self._poller.wait(0.0 if runnable else self._shorten(timeout)):
            is_quiet = False
            self._step(act, connection, events)
        woken = self._poller.woken
        if woken:
            is_quiet = False
            # Who was woken more than once, and will wake itself again, has one turn and not ever more of them.
            for connection in dict.fromkeys([woken.popleft() for _ in range(len(woken))]):
                self._step(self._states.resume, connection)
        for connection in runnable:
            self._step(self._writing.go_on, connection)
        for connection in self._accepting.accept_waiting():
            is_quiet = False
            if connection in self._reading:
                self._step(self._reading.advance, connection, 0)
        now = time.monotonic()
        is_due = is_quiet or now >= self._next_look
        if is_due:
            self._next_look = 0.0 if is_quiet else now + _LOOK_INTERVAL
            self._look(now)
        return is_due

    def _look(self, now: float) -> None:
        """See whose time is over, and who holds too much."""
        self._accepting.expire(now)
        for state in self._states.all:
            for connection in state.expired(now):
                self._step(state.time_out, connection, now)
        for connection in self._memory.look(now, sum(self.count())):
            note_eviction("memory")
            self._step(lambda one: self._states.drop(one, _TOO_MUCH), connection)

    def _shorten(self, timeout: float) -> float:
        """The timeout, or less when a deadline comes first, which is not looked for a moment after the last time."""
        if self.ready or self.ended or self._poller.woken:
            return 0.0
        left = self._next_look - time.monotonic()
        if left > 0.0:
            return min(timeout, left)
        moment = min(self._accepting.next_deadline(), *(state.next_deadline() for state in self._states.all))
        return timeout if moment == math.inf else max(0.0, min(timeout, moment - time.monotonic()))

    def _step(self, act: Callable[..., None], connection: Connection, *arguments: float) -> None:
        """Go on with one connection. The boundary of such a step: no error passes it."""
        try:
            act(connection, *arguments)
        except Exception:  # noqa: BLE001, the boundary of one connection's step
            error_log.exception("a fault while serving %s", error_log.show_url(connection.url))
            self.give_up(connection)

    def give_up(self, connection: Connection) -> None:
        """Something of ours went wrong: say so, if nothing is sent yet, and close. May go wrong itself, and goes on."""
        self._step(self._close_after_fault, connection)

    def _close_after_fault(self, connection: Connection) -> None:
        if connection.socket.fileno() >= 0:  # else it is closed already
            fault, request = GeminiError(_FAULT), connection.request
            answer = error_response(self._word_refusal(request, fault) if request is not None else fault)
            self._states.give_up(connection, answer, _OWN_FAULT)
