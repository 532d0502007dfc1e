"""What Jetforce has in `jetforce.app.base`, by the same names.

Rule: nothing is of its own here; each name is where it belongs, and `gemd.app` has those that most programs need.
"""

from collections.abc import Awaitable, Callable, Iterable

from gemd.app.application import JetforceApplication, RouteHandler
from gemd.app.rate_limiter import RateLimiter
from gemd.app.request import Request
from gemd.app.response import DeferredResponse, Piece, Response, Status
from gemd.app.response import Environ as EnvironDict
from gemd.app.response import SendStatus as WriteStatusCallable
from gemd.app.route import RoutePattern

__all__ = [
    "ApplicationCallable",
    "ApplicationResponse",
    "DeferredResponse",
    "EnvironDict",
    "JetforceApplication",
    "RateLimiter",
    "Request",
    "Response",
    "ResponseType",
    "RouteHandler",
    "RoutePattern",
    "Status",
    "WriteStatusCallable",
]

ResponseType = str | bytes | Awaitable[Piece]
ApplicationResponse = Iterable[ResponseType]
ApplicationCallable = Callable[[EnvironDict, WriteStatusCallable], ApplicationResponse]
