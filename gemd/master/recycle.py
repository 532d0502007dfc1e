"""When a worker has done enough, and another takes its place: a planned end.

Rule: what a worker says of itself is only compared.
"""

import random

from gemd.config.settings import Service
from gemd.master.workers import Worker
from gemd.shared.scoreboard import Row


def draw_quota(requests: int) -> int:
    """About so many, a tenth more or less, so that workers which were born together do not leave together."""
    return max(1, round(requests * random.uniform(0.9, 1.1))) if requests else 0  # noqa: S311, no secret


def why_recycle(worker: Worker, row: Row, service: Service) -> str | None:
    """Why another is to take this worker's place; None if it may stay."""
    if worker.quota and row.requests >= worker.quota:
        return f"has answered {row.requests} requests"
    if service.max_memory and row.private_memory > service.max_memory:
        return f"has {row.private_memory} bytes of memory"
    return "has an application that does not come back" if row.wants_recycle else None
