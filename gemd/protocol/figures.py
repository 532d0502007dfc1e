"""The figures of status: what a worker measures, and how each is named wherever it is shown.

Rules: a figure stands here once; the scoreboard has a column for each, `gemctl status` a heading, its JSON a key, and
its metrics a name. To add one, add it here, and set it where it is measured.
"""

import enum

import msgspec

from gemd.protocol.status import DEFINED


class Kind(enum.Enum):
    """A counter only grows and outlives its worker in the master's total; a gauge is what is now."""

    COUNTER = "counter"
    GAUGE = "gauge"


class Figure(msgspec.Struct, frozen=True):
    """One of them. `name` is its key in JSON, `metric` and `text` are for OpenMetrics, where counters are shown as the
    total and gauges by slot; `total` names a metric of a gauge's total. What can't be 0 is not known while it is."""

    name: str
    heading: str
    metric: str
    text: str
    kind: Kind = Kind.GAUGE
    unit: str = ""
    state: str = ""  # the value of the label `state`, where several figures are one metric
    is_summed: bool = True  # over all workers, as a figure of the master
    total: str = ""
    can_be_zero: bool = True


_CONNECTIONS, _CONNECTIONS_TEXT = "gemd_connections", "Connections in a state of the event loop."

REQUESTS = Figure("requests", "REQUESTS", "gemd_requests", "Requests that were answered.", Kind.COUNTER)
BYTES = Figure(
    "bytes", "SENT", "gemd_response_bytes", "Bytes of responses, headers included.", Kind.COUNTER, unit="bytes"
)
READING = Figure("reading", "READING", _CONNECTIONS, _CONNECTIONS_TEXT, state="reading")
WRITING = Figure("writing", "WRITING", _CONNECTIONS, _CONNECTIONS_TEXT, state="writing")
LINGERING = Figure("lingering", "LINGERING", _CONNECTIONS, _CONNECTIONS_TEXT, state="lingering")
PASSING = Figure("passing", "PASSING", _CONNECTIONS, _CONNECTIONS_TEXT, state="passing")
UPLOADING = Figure("uploading", "UPLOADING", _CONNECTIONS, _CONNECTIONS_TEXT, state="uploading")
THREADS = Figure("threads", "THREADS", "gemd_busy_threads", "Threads of the pool that are at work.")
MEMORY = Figure(
    "memory",
    "MEMORY",
    "gemd_worker_memory_bytes",
    "Memory of a worker, with its share of common pages (PSS).",
    unit="bytes",
    total="gemd_memory_bytes",
    can_be_zero=False,
)
PRIVATE = Figure(
    "private",
    "OWN",
    "gemd_worker_private_bytes",
    "Memory of a worker alone (USS).",
    unit="bytes",
    is_summed=False,
    can_be_zero=False,
)
DESCRIPTORS = Figure(
    "descriptors",
    "FILES",
    "gemd_open_descriptors",
    "File descriptors that a worker has open.",
    is_summed=False,
    can_be_zero=False,
)
DROPPED = Figure("dropped", "DROPPED", "gemd_log_lines_dropped", "Log lines that could not be written.", Kind.COUNTER)

REFUSED = Figure(
    "refused",
    "REFUSED",
    "gemd_connections_refused",
    "Connections that were closed before TLS began, because of access or of limits of clients.",
    Kind.COUNTER,
)
RECEIVED = Figure(
    "received", "RECEIVED", "gemd_upload_bytes", "Bytes of uploads that have come.", Kind.COUNTER, unit="bytes"
)

FIGURES = (
    REQUESTS,
    BYTES,
    READING,
    WRITING,
    LINGERING,
    PASSING,
    UPLOADING,
    THREADS,
    MEMORY,
    PRIVATE,
    DESCRIPTORS,
    DROPPED,
    REFUSED,
    RECEIVED,
)

GATEWAYS = ("fastcgi", "scgi", "gemini", "http")  # how others are asked
ANSWERS = {
    (kind, status): Figure(
        f"{kind}_{status}",
        "",
        "gemd_gateway_answers",
        "Answers of other processes and servers, and gemd's own in their place.",
        Kind.COUNTER,
    )
    for kind in GATEWAYS
    for status in sorted(DEFINED)
}
ALL_FIGURES = (*FIGURES, *ANSWERS.values())  # those of no table, and of JSON where they are not 0, are the last

ACTIVE = "active"  # requests that the process of an application is answering
