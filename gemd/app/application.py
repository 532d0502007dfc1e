"""An application made of routes, each a function from a request to a response.

Rules: the route that was registered last is tried first; what a route raises goes to the server, which answers 42 and
logs it. It is called by one thread at a time, unless its location has `app-threads`. A route may be a coroutine
function, or give back whatever else is to be awaited for its response.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from gemd.app.rate_limiter import RateLimiter
from gemd.app.request import Request
from gemd.app.response import DeferredResponse, Environ, Response, SendStatus, Status
from gemd.app.route import RoutePattern
from gemd.app.sending import Sent, send_response

Answered = Response | DeferredResponse
RouteHandler = Callable[..., Answered | Awaitable[Answered]]
Route = TypeVar("Route", bound=RouteHandler)


class Application:
    """Routes, as `@app.route("/path")` adds them. `request_class` may be a class derived from Request."""

    request_class: type[Request] = Request

    def __init__(self, rate_limiter: RateLimiter | None = None) -> None:
        """With a `rate_limiter` that holds for all routes together."""
        self.rate_limiter = rate_limiter
        self.routes: list[tuple[RoutePattern, RouteHandler]] = []

    def route(
        self,
        path: str = ".*",
        scheme: str | None = "gemini",
        hostname: str | None = None,
        strict_hostname: bool = True,
        strict_port: bool = True,
        strict_trailing_slash: bool = False,
    ) -> Callable[[Route], Route]:
        """A decorator that registers a function for requests that RoutePattern(...) matches, and leaves it as it is.

        The function is called with the request, and with the named groups of `path` as keyword arguments.
        """
        pattern = RoutePattern(path, scheme, hostname, strict_hostname, strict_port, strict_trailing_slash)

        def register(function: Route) -> Route:
            self.routes.append((pattern, function))
            return function

        return register

    def default_callback(self, request: Request, **groups: str | None) -> Answered | Awaitable[Answered]:
        """The answer where no route matches; to be overridden."""
        what = "No uploads are taken here" if request.scheme == "titan" else "Not Found"
        return Response(Status.PERMANENT_FAILURE, what)

    def __call__(self, environ: Environ, send_status: SendStatus) -> Sent | Awaitable[Sent]:
        """Answer one request: 59 for a URL that is none, else what the rate limiter or the route says.

        Raises TypeError for a route that gives no Response.
        """
        try:
            request = self.request_class(environ)
        except (ValueError, KeyError, TypeError):
            return send_response(Response(Status.BAD_REQUEST, "Invalid URL"), send_status)
        refusal = self.rate_limiter.check(request) if self.rate_limiter is not None else None
        if refusal is not None:
            return send_response(refusal, send_status)
        handler, groups = self._find(request)
        return send_response(handler(request, **groups), send_status)

    def _find(self, request: Request) -> tuple[RouteHandler, dict[str, str | None]]:
        for pattern, handler in reversed(self.routes):
            match = pattern.match(request)
            if match is not None:
                return handler, match.groupdict()
        return self.default_callback, {}


JetforceApplication = Application
