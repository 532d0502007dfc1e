"""What is logged of a connection that was passed on: a line in the access log, and where there was no upstream for it
one in the error log.

Rule: however many connections find no upstream, the error log names it once in a while.
"""

import time

from gemd.system.access_log import AccessLog, Entry
from gemd.system.log import error_log
from gemd.worker.passed import LogPass, PassedConnection

_LINE_INTERVAL = 10.0  # seconds between two lines about one upstream


def pass_logger(access_log: AccessLog) -> LogPass:
    """What logs the end of a connection that was passed on."""
    next_lines: dict[str, float] = {}  # by upstream, of which there are as many as are configured

    def log_pass(connection: PassedConnection) -> None:
        if connection.failure:
            upstream, now = str(connection.upstream), time.monotonic()
            if now >= next_lines.get(upstream, now):
                next_lines[upstream] = now + _LINE_INTERVAL
                error_log.warning("%s can't be passed on to %s: %s", connection.name, upstream, connection.failure)
        received, sent = (flow.sent for flow in connection.flows) if connection.flows else (0, 0)
        access_log.write(
            Entry(
                address=connection.peer.address,
                host=connection.name,
                url="",
                status=0,
                meta="",
                size=sent,
                seconds=time.monotonic() - connection.accepted,
                complete=connection.complete,
                received=max(0, received),
                port=connection.peer.port,
            )
        )

    return log_pass
