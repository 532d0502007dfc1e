"""Connections that upload: the body of a request is read here, until it is whole, refused or broken off.

Rules: nothing here waits for a client or a disk. A body has one absolute deadline, and within each response timeout as
much of it has to come as would have to be taken of an answer; what is refused is told why. Where too much is announced,
who has most gives way.
"""

import math
import select
import time
from collections import deque
from collections.abc import Callable, Iterator

from gemd.config.settings import Limits, Timeouts
from gemd.protocol.errors import GeminiError, Overloaded
from gemd.protocol.upload import Intake
from gemd.responders.counted import answer_refusal, note_eviction
from gemd.system.client_socket import acknowledge_now
from gemd.system.tls import TLSError
from gemd.worker.connection import Connection, ReportLoss
from gemd.worker.incoming import IncomingBody
from gemd.worker.ordered import Ordered
from gemd.worker.poller import Poller
from gemd.worker.room import Room
from gemd.worker.upload_budget import UploadBudget
from gemd.worker.waiting import AnswerHelper
from gemd.worker.writing import BLOCK_SIZE, Writing

_MAX_PIECES = 8  # of one body in a turn, so that others have theirs
_MAX_LATE = 16  # that are told so in a turn, for the same reason


class Uploading:
    """`begun` is told of each connection whose body is to come, and `ready` gets it when that is whole. `received`
    counts the bytes of all bodies."""

    def __init__(
        self,
        poller: Poller[Connection],
        make_helper: Callable[[Connection], AnswerHelper],
        writing: Writing,
        room: Room,
        timeouts: Timeouts,
        limits: Limits,
        ready: deque[Connection],
        begun: Callable[[Connection], None],
        report_loss: ReportLoss,
    ) -> None:
        self.received = 0
        self._poller = poller
        self._make_helper = make_helper
        self._writing = writing
        self._room = room
        self._timeout = timeouts.upload
        self._progress_timeout = timeouts.response
        self._budget = UploadBudget(limits.uploads, limits.uploads_per_address)
        self._ready = ready
        self._begun = begun
        self._report_loss = report_loss
        self._receiving: Ordered[Connection] = Ordered()  # who got on last is the newest
        self._waiting: Ordered[Connection] = Ordered()  # for an intake that takes no more at the moment
        self._bodies: dict[Connection, tuple[IncomingBody, float]] = {}  # with its end, the soonest first
        self._last_moment = math.inf
        room.add(self)
        writing.take_upload = self.begin

    def __len__(self) -> int:
        return len(self._bodies)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._bodies))

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._bodies

    # Beginning

    def begin(self, connection: Connection, intake: Intake) -> None:
        """Read the body that a connection has announced which is in no state."""
        self._begun(connection)
        client = connection.client
        try:
            self._make_way(client, intake.size)
        except GeminiError as refusal:
            intake.close()
            self._writing.answer(connection, answer_refusal(refusal))
            return
        self._room.make_place()
        body = connection.upload = IncomingBody(intake, connection.reader.rest)
        connection.received = 0  # what came with the request is the body's to count
        self._budget.enter(client, body.size)
        self._bodies[connection] = body, time.monotonic() + self._timeout
        self._room.count()
        self._renew(connection)
        body.begin(self._make_helper(connection))
        self._advance(connection)

    def _make_way(self, client: str, size: int) -> None:
        """Have others give way to this one, if they have more. Raises BadRequest (59) and Overloaded (41)."""
        self._budget.check(client, size)
        while (largest := self._budget.find_excess(client, size)) is not None:
            refusal = Overloaded("Too many uploads are under way, try again later", reason="uploads")
            self.refuse(self._find_oldest(largest), refusal)

    def _find_oldest(self, client: str) -> Connection:
        """The upload of a client that did not get on for longest."""
        return next(one for state in (self._receiving, self._waiting) for one in state if one.client == client)

    # What comes

    def _advance(self, connection: Connection, _events: int = 0) -> None:
        """Take what is here, as far as its intake does."""
        if connection not in self:
            return
        body, _ = self._bodies[connection]
        before = body.received
        try:
            self._receive(connection, body)
        except GeminiError as refusal:
            self.refuse(connection, refusal)
        except TLSError as error:
            self.drop(connection, str(error))
        self.received += body.received - before

    def _receive(self, connection: Connection, body: IncomingBody) -> None:
        """Raises GeminiError and TLSError."""
        may_be_more = True
        for _ in range(_MAX_PIECES):
            if not may_be_more or body.is_whole:
                break
            if not body.intake.is_ready:
                self._poller.modify(connection.fd, 0, self._notice_end, connection)
                self._waiting.add(connection)
                return
            may_be_more = body.receive(connection)
        if body.is_whole:
            body.look_behind(connection)
            self._forget(connection)
            self._ready.append(connection)
            return
        if connection in self._waiting or connection.progress >= BLOCK_SIZE:
            self._renew(connection)
        self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        """Have the next bytes told, once the client has taken what TLS has to say to the last ones."""
        events = select.EPOLLIN if connection.flush() else select.EPOLLOUT
        self._poller.modify(connection.fd, events, self._advance, connection)
        acknowledge_now(connection.socket)  # it may have written a small piece, and hold back the next until then

    def _renew(self, connection: Connection) -> None:
        """The next block has the whole time again."""
        connection.renew(time.monotonic() + self._progress_timeout)
        self._receiving.add(connection)

    def _notice_end(self, connection: Connection, _events: int) -> None:
        """Only an error or the end of both directions is told while its intake takes no more."""
        self.drop(connection, "the client left")

    def resume(self, connection: Connection) -> None:
        """Its intake may take more."""
        self._advance(connection)

    # The end

    def refuse(self, connection: Connection, refusal: GeminiError) -> None:
        """Keep nothing of it, and tell the client why."""
        self._report_loss(connection, f"upload broke off: {refusal.meta}")
        self.let_go(connection)
        self._writing.answer(connection, answer_refusal(refusal))

    def drop(self, connection: Connection, reason: str) -> None:
        """Keep nothing of it; there is nobody to be told, or no time for it."""
        self._report_loss(connection, f"upload broke off: {reason}: {self._bodies[connection][0].account}")
        self._forget(connection)
        self._writing.drop(connection)

    def let_go(self, connection: Connection) -> None:
        """Keep nothing of it; it is in no state then."""
        body, _ = self._bodies[connection]
        self._forget(connection)
        body.close()

    def _forget(self, connection: Connection) -> None:
        """It is here no longer."""
        body, _ = self._bodies.pop(connection)
        connection.leave_state()
        self._budget.leave(connection.client, body.size)
        self._room.count()

    def give_place(self, number: int) -> bool:
        """Drop one of the client that has most, if there are more than `number`; False if not."""
        if len(self) <= number:
            return False
        note_eviction("uploading")
        self.drop(self._find_oldest(self._budget.largest), "too many are under way")
        return True

    def end_by(self, moment: float) -> None:
        """Refuse what is not whole by then, in monotonic seconds: the worker ends."""
        self._last_moment = min(self._last_moment, moment)

    # Deadlines

    def next_deadline(self) -> float:
        """When `expired` has somebody, in monotonic seconds."""
        if not self._bodies:
            return math.inf
        _, end = next(iter(self._bodies.values()))
        return min(self._receiving.next_deadline(), end, self._last_moment)

    def expired(self, now: float) -> list[Connection]:
        """Those whose time is over, or may be: `time_out` them. A few at a time, for each is answered."""
        late = self._receiving.expired(now)[:_MAX_LATE]
        for connection, (_, end) in self._bodies.items():
            if now < min(end, self._last_moment) or len(late) >= _MAX_LATE:
                break
            late.append(connection)
        return late

    def time_out(self, connection: Connection, now: float) -> None:
        """Refuse it, unless it gets on well enough and has time left."""
        if connection not in self:
            return
        body, end = self._bodies[connection]
        if now >= self._last_moment:
            self.refuse(connection, Overloaded(f"The server stops, and only {body.account}", reason="uploads"))
        elif now >= end:
            self.refuse(connection, GeminiError(f"Only {body.account} within {self._timeout:g} seconds"))
        elif connection.progress >= BLOCK_SIZE:
            self._renew(connection)
        else:
            self.refuse(connection, GeminiError(f"It comes too slowly: only {body.account}"))
