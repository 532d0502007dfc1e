"""Every check of a server, in the order in which they are made.

Rule: a check is a row where it is written; those of one kind are added here once.
"""

from gemd.gemctl.check import (
    alike_probes,
    certificate_probes,
    path_probes,
    request_probes,
    tls_probes,
    waiting_probes,
)

CLOSELY = (
    *certificate_probes.PROBES,
    *tls_probes.PROBES,
    *request_probes.PROBES,
    *path_probes.PROBES,
    *waiting_probes.PROBES,
)
WAITING = frozenset(waiting_probes.PROBES)  # which are the same for all hosts of a listener, and take long
ELSEWHERE = alike_probes.PROBES
