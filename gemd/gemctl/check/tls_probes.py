"""Checks of TLS: versions, names that are asked for, client certificates, and the end of a response."""

import ssl
import tempfile
from pathlib import Path

from gemd.gemctl.check.finding import PASSED, CheckOutcome, fault, note, skipped
from gemd.gemctl.check.old_hello import is_accepted, write_old_hello
from gemd.gemctl.check.probe import probe, worst
from gemd.gemctl.check.visit import MISSING, UNKNOWN, Reply, ReplyEnd, Visitor, read_reply
from gemd.gemctl.failure import Failure
from gemd.gemctl.gemini_client import build_client_context
from gemd.protocol.host import is_address
from gemd.protocol.status import Status, has_body
from gemd.system.certificates import certificate_paths, find_or_make
from gemd.system.deadline import Deadline

_OLD_ANSWER = 5.0  # seconds that are waited for one
_REFUSED = (Status.PROXY_REQUEST_REFUSED, Status.BAD_REQUEST)


def _check_1_2(visitor: Visitor) -> CheckOutcome:
    refusal = _try_version(visitor, ssl.TLSVersion.TLSv1_2)
    return note(f"TLS 1.2 is refused: {refusal}") if refusal else PASSED


def _check_1_3(visitor: Visitor) -> CheckOutcome:
    refusal = _try_version(visitor, ssl.TLSVersion.TLSv1_3)
    return fault(f"TLS 1.3 is refused: {refusal}") if refusal else PASSED


def _try_version(visitor: Visitor, version: ssl.TLSVersion) -> str:
    """Why there is no connection by this version; "" if there is one."""
    context = build_client_context(None, None)
    context.minimum_version = context.maximum_version = version
    try:
        visitor.connect(context).tls.close()
    except Failure as failure:
        return "; ".join(failure.lines)
    return ""


def _check_1_1(visitor: Visitor) -> CheckOutcome:
    host = visitor.subject.host
    with visitor.dial() as sock:
        try:
            sock.sendall(write_old_hello("" if is_address(host) else host))
            answer = read_reply(sock, Deadline(visitor.pace.limit(_OLD_ANSWER)), most=10).body
        except OSError:
            return PASSED
    return fault("TLS 1.1 is accepted") if is_accepted(answer) else PASSED


def _check_clear_text(visitor: Visitor) -> CheckOutcome:
    with visitor.dial() as sock:
        try:
            sock.sendall(visitor.subject.url().encode() + b"\r\n")
            reply = read_reply(sock, Deadline(visitor.pace.limit(_OLD_ANSWER)))
        except OSError:
            return PASSED
    return fault(f"a request in clear text got {reply.say()}") if reply.header is not None else PASSED


def _check_close_notify(visitor: Visitor) -> CheckOutcome:
    pages = {
        "the start page": visitor.start_page,
        "a page that is not there": visitor.ask(visitor.subject.url(MISSING)),
        "a bad request": visitor.ask("//"),
    }
    return worst(_judge_end(of, reply) for of, reply in pages.items())


def _judge_end(of: str, reply: Reply) -> CheckOutcome:
    if reply.header is None or reply.ending in (ReplyEnd.PROPER, ReplyEnd.LONG):
        return PASSED
    return fault(f"the answer for {of} ended {reply.ending.value}")


def _check_no_name(visitor: Visitor) -> CheckOutcome:
    if is_address(visitor.subject.host):
        return skipped("the host is an address, for which no name is asked for")
    try:
        reply = visitor.ask(visitor.subject.url(visitor.subject.path), name=None)
    except Failure as failure:
        return note(f"a client that asks for no name is turned away: {'; '.join(failure.lines)}")
    return PASSED if reply.header is not None else fault(f"a client that asks for no name got {reply.say()}")


def _check_unknown_name(visitor: Visitor) -> CheckOutcome:
    try:
        reply = visitor.ask(f"gemini://{UNKNOWN}/", name=UNKNOWN)
    except Failure:
        return PASSED  # by the handshake
    if reply.header is None or reply.status in _REFUSED:
        return PASSED
    return fault(f"a host that nobody has got {reply.say()}")


def _check_client_certificate(visitor: Visitor) -> CheckOutcome:
    without = visitor.start_page
    if not has_body(without.status):
        return skipped(f"the start page has no body to compare: {without.say()}")
    with tempfile.TemporaryDirectory() as folder:
        find_or_make(Path(folder), (UNKNOWN,))
        context = build_client_context(*certificate_paths(Path(folder), UNKNOWN))
        try:
            reply = visitor.ask(visitor.subject.url(visitor.subject.path), context=context)
        except Failure as failure:
            return fault(f"a client with a certificate is turned away: {'; '.join(failure.lines)}")
    if reply.status == without.status:
        return PASSED
    return fault(f"a client with a certificate got {reply.say()}, and one without {without.say()}")


PROBES = (
    probe("tls-1.2", _check_1_2, "TLS 1.2 is there for clients that have no newer one",
          'tls.minimum-version = "1.2", unless all your readers have TLS 1.3', '"Overview"'),
    probe("tls-1.3", _check_1_3, "TLS 1.3, which servers should have",
          "update the machine's TLS library, or whatever ends TLS in front of gemd", '"Overview"'),
    probe("tls-1.1", _check_1_1, "nothing older than TLS 1.2",
          "have whatever ends TLS refuse TLS 1.1 and older", '"Overview"'),
    probe("clear-text", _check_clear_text, "no answer to a request without TLS",
          "a listener with tls = false is for a proxy on this machine alone", '"Overview"'),
    probe("close-notify", _check_close_notify, "close_notify behind each response",
          "whatever ends TLS in front of gemd has to send it; a program behind gemd has to finish its answer",
          '"Closing connections"'),
    probe("no-name", _check_no_name, "a client that asks for no name in its handshake is answered",
          "some clients send none; let the first host answer for them", '"Server Name Indication"'),
    probe("unknown-name", _check_unknown_name, "a refusal (53, or no handshake) for a host that is not here",
          'a host named "*" answers for all others: leave it out, unless it is meant to', '"Requests"'),
    probe("client-certificate", _check_client_certificate, "a client certificate that nobody asked for does no harm",
          "have it asked for and not judged in the handshake; pages decide by 60, 61 and 62", '"Status codes"'),
)  # fmt: skip
