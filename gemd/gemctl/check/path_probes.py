"""Checks that no path leads out of the root."""

import re

from gemd.gemctl.check.finding import PASSED, CheckOutcome, fault, note
from gemd.gemctl.check.probe import probe, worst
from gemd.gemctl.check.visit import Visitor
from gemd.protocol.status import has_body

_ACCOUNTS = re.compile(rb"^root:[^:\n]*:0:0:", re.MULTILINE)
_UP = 8  # more directories than any root is deep
# What stands for one step up, or for the slash behind it.
_CLIMBS = {
    "..": "../",
    "an encoded ..": "%2e%2e/",
    "half of it encoded": ".%2E/",
    "an encoded slash": "..%2f",
    "all of it encoded": "%2e%2e%2f",
    "encoded twice": "%252e%252e%252f",
    "a backslash": "..\\",
    "an encoded backslash": "..%5c",
    "an overlong slash": "..%c0%af",
    "two slashes": "..//",
    "more dots": "....//",
    "a parameter": "..;/",
}
_DIRECT = {"a second slash": "//etc/passwd", "an encoded root": "/%2fetc%2fpasswd", "a home": "/~root/../../etc/passwd"}


def _check_climbing(visitor: Visitor) -> CheckOutcome:
    paths = {how: f"/{climb * _UP}etc/passwd" for how, climb in _CLIMBS.items()} | _DIRECT
    return worst(_judge(visitor, how, path) for how, path in paths.items())


def _judge(visitor: Visitor, how: str, path: str) -> CheckOutcome:
    reply = visitor.ask(visitor.subject.url(path))
    if not has_body(reply.status):
        return PASSED
    if _ACCOUNTS.search(reply.body):
        return fault(f"{path} ({how}) got the machine's list of accounts")
    return note(f"{path} ({how}) got {reply.say()}: see that this is one of the capsule's pages")


def _check_above(visitor: Visitor) -> CheckOutcome:
    reply = visitor.ask(visitor.subject.url("/../"))
    if not has_body(reply.status):
        return PASSED
    root = visitor.ask(visitor.subject.url("/")).body
    if reply.body == root:
        return PASSED
    if root != visitor.ask(visitor.subject.url("/")).body:
        return note(f"/../ got {reply.say()}, which can't be compared with /: that is another page each time")
    return fault(f"/../ got {reply.say()}, and other content than /")


PROBES = (
    probe(
        "climbing-path",
        _check_climbing,
        "no path leads out of the root",
        "take this server off the net until it is mended: whoever asks can read its files",
        "RFC 3986, 5.2.4",
    ),
    probe(
        "path-above",
        _check_above,
        "a refusal (59) for the directory above the root, or the root itself",
        "refuse what climbs above the root",
        "RFC 3986, 5.2.4",
    ),
)
