"""The worker's server and request handler, in the frame of the standard library's socketserver.

Rules: the request handler is called once for each complete request, and once more when its upload is; it decides,
starts what has to be started, and returns. Delivery is the event loop's. Whatever happens to one request, the worker
goes on.
"""

import socketserver
import time
from collections import Counter
from collections.abc import Callable

from gemd.protocol.errors import BadRequest, GeminiError, Overloaded
from gemd.protocol.peer import Peer
from gemd.protocol.request import Request
from gemd.protocol.response import Answer, Response
from gemd.protocol.upload import Intake
from gemd.responders.attribution import Note
from gemd.responders.counted import answer_refusal
from gemd.responders.own_texts import WordRefusal, leave_words
from gemd.responders.router import Respond
from gemd.shared.scoreboard import Row
from gemd.system.access_log import AccessLog, Entry
from gemd.system.log import error_log
from gemd.worker.connection import Connection
from gemd.worker.event_loop import EventLoop

_TICK_INTERVAL = 1.0  # seconds at most between two signs of life


class RequestHandler(socketserver.BaseRequestHandler):
    """Answers the request of one connection, or its upload."""

    request: Connection
    server: "GeminiServer"

    def handle(self) -> None:
        """Find the answer, and have the event loop send it."""
        self.server.start_answer(self.request, self.server.find_answer(self.request))


class GeminiServer(socketserver.BaseServer):
    """Serves what the event loop has ready until it is told to stop. `report` is called from time to time; a client may
    have `max_pending` answers at once that take their time. `check_rate` counts whatever came of a peer, and raises
    SlowDown; `word_refusal` has own texts for what is refused, and `note` tells whose an answer is."""

    def __init__(
        self,
        event_loop: EventLoop,
        respond: Respond,
        access_log: AccessLog,
        row: Row,
        max_pending: int,
        report: Callable[[], None],
        check_rate: Callable[[Peer], None] | None = None,
        word_refusal: WordRefusal = leave_words,
        note: Note | None = None,
    ) -> None:
        super().__init__(("", 0), RequestHandler)
        self._event_loop = event_loop
        self._respond = respond
        self._access_log = access_log
        self._row = row
        self._counts = row.counts
        self._max_pending = max_pending
        self._report = report
        self._check_rate = check_rate
        self._word_refusal = word_refusal
        self._note = note if note is not None else Note()
        self._is_stopping = False
        self._is_due = True  # to look around: time for it, or something that takes time has begun or ended
        self._pending: dict[Connection, str] = {}  # the client of each
        self._per_client: Counter[str] = Counter()
        event_loop.upload_begun = self._end_pending

    def serve_forever(self, poll_interval: float = _TICK_INTERVAL) -> None:
        """Serve until `stop` was called and the last connection is closed."""
        self.service_actions()
        while not (self._is_stopping and self._event_loop.is_idle()):
            self._is_due = self._event_loop.wait(poll_interval)
            while self._event_loop.ready:
                self.handle_request()
            while self._event_loop.ended:
                self.shutdown_request(self._event_loop.ended.popleft())
            if self._is_due:
                self.service_actions()

    def stop(self, *, is_urgent: bool) -> None:
        """Accept nothing more and end when all are answered; `is_urgent` leaves less time to those who are slow."""
        self._is_stopping = True
        self._event_loop.stop_listening(is_urgent=is_urgent)

    def service_actions(self) -> None:
        """Sign of life, and what is to be done from time to time."""
        self._row.tick()
        self._report()

    def handle_request(self) -> None:
        """Have the next connection answered whose request is complete; it is shut down when its answer is over."""
        connection = self._event_loop.ready.popleft()
        self.finish_request(connection, connection.peer)

    def finish_request(self, request: Connection, client_address: Peer) -> None:  # type: ignore[override]
        """Run the request handler. The request boundary: no error passes it."""
        shown = self._row.under_way.begin(request.request.url) if request.request is not None else None
        try:
            super().finish_request(request, client_address)  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001, the request boundary
            error_log.exception("a fault while answering %s", error_log.show_url(request.url))
            self._event_loop.give_up(request)
        finally:
            self._row.under_way.end(shown)

    def find_answer(self, connection: Connection) -> Answer | Intake:
        """What the request is to be answered with; or who takes its upload before, and then what that answers."""
        request = connection.request
        try:
            if connection.upload is not None:
                return connection.upload.intake.finish()
            if self._check_rate is not None:
                self._check_rate(connection.peer)
            if request is None:
                return answer_refusal(connection.refusal or BadRequest())
            try:
                return self._respond(request)
            finally:
                connection.place = self._note.take()
        except GeminiError as error:
            return self._refuse(request, error)

    def _refuse(self, request: Request | None, refusal: GeminiError) -> Response:
        """The answer that it stands for, in the words of where the request leads."""
        return answer_refusal(self._word_refusal(request, refusal) if request is not None else refusal)

    def start_answer(self, connection: Connection, answer: Answer | Intake) -> None:
        """Have the event loop send it, unless it takes time and its client has too many of that kind already."""
        if not isinstance(answer, Response):
            self._is_due = True
            client = connection.client
            if isinstance(answer, Intake):
                pass  # which has budgets of its own
            elif self._per_client[client] >= self._max_pending:
                answer.close()
                answer = self._refuse(connection.request, Overloaded(reason="client"))
            else:
                self._per_client[client] += 1
                self._pending[connection] = client
        self._event_loop.answer(connection, answer)

    def _end_pending(self, connection: Connection) -> None:
        """Its answer takes no more time, or it is an upload that has to come first."""
        client = self._pending.pop(connection, None)
        if client is not None:
            self._is_due = True
            self._per_client[client] -= 1
            if not self._per_client[client]:
                del self._per_client[client]

    def shutdown_request(self, request: Connection) -> None:  # type: ignore[override]
        """Count and log what was answered."""
        self._end_pending(request)
        seconds = time.monotonic() - request.accepted
        self._row.count(request.sent)
        self._counts.count(request.place, request.status, seconds)
        host = request.request.url.host if request.request is not None else ""
        certificate = request.peer.tls.client_certificate
        self._access_log.write(
            Entry(
                address=request.peer.address,
                host=host,
                url=request.url,
                status=request.status,
                meta=request.meta,
                size=request.sent,
                seconds=seconds,
                complete=request.complete,
                user=certificate.common_name if certificate is not None else "",
                certificate=certificate.fingerprint if certificate is not None else "",
                port=request.peer.port,
            ),
            request.request,
        )


def loss_reporter(access_log: AccessLog) -> Callable[[Connection, str], None]:
    """What logs the end of a connection that came about through no fault of ours."""

    def report_loss(connection: Connection, reason: str) -> None:
        error_log.info("%s: %s", access_log.write_address(connection.peer.address), reason)

    return report_loss
