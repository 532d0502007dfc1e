"""Checks of requests: those that have to be answered, and those that have to be refused.

Rule: nothing is asked for that would change anything on a server; a query is never sent.
"""

from collections.abc import Callable, Collection

from gemd.gemctl.check.finding import PASSED, CheckOutcome, fault, note, skipped
from gemd.gemctl.check.probe import Run, probe
from gemd.gemctl.check.visit import MISSING, UNKNOWN, Subject, Visitor
from gemd.protocol.host import bracket
from gemd.protocol.mime import is_media_type
from gemd.protocol.request import MAX_URL
from gemd.protocol.response import is_meta
from gemd.protocol.status import DEFINED, Status, asks_for_input, has_body, is_redirect, needs_meta

_BAD = (Status.BAD_REQUEST,)
_REFUSED = (Status.PROXY_REQUEST_REFUSED,)


def _answered_with(
    statuses: Collection[int], write: Callable[[Subject], str | bytes], *, or_closed: bool = False
) -> Run:
    """Whether a request that `write` makes gets one of these statuses, or no answer at all if that will do."""

    def run(visitor: Visitor) -> CheckOutcome:
        reply = visitor.ask(write(visitor.subject))
        if reply.status in statuses or (or_closed and reply.header is None and not reply.body):
            return PASSED
        if statuses is _REFUSED and reply.status == Status.BAD_REQUEST:
            return note(f"it got {reply.say()}, which refuses it as well")
        return fault(f"it got {reply.say()}")

    return run


def _as_plain(write: Callable[[Subject], str]) -> Run:
    """Whether a request gets the status of the start page, or that of "/"."""

    def run(visitor: Visitor) -> CheckOutcome:
        plain = visitor.ask(visitor.subject.url())
        reply = visitor.ask(write(visitor.subject))
        if reply.status == plain.status and reply.header is not None:
            return PASSED
        return fault(f"it got {reply.say()}, and the plain one {plain.say()}")

    return run


def _check_start(visitor: Visitor) -> CheckOutcome:
    reply = visitor.start_page
    if reply.header is None or reply.status // 10 in (4, 5):
        return fault(f"{visitor.subject.url(visitor.subject.path)} got {reply.say()}")
    if has_body(reply.status):
        return PASSED
    return note(f"{visitor.subject.url(visitor.subject.path)} got {reply.say()}")


def _check_header(visitor: Visitor) -> CheckOutcome:
    header = visitor.start_page.header
    if header is None:
        return fault(f"the start page got {visitor.start_page.say()}")
    if header.status not in DEFINED:
        return fault(f"the status {header.status} is not defined")
    meta = header.meta
    if (needs_meta(header.status) and not meta) or not is_meta(meta) or meta.startswith("\ufeff"):
        return fault(f"the text behind the status is none: {visitor.start_page.say()}")
    if has_body(header.status) and not is_media_type(meta):
        return fault(f"what is behind the status is no media type: {visitor.start_page.say()}")
    return PASSED


def _check_missing(visitor: Visitor) -> CheckOutcome:
    reply = visitor.ask(visitor.subject.url(MISSING))
    if reply.status // 10 == 5:
        return PASSED
    if reply.status // 10 == 6:
        return skipped(f"{MISSING} got {reply.say()}: who shows no certificate is told nothing else")
    if has_body(reply.status) or is_redirect(reply.status) or asks_for_input(reply.status):
        return note(f"{MISSING} got {reply.say()}: nobody is told of a link that is dead")
    return fault(f"{MISSING} got {reply.say()}")


def _check_longest(visitor: Visitor) -> CheckOutcome:
    reply = visitor.ask(_write_long(visitor.subject, MAX_URL))
    if reply.header is not None and reply.status != Status.BAD_REQUEST:
        return PASSED
    return fault(f"it got {reply.say()}")


def _check_trailing(visitor: Visitor) -> CheckOutcome:
    plain = visitor.start_page
    url = visitor.subject.url(visitor.subject.path)
    reply = visitor.send(f"{url}\r\nUser-Agent: gemctl\r\n\r\n".encode())
    if reply.header is not None and reply.status == plain.status:
        return PASSED
    return fault(f"it got {reply.say()}, and the plain one {plain.say()}")


def _write_long(subject: Subject, length: int) -> str:
    return subject.url().ljust(length, "x")


def _with_port(subject: Subject, port: int) -> str:
    return f"gemini://{bracket(subject.host)}:{port}/"


PROBES = (
    probe("start-page", _check_start, "a page, or what leads to one",
          "`gemctl fetch` shows the answer; an index page is missing, or may not be read by gemd's user", '"Success"'),
    probe("header", _check_header, "a defined status, one blank, and a text without control characters",
          "mend the program or description that makes this header", '"Responses"'),
    probe("missing-page", _check_missing, "a permanent failure (51) for a page that is not there",
          "let whatever answers for all paths say 51 where it has nothing", '"Status codes"'),
    probe("no-slash", _as_plain(lambda subject: subject.url("")), "a URL without a path is that with /, no redirect",
          "answer it as the path /", '"Requests"'),
    probe("explicit-port", _as_plain(lambda subject: _with_port(subject, subject.port)),
          "a URL that says its port is the one without it", "take the listener's port as the host's", '"Requests"'),
    probe("longest-url", _check_longest, f"a URL of {MAX_URL} bytes is answered",
          "the limit is without CRLF", '"Requests"'),
    probe("too-long-url", _answered_with(_BAD, lambda subject: _write_long(subject, MAX_URL + 1)),
          f"59 for a URL of {MAX_URL + 1} bytes", "refuse it before anything is looked up", '"Requests"'),
    probe("trailing-octets", _check_trailing, "what follows the request line changes nothing",
          "stop reading at the first CRLF", '"Requests"'),
    probe("other-scheme", _answered_with(_REFUSED, lambda subject: f"https://{bracket(subject.host)}/"),
          "53 for a scheme that is not Gemini's", "a proxy for all the world is misused: refuse it", '"Requests"'),
    probe("other-host", _answered_with(_REFUSED, lambda _: f"gemini://{UNKNOWN}/"),
          "53 for a host that is not here", "refuse what no host is configured for", '"Requests"'),
    probe("other-port", _answered_with(_REFUSED, lambda s: _with_port(s, s.port - 1 if s.port > 1 else 2)),
          "53 for a port that is not the host's", "check-port = true", '"Requests"'),
    probe("user-information",
          _answered_with(_BAD, lambda s: s.url().replace("gemini://", "gemini://someone@", 1)),
          "59 for a URL with user information", "refuse it", '"Requests"'),
    probe("fragment", _answered_with(_BAD, lambda subject: subject.url("/#top")), "59 for a URL with a fragment",
          "refuse it", '"Requests"'),
    probe("no-scheme", _answered_with(_BAD, lambda subject: subject.url().removeprefix("gemini:")),
          "59 for a URL without a scheme", "refuse it", '"Requests"'),
    probe("path-alone", _answered_with(_BAD, lambda _: "/"), "59 for a path alone", "refuse it", '"Requests"'),
    probe("empty-line", _answered_with(_BAD, lambda _: ""), "59 for an empty line", "refuse it", '"Requests"'),
    probe("blank", _answered_with(_BAD, lambda subject: subject.url("/a b")), "59 for a URL with a blank",
          "refuse it: which URL it would be can't be told", "RFC 3986, 2"),
    probe("not-utf-8", _answered_with(_BAD, lambda s: s.url("/").encode() + b"\xff", or_closed=True),
          "59, or no answer, for octets that are not UTF-8", "refuse it", '"Requests"'),
)  # fmt: skip
