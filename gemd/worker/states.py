"""The states that connections can be in, and how one follows another.

Rules: a connection is in one of them at a time, or in none for a moment; what only some configurations need is loaded
for those alone.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from gemd.config.settings import Limits, Timeouts
from gemd.protocol.response import Response
from gemd.system.listener import Listener
from gemd.worker.closing import Closing
from gemd.worker.connection import Connection, ReportLoss
from gemd.worker.passed import PassedConnection, Passes
from gemd.worker.passing import Passing
from gemd.worker.poller import Poller
from gemd.worker.reading import Reading
from gemd.worker.room import Room
from gemd.worker.sorter import Sorter
from gemd.worker.waiting import AnswerHelper
from gemd.worker.writing import Writing

if TYPE_CHECKING:
    from gemd.worker.uploading import Uploading


class States:
    """Those of all connections of a worker. `ready` gets those that are to be answered, `ended` those that were."""

    def __init__(
        self,
        poller: Poller[Connection],
        make_helper: Callable[[Connection], AnswerHelper],
        timeouts: Timeouts,
        limits: Limits,
        max_connections: int,
        report_loss: ReportLoss,
        ready: deque[Connection],
        ended: deque[Connection],
    ) -> None:
        self._poller = poller
        self._make_helper = make_helper
        self._timeouts = timeouts
        self._limits = limits
        self._report_loss = report_loss
        self._ready = ready
        self.reading = Reading(poller, limits, max_connections, ready, report_loss)
        self.closing = Closing(poller, timeouts)
        self.writing = Writing(poller, make_helper, self.closing, timeouts, max_connections, ended, report_loss)
        self.passing: Passing | None = None
        self.uploading: Uploading | None = None
        self._room = Room(self.writing, self.closing, max_connections)
        self.all: tuple[Reading | Writing | Closing | Passing | Uploading, ...] = (
            *(self.reading, self.writing, self.closing),
        )

    def add_passing(self, listeners: Collection[Listener], passes: Passes) -> None:
        """Have some hosts passed on."""
        self.passing = Passing(
            self._poller, listeners, self._room, self.closing, self._timeouts, self._report_loss, passes.log
        )
        self.reading.sorter = Sorter(passes.find, self.passing.begin)
        self.all = (*self.all, self.passing)

    def add_uploading(self, begun: Callable[[Connection], None]) -> None:
        """Have uploads taken; `begun` is told of each that is to come."""
        from gemd.worker.uploading import Uploading

        self.uploading = Uploading(
            self._poller,
            self._make_helper,
            self.writing,
            self._room,
            self._timeouts,
            self._limits,
            self._ready,
            begun,
            self._report_loss,
        )
        self.all = (*self.all, self.uploading)

    def count(self) -> tuple[int, int, int, int, int]:
        """How many connections are in each of them: reading, writing, lingering, passing, uploading."""
        passing = len(self.passing) if self.passing is not None else 0
        uploading = len(self.uploading) if self.uploading is not None else 0
        return len(self.reading), len(self.writing), len(self.closing), passing, uploading

    @property
    def holders(self) -> Sequence[Iterable[Connection]]:
        """Those beside reading and writing whose connections hold memory."""
        blocked = (self.passing.blocked,) if self.passing is not None else ()
        return blocked if self.uploading is None else (*blocked, self.uploading)

    def end_by(self, moment: float) -> None:
        """Give up at a moment, in monotonic seconds, what clients still have to send."""
        self.closing.end_by(moment)
        if self.uploading is not None:
            self.uploading.end_by(moment)

    def resume(self, connection: Connection) -> None:
        """A thread has done something for it."""
        if isinstance(connection, PassedConnection):
            if self.passing is not None:
                self.passing.resume(connection)
        elif self.uploading is not None and connection in self.uploading:
            self.uploading.resume(connection)
        else:
            self.writing.resume(connection)

    def drop(self, connection: Connection, reason: str) -> None:
        """End it, whatever it is in: it is too much, or something went wrong."""
        if connection in self.reading:
            self.reading.drop(connection, reason)
        elif connection in self.closing:
            self.closing.drop(connection)
        elif isinstance(connection, PassedConnection):
            if self.passing is not None and connection in self.passing:
                self.passing.drop(connection, reason)
        elif self.uploading is not None and connection in self.uploading:
            self.uploading.drop(connection, reason)
        else:
            self.writing.drop(connection, reason)

    def give_up(self, connection: Connection, answer: Response, reason: str) -> None:
        """End it after a fault of ours: with an answer, where it is asked for one and nothing is sent yet."""
        if self.uploading is not None and connection in self.uploading:
            self.uploading.let_go(connection)
        is_foreign = isinstance(connection, PassedConnection)
        if is_foreign or connection in self.reading or connection in self.closing:
            self.drop(connection, reason)
        elif connection.sent:
            self.writing.drop(connection)
        else:
            self.writing.replace(connection, answer)
