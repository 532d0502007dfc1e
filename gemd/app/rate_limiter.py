"""Limits on how often a client may ask an application, or one of its routes.

Rule: counts are shared by all workers, so that a limit is what it says however many there are.
"""

import functools
import inspect
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from gemd.app.request import Request
from gemd.app.response import Response, Status
from gemd.config.rate import parse_rate
from gemd.protocol.peer import network_of
from gemd.responders.app.contract import CLIENT
from gemd.shared.rate_windows import WINDOWS

Groups = ParamSpec("Groups")
Answered = TypeVar("Answered")

_made: Counter[str] = Counter()
_made_lock = threading.Lock()


class RateLimiter:
    """At most `number` requests in each window of `period` seconds: "5/s", "10/5m", "100/2h" or "1000/d".

    A window begins with a key's first request. Limiters are made when the application is loaded: those of the same
    class and rate are told apart by their order.
    """

    number: int
    period: int

    def __init__(self, rate: str) -> None:
        """Raises ValueError for a rate of another form."""
        try:
            parsed = parse_rate(rate)
        except ValueError as error:
            raise ValueError(f"{error}, not {rate!r}") from None
        self.number, self.period = parsed.count, int(parsed.seconds)
        kind = f"{type(self).__module__}.{type(self).__qualname__} {rate}"
        with _made_lock:
            _made[kind] += 1
            self._name = f"{kind} {_made[kind]}"

    def reset(self) -> None:
        """Forget all requests so far, in all workers."""
        WINDOWS.reset(self._name)

    def get_key(self, request: Request) -> object:
        """Whose requests are counted together: by default those of one client. None is exempt. To be overridden.

        A client is an IPv4 address or an IPv6 network, as for gemd's own limits (`limits.ipv6-prefix`). Keys are the
        same if their repr is.
        """
        return request.environ.get(CLIENT) or network_of(request.environ["REMOTE_ADDR"])

    def check(self, request: Request) -> Response | None:
        """Count a request: None if it is within the limit, else the answer to it (44)."""
        key = self.get_key(request)
        if key is None:
            return None
        count, left = WINDOWS.count(self._name, key, self.period)
        if count <= self.number:
            return None
        return Response(Status.SLOW_DOWN, f"Rate limit exceeded, wait {left:.0f} seconds.")

    @overload
    def apply(
        self, wrapped_func: Callable[Concatenate[Request, Groups], Coroutine[Any, Any, Answered]]
    ) -> Callable[..., Coroutine[Any, Any, Answered | Response]]: ...

    @overload
    def apply(
        self, wrapped_func: Callable[Concatenate[Request, Groups], Answered]
    ) -> Callable[..., Answered | Response]: ...

    def apply(self, wrapped_func: Callable[..., Any]) -> Callable[..., Any]:
        """A decorator that limits one route; it stands below `@app.route(...)`. A coroutine function stays one."""
        if inspect.iscoroutinefunction(wrapped_func):

            @functools.wraps(wrapped_func)
            async def check_first_and_wait(request: Request, *args: object, **groups: object) -> object:
                return self.check(request) or await wrapped_func(request, *args, **groups)

            return check_first_and_wait

        @functools.wraps(wrapped_func)
        def check_first(request: Request, *args: object, **groups: object) -> object:
            return self.check(request) or wrapped_func(request, *args, **groups)

        return check_first
