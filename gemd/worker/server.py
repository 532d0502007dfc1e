"""The worker's server and request handler, in the frame of the standard library's socketserver.

Rules: a request handler is synchronous and answers one request from start to end; what may block, or is larger than a
send buffer, is answered in the side room; whatever happens to one request, the worker goes on.
"""

import contextlib
import functools
import socketserver
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from gemd.config.settings import Timeouts
from gemd.protocol.errors import BadRequest, GeminiError, Overloaded
from gemd.protocol.peer import Peer, network_of
from gemd.protocol.response import BrokenBody, ClientLeft, Later, Response, encode_header, error_response
from gemd.protocol.status import has_body
from gemd.responders.app.call import Call
from gemd.responders.router import Respond
from gemd.shared.scoreboard import Row
from gemd.system.access_log import AccessLog, Entry
from gemd.system.log import error_log
from gemd.system.tls import TLSError
from gemd.worker.connection import Connection
from gemd.worker.event_loop import Lobby
from gemd.worker.thread_pool import SideRoom

Answer = TypeVar("Answer", Response, Response | Later | Call)

_FULL = error_response(Overloaded("Too much is going on, try again later"))
_FAULT = error_response(GeminiError("An unexpected error occurred"))
_TURN = 1.0  # seconds at most between two ticks


class RequestHandler(socketserver.BaseRequestHandler):
    """Answers the request of one connection: at the desk or, where that may block, a second time in the side room."""

    request: Connection
    server: "GeminiServer"

    def handle(self) -> None:
        """Find the answer and send it. Raises TLSError or BrokenBody when it breaks off."""
        connection = self.request
        if connection.answer is None:
            connection.answer = self.server.find_answer(connection)
            if isinstance(connection.answer, Call) and self.server.begin_call(connection, connection.answer):
                return
        if isinstance(connection.answer, Call):
            connection.answer = settle(connection.answer.answer)
        if connection.waits is None and may_block(connection.answer) and self.server.move_to_side_room(connection):
            return
        answer = connection.answer
        send_response(connection, settle(answer.answer) if isinstance(answer, Later) else answer)


class GeminiServer(socketserver.BaseServer):
    """Serves what the lobby has ready until it is told to stop. `report` is called once a turn."""

    def __init__(
        self, lobby: Lobby, side_room: SideRoom, respond: Respond, access_log: AccessLog, row: Row, timeouts: Timeouts
    ) -> None:
        super().__init__(("", 0), RequestHandler)
        self._lobby = lobby
        self._side_room = side_room
        self._respond = respond
        self._access_log = access_log
        self._row = row
        self._timeouts = timeouts
        self._is_stopping = False
        self.report: Callable[[], None] = lambda: None
        self._calls: dict[Connection, Call] = {}
        # Away from the desk, by client. Nobody may fill it alone; only the main thread counts.
        self._guests: Counter[str] = Counter()
        self._most_guests = (side_room.size + 1) // 2

    def serve_forever(self, poll_interval: float = _TURN) -> None:
        """Serve until `stop` was called and the last connection is seen out."""
        while not (self._is_stopping and self._is_idle()):
            self._lobby.wait(poll_interval)
            while self._lobby.ready:
                self.handle_request()
            while self._lobby.returned:
                connection = self._lobby.returned.popleft()
                if connection in self._calls:
                    self._end_call(connection)
                else:
                    self.shutdown_request(connection)
            self.service_actions()

    def stop(self, *, hurry: bool) -> None:
        """Accept nothing more and end when all are served; `hurry` those who have not asked yet."""
        self._is_stopping = True
        self._lobby.stop_listening(hurry=hurry)

    def _is_idle(self) -> bool:
        return not self.occupied and self._lobby.is_empty()

    @property
    def occupied(self) -> int:
        """How many requests are answered away from the desk."""
        return self._side_room.occupied + len(self._calls)

    def service_actions(self) -> None:
        """Sign of life, once a turn."""
        for connection, call in list(self._calls.items()):
            if call.is_late() and call.give_up():
                self._end_call(connection)
        self._row.tick()
        self.report()

    def handle_request(self) -> None:
        """Take the next connection whose request is complete, and have it answered."""
        connection, peer = self.get_request()
        self.process_request(connection, peer)

    def get_request(self) -> tuple[Connection, Peer]:
        """The next connection whose request is complete."""
        connection = self._lobby.ready.popleft()
        return connection, connection.peer

    def process_request(self, request: Connection, client_address: Peer) -> None:  # type: ignore[override]
        """Answer at the desk, unless the request handler finds that the side room has to."""
        self.finish_request(request, client_address)
        if request.waits is None:
            self.shutdown_request(request)

    def begin_call(self, connection: Connection, call: Call) -> bool:
        """Have an application's thread begin; False when it can't, and the answer is now that. Called at the desk."""
        if not self._let_go(connection, has_place=True):
            return False
        call.wake = functools.partial(self._lobby.bring_back, connection)
        self._calls[connection] = call
        call.begin()
        return True

    def _end_call(self, connection: Connection) -> None:
        """The application has begun to answer, or never will: send that."""
        del self._calls[connection]
        self._count_out(connection)
        self._lobby.let_in(connection)
        self.process_request(connection, connection.peer)

    def move_to_side_room(self, connection: Connection) -> bool:
        """Have a thread answer; False when there is none free, and the answer is now that. Called at the desk."""
        if not self._let_go(connection, has_place=self._side_room.has_place()):
            return False
        self._side_room.enter(functools.partial(self._process_in_side_room, connection))
        return True

    def _let_go(self, connection: Connection, *, has_place: bool) -> bool:
        """Have the connection leave the desk, unless its client has too many elsewhere already."""
        client = network_of(connection.peer.address)
        if self._guests[client] >= self._most_guests or not has_place:
            _discard(connection.answer)
            connection.answer = _FULL
            return False
        self._guests[client] += 1
        self._lobby.let_out(connection)
        connection.waits = self._timeouts.response
        return True

    def _count_out(self, connection: Connection) -> None:
        client = network_of(connection.peer.address)
        self._guests[client] -= 1
        if not self._guests[client]:
            del self._guests[client]

    def _process_in_side_room(self, connection: Connection) -> None:
        """Runs in a thread of the side room."""
        self.finish_request(connection, connection.peer)
        self._lobby.bring_back(connection)

    def finish_request(self, request: Connection, client_address: Peer) -> None:  # type: ignore[override]
        """Run the request handler. The request boundary: no error passes it."""
        try:
            super().finish_request(request, client_address)  # type: ignore[arg-type]
        except TLSError as error:
            self.report_loss(request, f"response broke off: {error}")
        except ClientLeft as error:
            self.report_loss(request, f"response broke off: {error}")
        except BrokenBody as error:
            error_log.warning("the response to %r broke off: %s", request.url, error, exc_info=error.__cause__)
        except Exception:  # noqa: BLE001, the request boundary
            error_log.exception("a fault while answering %r", request.url)
            if not request.sent:
                with contextlib.suppress(TLSError):
                    send_response(request, _FAULT)

    def shutdown_request(self, request: Connection) -> None:  # type: ignore[override]
        """Count and log what was answered, and have the lobby see the connection out."""
        if request.waits is not None:
            self._count_out(request)
        self._row.count(request.sent)
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
                seconds=request.age,
                complete=request.complete,
                user=certificate.common_name if certificate is not None else "",
                certificate=certificate.fingerprint if certificate is not None else "",
            )
        )
        self._lobby.see_out(request)

    def find_answer(self, connection: Connection) -> Response | Later | Call:
        """What the request is to be answered with."""
        request = connection.request
        if request is None:
            return error_response(connection.refusal or BadRequest())
        return settle(lambda: self._respond(request))

    def report_loss(self, connection: Connection, reason: str) -> None:
        """Log what happened to a connection through no fault of ours."""
        error_log.info("%s: %s", self._access_log.write_address(connection.peer.address), reason)


def may_block(answer: Response | Later) -> bool:
    """Whether working the answer out, or sending it, may have to wait."""
    return isinstance(answer, Later) or not isinstance(answer.body, bytes)


def send_response(connection: Connection, response: Response) -> None:
    """Header and first bytes of the body in one piece, then the rest. Raises TLSError or BrokenBody."""
    connection.status, connection.meta = response.status, response.meta
    if isinstance(response.body, bytes):
        header = encode_header(response.status, response.meta)
        connection.write(header + response.body if has_body(response.status) else header)
    else:
        with contextlib.closing(response.body) as body:
            header = encode_header(response.status, response.meta)
            chunks = iter(body)
            connection.write(header + next(chunks, b""))
            for chunk in chunks:
                connection.write(chunk)
    connection.complete = True


def settle(answer: Callable[[], Answer]) -> Answer | Response:
    """What `answer` returns, or the refusal that it raises."""
    try:
        return answer()
    except GeminiError as error:
        return error_response(error)


def _discard(answer: Response | Later | Call | None) -> None:
    """Let go of an answer that is not going to be sent."""
    if isinstance(answer, Response) and not isinstance(answer.body, bytes):
        answer.body.close()
