"""Routes, as Jetforce has them: each story is told with gemd.app and with jetforce itself."""

from gemd.app import Application, JetforceApplication
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
