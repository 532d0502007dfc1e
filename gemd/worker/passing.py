"""Connections that are passed on to another server without being decrypted, from their ClientHello to their end.

Rules: nothing here waits, and neither side can make the other one's bytes pile up; an end is passed on as an end, in
each direction by itself, and what breaks off as a reset. Who is passed on takes a place from those who are answered.
"""

import select
import socket
import time
from collections.abc import Collection

from gemd.config.settings import Timeouts
from gemd.protocol.host import normalise_server_name
from gemd.responders.counted import note_eviction
from gemd.system.listener import Listener
from gemd.worker.closing import Closing
from gemd.worker.connecting import Connecting
from gemd.worker.connection import Connection, ReportLoss
from gemd.worker.flow import FlowError
from gemd.worker.ordered import Ordered
from gemd.worker.passed import LogPass, PassedConnection
from gemd.worker.poller import Poller
from gemd.worker.room import Room
from gemd.worker.upstream import Upstream
from gemd.worker.writing import BLOCK_SIZE

_OVER = select.EPOLLHUP | select.EPOLLERR


class Passing:
    """Each takes a place in a `room`. `log_pass` is told of each that is over, `report_loss` of each that ended
    otherwise than it should."""

    def __init__(
        self,
        poller: Poller[Connection],
        listeners: Collection[Listener],
        room: Room,
        closing: Closing,
        timeouts: Timeouts,
        report_loss: ReportLoss,
        log_pass: LogPass,
    ) -> None:
        self._poller = poller
        self._room = room
        self._closing = closing
        self._timeouts = timeouts
        self._report_loss = report_loss
        self._log_pass = log_pass
        self._connecting = Connecting(poller, listeners, self._open, self._fail)
        self.blocked: Ordered[PassedConnection] = Ordered()  # one side takes no more at the moment
        self._flowing: Ordered[PassedConnection] = Ordered()  # whoever has been quiet for longest is the oldest
        self._ending: Ordered[PassedConnection] = Ordered()  # the upstream has said all that it has to say
        self._pumped = (self._ending, self.blocked, self._flowing)
        room.add(self)

    def __len__(self) -> int:
        return len(self._connecting) + len(self.blocked) + len(self._flowing) + len(self._ending)

    def __contains__(self, connection: PassedConnection) -> bool:
        return any(connection in state for state in (self._connecting, *self._pumped))

    # The way to its upstream

    def begin(self, connection: Connection, hello: bytes, name: bytes, upstream: Upstream) -> None:
        """Pass on a connection that is in no state, with what was read from it."""
        passed = PassedConnection(connection, hello, normalise_server_name(name) or "", upstream)
        self._room.make_place()
        self._poller.modify(passed.fd, 0, self._notice_end, passed)
        self._connecting.begin(passed)
        self._room.count()

    def resume(self, connection: PassedConnection) -> None:
        """What it has waited for may be here."""
        if connection in self._connecting:
            self._connecting.resume(connection)

    def _notice_end(self, connection: Connection, _events: int) -> None:
        """The client has left before there was an upstream; of one that has only stopped sending nothing is told."""
        assert isinstance(connection, PassedConnection)
        self.drop(connection, "the client left")

    def _fail(self, connection: PassedConnection) -> None:
        """There is no upstream for it."""
        self._let_go(connection)
        connection.close()

    def _open(self, connection: PassedConnection) -> None:
        assert connection.link is not None
        connection.failure = ""
        self._connecting.forget(connection)
        self._move(connection, self._flowing, self._timeouts.pass_idle)
        self._pump(connection, connection.link, select.EPOLLOUT)

    # Both directions

    def _act_on_client(self, connection: Connection, events: int) -> None:
        assert isinstance(connection, PassedConnection)
        self._pump(connection, connection.socket, events)

    def _act_on_upstream(self, connection: Connection, events: int) -> None:
        assert isinstance(connection, PassedConnection)
        assert connection.link is not None
        self._pump(connection, connection.link, events)

    def _pump(self, connection: PassedConnection, sock: socket.SocketType, events: int) -> None:
        """Something was told of one of the two sockets."""
        has_moved = False
        try:
            for flow in connection.flows:
                if events & (select.EPOLLOUT if flow.sink is sock else ~select.EPOLLOUT):
                    has_moved |= flow.pump()
            if events & select.EPOLLERR:
                connection.pump_before_error(sock)
        except FlowError as error:
            self._break_off(connection, error)
            return
        self._settle(connection, has_moved)
        if events & _OVER and connection in self and not connection.is_read_from(sock):
            # It would be told again and again, until what came from it can be taken: `_watch` brings it back.
            self._poller.unregister(sock.fileno())

    def _settle(self, connection: PassedConnection, has_moved: bool) -> None:
        """Wait for what can happen next."""
        up, down = connection.flows
        if up.is_over and down.is_over:
            self._finish(connection)
            return
        self._watch(connection)
        if up.kept or down.kept:
            if connection not in self.blocked or connection.progress >= BLOCK_SIZE:
                self._renew(connection)
        elif has_moved or connection in self.blocked:
            if down.is_over:
                self._move(connection, self._ending, self._timeouts.close)
            else:
                self._move(connection, self._flowing, self._timeouts.pass_idle)

    def _watch(self, connection: PassedConnection) -> None:
        up, down = connection.flows
        events = select.EPOLLIN * up.can_read | select.EPOLLOUT * bool(down.kept)
        self._poller.put(connection.fd, events, self._act_on_client, connection)
        if connection.link is not None:
            events = select.EPOLLIN * down.can_read | select.EPOLLOUT * bool(up.kept)
            self._poller.put(connection.link.fileno(), events, self._act_on_upstream, connection)

    def _move(self, connection: PassedConnection, state: Ordered[PassedConnection], seconds: float) -> None:
        connection.deadline = time.monotonic() + seconds
        state.add(connection)

    def _renew(self, connection: PassedConnection) -> None:
        """The next block has the whole time again."""
        connection.renew(time.monotonic() + self._timeouts.response)
        self.blocked.add(connection)

    # The end

    def _break_off(self, connection: PassedConnection, error: FlowError) -> None:
        """One of the two is gone. After the end of an answer that is no loss: there is only nobody to send more to."""
        up, down = connection.flows
        is_upstream = error.socket is connection.link
        if down.is_over:
            self._finish(connection)
        elif is_upstream and (down.has_ended or error.is_sink):
            up.give_up()  # what is left of an answer, and whether it is whole, is told by what is read
            self._settle(connection, has_moved=False)
        else:
            self.drop(connection, f"the {'upstream' if is_upstream else 'client'} left: {error}")

    def _finish(self, connection: PassedConnection) -> None:
        """All of the answer is in the kernel."""
        connection.complete = True
        self._let_go(connection)
        connection.close_link()
        if connection.flows[0].has_ended:
            connection.close()
        else:
            self._poller.register(connection.fd, select.EPOLLIN, self._act_on_client, connection)
            self._closing.linger(connection)

    def drop(self, connection: PassedConnection, reason: str) -> None:
        """Break off, so that both sides can tell."""
        self._report_loss(connection, f"passing on to {connection.upstream} broke off: {reason}")
        self._let_go(connection)
        connection.abort()

    def _let_go(self, connection: PassedConnection) -> None:
        """It is in no state from now on, and watched no more."""
        self._connecting.forget(connection)
        connection.leave_state()
        self._poller.unregister(connection.fd)
        if connection.link is not None:
            self._poller.unregister(connection.link.fileno())
        self._room.count()
        self._log_pass(connection)

    # Places

    def give_place(self, number: int) -> bool:
        """Drop one, if there are more than `number`; False if not."""
        if len(self) <= number:
            return False
        self._drop_oldest()
        return True

    def _drop_oldest(self) -> None:
        """One who is done with, or else who stands still, or has been quiet for longest."""
        for connections in (self._ending, self.blocked, self._connecting, self._flowing):
            if connections:
                note_eviction("passing")
                self.drop(connections.oldest(), "too many are passed on")
                return

    # Deadlines

    def next_deadline(self) -> float:
        """When `expired` has somebody, in monotonic seconds."""
        return min(self._connecting.next_deadline(), *(state.next_deadline() for state in self._pumped))

    def expired(self, now: float) -> list[PassedConnection]:
        """Those whose deadline has passed: `time_out` them."""
        late = self._connecting.expired(now)
        for state in self._pumped:
            late += state.expired(now)
        return late

    def time_out(self, connection: PassedConnection, _now: float) -> None:
        """Its deadline has passed: drop it, unless it does get on."""
        if connection in self._connecting:
            self._connecting.time_out(connection)
        elif connection in self._ending:
            self._finish(connection)
        elif connection in self.blocked:
            if connection.progress >= BLOCK_SIZE:
                self._renew(connection)
            else:
                self.drop(connection, "what was sent is taken too slowly")
        elif connection.take_progress():
            self._move(connection, self._flowing, self._timeouts.pass_idle)
        else:
            self.drop(connection, f"nothing came for {self._timeouts.pass_idle:g} s")
