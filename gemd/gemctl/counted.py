"""What a master counts of responses and events, as metrics.

Rules: what is known to be there is shown while it is 0, for a rate needs a first value; a master that is older or newer
may tell less or more, and what it has in excess is left out.
"""

from collections.abc import Callable, Iterable, Mapping

from gemd.gemctl.family import Family, Samples
from gemd.gemctl.status import Status
from gemd.protocol.counters import BOUNDS, BUCKETS, CLASSES, EVENTS, Events


def _by_host(status: Status) -> Samples:
    for host, numbers in status.responses.items():
        for kind in CLASSES:
            yield "", {"host": host, "class": kind}, numbers.get(kind, 0)


def _durations(status: Status) -> Iterable[tuple[str, Mapping[str, list[int]], float]]:
    """Of each responder that has answered: its buckets by class, and its seconds in all."""
    for responder, values in status.durations.items():
        classes = {kind: several for kind in CLASSES if isinstance(several := values.get(kind), list)}
        seconds = values.get("seconds", 0.0)
        if all(len(several) == BUCKETS for several in classes.values()) and isinstance(seconds, int | float):
            yield responder, classes, seconds


def _by_responder(status: Status) -> Samples:
    for responder, classes, _ in _durations(status):
        for kind in CLASSES:
            yield "", {"responder": responder, "class": kind}, sum(classes.get(kind, ()))


def _histogram(status: Status) -> Samples:
    for responder, classes, seconds in _durations(status):
        number = 0
        for nr, bound in enumerate((*map(str, BOUNDS), "+Inf")):
            number += sum(several[nr] for several in classes.values())
            yield "_bucket", {"responder": responder, "le": bound}, number
        yield "_sum", {"responder": responder}, seconds
        yield "_count", {"responder": responder}, number


def _happened(events: Events) -> Callable[[Status], Samples]:
    def samples(status: Status) -> Samples:
        numbers = status.events.get(events.name, {})
        return [("", {events.label: value}, numbers.get(value, 0)) for value in events.values]

    return samples


def _certificates(status: Status) -> Samples:
    return [("", {"host": host}, end) for host, end in status.certificates.items()]


COUNTED = (
    Family(
        "gemd_responses",
        "counter",
        "Responses of a host, by class of status; host is (none) for what came to none that is served.",
        "",
        _by_host,
    ),
    Family(
        "gemd_responder_responses",
        "counter",
        "Responses by who gave them, as the key of the configuration has it, and by class of status.",
        "",
        _by_responder,
    ),
    Family(
        "gemd_request_duration_seconds",
        "histogram",
        "Time from the connection to the end of the response, handshake included.",
        "seconds",
        _histogram,
    ),
    *(Family(events.metric, "counter", events.text, "", _happened(events)) for events in EVENTS),
    Family(
        "gemd_certificate_not_after_seconds",
        "gauge",
        "When the certificate of a host ends, in seconds since 1970.",
        "seconds",
        _certificates,
    ),
)
