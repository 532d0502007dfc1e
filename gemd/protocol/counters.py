"""What is counted beside the figures of status: responses by host and by responder, and events by their kind.

Rules: what may be counted stands here, so that each has its cell before anything happens, and no client names one; a
value is a word of ours. To add an event, add it here, and call `tally.count` where it happens.
"""

from collections.abc import Mapping, Sequence

import msgspec

CLASSES = ("none", "1x", "2x", "3x", "4x", "5x", "6x")  # by the first digit of a status; none was sent to some

# Who answers, as the key of the configuration has it; "none" where a request came to nobody.
RESPONDERS = (
    *("none", "gone", "answer", "redirect", "script", "cgi", "app", "fastcgi", "scgi", "proxy", "root"),
    *("people", "titan"),
)

# Upper bounds, in seconds, from accept to the end of the answer: a handshake takes two round trips at least, a page no
# longer than that; scripts and applications take what they take; whoever reads slowly has a minute and more.
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BUCKETS = len(BOUNDS) + 1
DURATIONS = 1 + len(CLASSES) * BUCKETS  # cells of a responder: its time, then one for each class and bucket

# Hosts that are none: of requests that come to no host, and of hosts for which there is no room. Not empty, which a
# collector takes for no label at all.
NOBODY, OTHERS = "(none)", "(others)"


class Events(msgspec.Struct, frozen=True):
    """A kind of them. `name` is its key in JSON, `metric` and `text` are for collectors; `values` are those of the one
    `label`, each with what it means, for the manual."""

    name: str
    metric: str
    text: str
    label: str
    values: Mapping[str, str]


FAILURES = Events(
    "handshake_failures",
    "gemd_handshake_failures",
    "TLS handshakes that did not succeed.",
    "reason",
    {
        "left": "the client left, or closed the connection",
        "timeout": "it took longer than timeouts.request",
        "too-many": "the oldest had to go, for too many requests were not complete",
        "too-large": "more came than limits.request-bytes",
        "not-tls": "something else than TLS came",
        "version": "the client has no version of TLS that is served",
        "cipher": "the client has no cipher, group or signature that is served",
        "alert": "the client refused, mostly the certificate",
        "other": "anything else that OpenSSL minds",
    },
)
REFUSALS = Events(
    "refusals",
    "gemd_refusals",
    "Requests that were refused for being too many (41 and 44), and connections for that or their network.",
    "reason",
    {
        "access": "before TLS: not for its network",
        "connections": "before TLS: limits.connections-per-address",
        "handshakes": "before TLS: limits.handshakes",
        "rate": "44: limits.rate",
        "budget": "44: rate of a location",
        "client": "41: answers that take time, too many for one client",
        "busy": "41: threads, or what applications and other servers can take",
        "scripts": "41: scripts",
        "converters": "41: programs that make pages",
        "uploads": "41: uploads",
        "descriptors": "41: no file descriptor is free",
    },
)
EVICTIONS = Events(
    "evictions",
    "gemd_evictions",
    "What had to go so that there was room for others: connections, and what is remembered.",
    "of",
    {
        "reading": "a connection whose request is not complete",
        "lingering": "one that is answered",
        "slow": "one that reads too slowly",
        "passing": "one that another server answers",
        "uploading": "one that uploads",
        "memory": "one that held most memory, beyond limits.buffered",
        "listings": "a listing, or a page that a program made",
        "titles": "a title of a page",
        "descriptions": "what a file of descriptions says",
        "accounts": "a user's account or home",
        "verdicts": "what authorities say of a certificate",
    },
)
EVENTS: Sequence[Events] = (FAILURES, REFUSALS, EVICTIONS)
