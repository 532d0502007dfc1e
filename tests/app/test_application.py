"""Routes, as Jetforce has them: each story is told with gemd.app and with jetforce itself; but for coroutines."""

import asyncio
import inspect

import pytest

from gemd.app import Application, JetforceApplication, RateLimiter, Response
from gemd.testing import Client

EXPORTS = [
    "CompositeApplication",
    "GeminiServer",
    "JetforceApplication",
    "RateLimiter",
    "Request",
    "Response",
    "RoutePattern",
    "StaticDirectoryApplication",
    "Status",
]


def test_everything_is_there_that_jetforce_has(framework):
    assert all(hasattr(framework, name) for name in EXPORTS)


def test_the_two_names_are_one_class():
    assert JetforceApplication is Application


def test_the_last_route_is_tried_first(framework):
    app = framework.JetforceApplication()
    app.route("/a")(lambda request: framework.Response(20, "text/plain", "first"))
    app.route("/a")(lambda request: framework.Response(20, "text/plain", "second"))
    assert Client(app).get("/a").text == "second"


def test_the_function_comes_back_as_it_was(framework):
    app = framework.JetforceApplication()

    def route(request):
        return framework.Response(20, "text/plain", request.path)

    assert app.route("/a")(app.route("/b")(route)) is route
    assert [Client(app).get(path).text for path in ("/a", "/b")] == ["/a", "/b"]


def test_a_wrong_result_is_a_failure_that_tells_nothing(framework):
    app = framework.JetforceApplication()
    app.route()(lambda request: "no response")
    answer = Client(app).get("/")
    assert (answer.status, answer.meta) == (42, "An unexpected error occurred")
    assert isinstance(answer.error, TypeError)


def test_another_default(framework):
    class Polite(framework.JetforceApplication):
        def default_callback(self, request, **_):
            return framework.Response(51, f"Sorry, no {request.path}")

    assert Client(Polite()).get("/x").meta == "Sorry, no /x"


def test_another_request_class(framework):
    class Shouting(framework.Request):
        def __init__(self, environ):
            super().__init__(environ)
            self.path = self.path.upper()

    app = framework.JetforceApplication()
    app.request_class = Shouting
    app.route("/LOUD")(lambda request: framework.Response(20, "text/plain", type(request).__name__))
    assert Client(app).get("/loud").text == "Shouting"


def test_a_request_that_is_none(framework):
    class Picky(framework.Request):
        def __init__(self, environ):
            raise ValueError("no")

    app = framework.JetforceApplication()
    app.request_class = Picky
    answer = Client(app).get("/")
    assert (answer.status, answer.meta) == (59, "Invalid URL")


def test_a_limit_for_all_routes(framework):
    app = framework.JetforceApplication(rate_limiter=framework.RateLimiter("2/d"))
    app.route()(lambda request: framework.Response(20, "text/plain"))
    client = Client(app)
    assert [client.get("/", remote_addr="192.0.2.7").status for _ in range(3)] == [20, 20, 44]


# Coroutines, which Jetforce has none of

ENVIRON = {"HOSTNAME": "localhost", "SERVER_PORT": 1965, "REMOTE_ADDR": "192.0.2.8"}


async def ask(app, path="/"):
    """Status, META and body, as an event loop takes them."""
    said = []
    result = app({**ENVIRON, "GEMINI_URL": f"gemini://localhost{path}"}, lambda *status: said.append(status))
    was_awaitable = inspect.isawaitable(result)
    if was_awaitable:
        assert said == []
        result = await result
    pieces = [piece async for piece in result] if hasattr(result, "__aiter__") else list(result)
    return was_awaitable, *said, *pieces


class Ticker:
    """An asynchronous body that is no generator."""

    def __init__(self):
        self.left = 2

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        self.left -= 1
        if self.left < 0:
            raise StopAsyncIteration
        return f"{self.left}"


async def tick():
    for piece in (b"a", "b", None):
        await asyncio.sleep(0)
        yield piece


ROUTES = {
    "at once": (lambda request: Response(20, "text/plain", ["a", "b"]), (False, (20, "text/plain"), "a", "b")),
    "asynchronous body": (
        lambda request: Response(20, "text/plain", tick()),
        (False, (20, "text/plain"), b"a", "b", None),
    ),
    "asynchronous iterator": (
        lambda request: Response(20, "text/plain", Ticker()),
        (False, (20, "text/plain"), "1", "0"),
    ),
    "no body": (lambda request: Response(51, "Not here"), (False, (51, "Not here"))),
}


@pytest.mark.parametrize(("route", "answer"), ROUTES.values(), ids=ROUTES)
def test_a_route_may_be_a_coroutine_function(route, answer):
    app = Application()
    app.route("/plain")(route)

    @app.route("/slow")
    async def slow(request):
        await asyncio.sleep(0)
        return route(request)

    assert asyncio.run(ask(app, "/plain")) == answer
    assert asyncio.run(ask(app, "/slow")) == (True, *answer[1:])


def test_groups_and_the_default_are_the_same_for_coroutines():
    class Polite(Application):
        async def default_callback(self, request, **_):
            return Response(51, f"Sorry, no {request.path}")

    app = Polite()

    @app.route("/(?P<name>[a-z]+)")
    async def greet(request, name):
        return Response(20, "text/plain", name)

    assert asyncio.run(ask(app, "/ada")) == (True, (20, "text/plain"), "ada")
    assert asyncio.run(ask(app, "/7")) == (True, (51, "Sorry, no /7"))


def test_a_limit_is_for_coroutines_too():
    limiter = RateLimiter("1/d")
    app = Application()

    @app.route("/route")
    @limiter.apply
    async def route(request):
        return Response(20, "text/plain", "ok")

    app.route("/all")(lambda request: Response(20, "text/plain", "all"))
    assert inspect.iscoroutinefunction(route)
    assert asyncio.run(ask(app, "/route"))[1:] == ((20, "text/plain"), "ok")
    assert asyncio.run(ask(app, "/route"))[1][0] == 44
    app.rate_limiter = RateLimiter("1/d")
    assert [asyncio.run(ask(app, "/all"))[1][0] for _ in range(2)] == [20, 44]


def test_what_a_coroutine_raises_or_gives_is_the_servers():
    app = Application()

    @app.route("/raises")
    async def fail(request):
        raise LookupError(request.path)

    @app.route("/text")
    async def text(request):
        return "no response"

    with pytest.raises(LookupError):
        asyncio.run(ask(app, "/raises"))
    with pytest.raises(TypeError, match="has to return a Response, not str"):
        asyncio.run(ask(app, "/text"))


def test_several_coroutines_wait_at_the_same_time():
    app = Application()
    met = asyncio.Barrier(3)

    @app.route()
    async def meet(request):
        await met.wait()
        return Response(20, "text/plain", "met")

    async def ask_thrice():
        return await asyncio.wait_for(asyncio.gather(*(ask(app) for _ in range(3))), 10)

    assert {answer[-1] for answer in asyncio.run(ask_thrice())} == {"met"}
