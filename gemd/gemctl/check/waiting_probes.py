"""Checks of what a server does with clients that keep it waiting: it has to answer or to close in bounded time.

Rule: all that wait do so at the same time, so that the server's own deadline is waited for once.
"""

import contextlib
import functools
import socket
import time

from gemd.gemctl.check.finding import PASSED, CheckOutcome, fault, skipped
from gemd.gemctl.check.probe import Run, probe
from gemd.gemctl.check.visit import Reply, ReplyEnd, Visitor, read_reply
from gemd.gemctl.gemini_client import NoHandshake
from gemd.protocol.status import has_body
from gemd.system.deadline import Deadline

_BETWEEN_BYTES = 0.02  # seconds
_SILENT, _MUTE, _LINE_FEED, _HALF = "silent", "without a handshake", "LF", "half"
_HELD_BACK = 3  # a kernel may keep to itself what says nothing (TCP_DEFER_ACCEPT) for twice as long as it is told
_TOO_FEW = skipped("it takes four connections at once, and the server allows one client fewer")
_LAST_LOOK = 0.1  # seconds, for those whose deadline passed while another was waited for


def _check_slow(visitor: Visitor) -> CheckOutcome:
    """A request in pieces of one byte."""
    with visitor.connect() as connection:
        line = visitor.subject.url(visitor.subject.path).encode() + b"\r\n"
        with contextlib.suppress(OSError):
            for byte in line:
                connection.tls.sendall(bytes([byte]))
                time.sleep(visitor.pace.limit(_BETWEEN_BYTES))
        reply = read_reply(connection.tls, Deadline(visitor.pace.limit(visitor.subject.patience)))
    return fault("it got no answer, and was not closed") if reply.ending is ReplyEnd.LATE else PASSED


@functools.lru_cache(maxsize=1)
def _wait(visitor: Visitor) -> dict[str, Reply]:
    """What each of those got that keep the server waiting. Raises Failure."""
    url = visitor.subject.url(visitor.subject.path).encode()
    with contextlib.ExitStack() as stack:
        waiting: dict[str, socket.socket] = {_MUTE: stack.enter_context(visitor.dial())}
        for kind, octets in ((_SILENT, b""), (_LINE_FEED, url + b"\n"), (_HALF, url)):
            waiting[kind] = stack.enter_context(visitor.connect()).tls
            with contextlib.suppress(OSError):
                waiting[kind].sendall(octets)
        started = time.monotonic()
        replies = {}
        for kind, sock in reversed(waiting.items()):
            remaining = max(started + _bear(visitor, kind) - time.monotonic(), _LAST_LOOK)
            replies[kind] = read_reply(sock, Deadline(visitor.pace.limit(remaining)))
        return replies


def _bear(visitor: Visitor, kind: str) -> float:
    """Seconds that this one may take."""
    return visitor.subject.patience * (_HELD_BACK if kind == _MUTE else 1)


def _closed(kind: str) -> Run:
    """Whether that one was closed, or answered."""

    def run(visitor: Visitor) -> CheckOutcome:
        try:
            reply = _wait(visitor)[kind]
        except NoHandshake:
            return _TOO_FEW
        if reply.ending is ReplyEnd.LATE:
            visitor.pace.limit(_LAST_LOOK)  # what was cut short by the end of all is no fault
            return fault(f"it was still open after {_bear(visitor, kind):g} s")
        return PASSED

    return run


def _check_line_feed(visitor: Visitor) -> CheckOutcome:
    try:
        reply = _wait(visitor)[_LINE_FEED]
    except NoHandshake:
        return _TOO_FEW
    if reply.ending is ReplyEnd.LATE and reply.header is None:
        return skipped("it is waited for: see half-a-request")
    return fault(f"it got {reply.say()}") if has_body(reply.status) else PASSED


_BOUND = "timeouts.request is how long gemd waits; whatever stands in front needs such a limit too"
PROBES = (
    probe("slow-request", _check_slow, "a request that comes byte by byte is answered, or its connection closed",
          "read until CRLF, under one deadline", '"Requests"'),
    probe("half-a-request", _closed(_HALF), "a client that never ends its request is closed", _BOUND, '"Requests"'),
    probe("silent-client", _closed(_SILENT), "a client that asks for nothing is closed", _BOUND, '"Requests"'),
    probe("no-handshake", _closed(_MUTE), "a client that begins no handshake is closed", _BOUND, '"Overview"'),
    probe("line-feed", _check_line_feed, "a request that ends with LF alone is none", "wait for CRLF", '"Requests"'),
)  # fmt: skip
