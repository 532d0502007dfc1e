"""Connections that come by a proxy, which says before all else whose they are: the PROXY protocol, versions 1 and 2.

Rules: only proxies of configured networks are listened to, and nobody else is answered there; a header is complete and
right, or the connection ends without a byte; from then on it is the client that counts, for limits, logs and access.
"""

import time
from collections.abc import Mapping

from msgspec import structs

from gemd.config.listen import Listen
from gemd.protocol.networks import build_rule
from gemd.protocol.proxy_header import Endpoint, ProxyHeader, ProxyHeaderError
from gemd.protocol.proxy_reader import ProxyHeaderReader
from gemd.protocol.request import RequestReader
from gemd.system.client_socket import name_client
from gemd.system.listener import Listener
from gemd.system.log import error_log
from gemd.system.plain import PlainConnection
from gemd.system.tls import TLSError
from gemd.worker.admission import Admission
from gemd.worker.connection import Connection
from gemd.worker.reading import Reading

_RECEIVE_SIZE = 4096
_LINE_INTERVAL = 1.0  # seconds between two lines about what a proxy should not have done


class Proxied:
    """What comes from `listeners`, those that `settings` calls proxied, is read here first, and by `reading` then."""

    def __init__(self, settings: Mapping[Listener, Listen], reading: Reading, admission: Admission | None) -> None:
        self._rules = {
            listener: build_rule(listen.trusted, ()) for listener, listen in settings.items() if listen.proxy_protocol
        }
        self.listeners = frozenset(self._rules)
        self._reading = reading
        self._admission = admission
        self._next_line = 0.0

    def trusts(self, connection: Connection, listener: Listener) -> bool:
        """Whether it comes from a proxy that may say who the client is. Who may not is named in the error log, as
        clients are."""
        if self._rules[listener](connection.peer.address):
            return True
        if self._is_line_due():
            text = f"closed: no proxy of {listener} has this address (from, in `listen`)"
            self._reading.report_loss(connection, text)
        return False

    def add(self, connection: Connection) -> None:
        """Read the header of a connection that was accepted. Raises OSError when it can't be watched."""
        connection.header_reader = ProxyHeaderReader()
        self._reading.add(connection, self.advance)

    def advance(self, connection: Connection, _events: int) -> None:
        """As far as the bytes reach that are here."""
        reader = connection.header_reader
        assert reader is not None
        try:
            data = connection.receive(_RECEIVE_SIZE)
            if data is None:
                return
            if not data:
                raise TLSError("the proxy left before it was complete")
            connection.received += len(data)
            header = reader.feed(data)
        except TLSError as error:
            self._reading.drop(connection, f"PROXY header failed: {error}")
            return
        except ProxyHeaderError as error:
            if self._is_line_due():
                error_log.warning("closed a connection of the proxy %s: %s", connection.peer.address, error)
            self._reading.drop(connection, "")
            return
        if header is not None:
            connection.received = 0
            connection.header_reader = None
            self._believe(connection, header)
            if self._admission is not None:
                connection.leave = self._admission.enter(connection.peer.address)
                if connection.leave is None:
                    self._reading.drop(connection, "")
                    return
            self._reading.begin(connection, reader.rest)

    def _believe(self, connection: Connection, header: ProxyHeader) -> None:
        if header.source == Endpoint(connection.peer.address, connection.peer.port):
            header = structs.replace(header, is_local=True)  # version 1 has no other way to say so
        connection.proxy_header = header
        if isinstance(connection.tls, PlainConnection):
            connection.tls.believe(header.server_name, header.certificate, header.tls_version, header.cipher)
        if header.source is not None and header.destination is not None:
            source, destination = header.source, header.destination
            connection.peer = name_client(
                connection.peer, source.address, source.port, destination.address, destination.port
            )
        connection.peer = structs.replace(connection.peer, hops=header.hops)
        connection.reader = RequestReader(connection.peer)

    def _is_line_due(self) -> bool:
        """Whether something may be said: at most one line a second."""
        now = time.monotonic()
        is_due = now >= self._next_line
        if is_due:
            self._next_line = now + _LINE_INTERVAL
        return is_due
