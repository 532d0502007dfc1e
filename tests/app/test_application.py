"""Routes, as Jetforce has them: each story is told with gemd.app and with jetforce itself."""

import pytest

import gemd.app
from gemd.app import Application, JetforceApplication
from gemd.testing import Client

from .conftest import load_jetforce

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


def test_the_status_codes_are_jetforces_and_plain_integers():
    def codes(status):
        return {name: value for name, value in vars(status).items() if name.isupper()}

    assert codes(gemd.app.Status) == codes(load_jetforce().Status)
    assert {type(code) for code in codes(gemd.app.Status).values()} == {int}


# pattern, its other arguments, path of the request, what the route is called with (None: it is not)
ROUTES = [
    ("", {}, "", {}),
    ("", {}, "/", {}),
    ("", {}, "///", {}),
    ("", {}, "/a", None),
    ("/", {}, "/", None),
    ("/", {}, "", None),
    ("/", {"strict_trailing_slash": True}, "/", {}),
    ("", {"strict_trailing_slash": True}, "/", None),
    ("/a", {}, "/a", {}),
    ("/a", {}, "/a/", {}),
    ("/a", {}, "/a//", {}),
    ("/a", {}, "/abc", None),
    ("/a", {}, "/a/b", None),
    ("/a/", {}, "/a/", None),
    ("/a/", {"strict_trailing_slash": True}, "/a/", {}),
    ("/a", {"strict_trailing_slash": True}, "/a/", None),
    ("/a b", {}, "/a%20b", {}),
    ("/ä", {}, "/%C3%A4", {}),
    ("/a/b", {}, "/a%2Fb", {}),
    (".*", {}, "/whatever/there/is", {}),
    ("/(?P<user>[^/]+)/(?P<page>[0-9]+)", {}, "/ada/7", {"user": "ada", "page": "7"}),
    ("/x(?P<rest>/.*)?", {}, "/x", {"rest": None}),
    ("/(.)(?P<b>.)", {}, "/ab", {"b": "b"}),
    ("/a;b", {}, "/a;b", {}),
    ("/a", {"hostname": "localhost"}, "/a", {}),
    ("/a", {"hostname": "other.example"}, "/a", None),
    ("/a", {"hostname": "Localhost"}, "/a", None),
    ("/a", {"hostname": "other.example", "strict_hostname": False}, "/a", {}),
    ("/a", {"scheme": ""}, "/a", {}),
    ("/a", {"scheme": None}, "/a", {}),
    ("/a", {"scheme": "https"}, "/a", None),
    ("/a", {}, "gemini://localhost:1965/a", {}),
    ("/a", {}, "GEMINI://LOCALHOST/a", {}),
    ("/a", {}, "gemini://localhost:1966/a", None),
    ("/a", {"strict_port": False}, "gemini://localhost:1966/a", {}),
]


@pytest.mark.parametrize(("pattern", "options", "path", "groups"), ROUTES)
def test_what_a_route_is_for(framework, pattern, options, path, groups):
    app, seen = framework.JetforceApplication(), []

    @app.route(pattern, **options)
    def route(request, **given):
        seen.append(given)
        return framework.Response(20, "text/plain", "found")

    url = path if "://" in path else f"gemini://localhost{path}"
    answer = Client(app).get(url)
    if groups is None:
        assert (answer.status, answer.meta, seen) == (50, "Not Found", [])
    else:
        assert (answer.status, answer.text, seen) == (20, "found", [groups])


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


BODIES = [
    (None, b""),
    ("tëxt", "tëxt".encode()),
    (b"octets", b"octets"),
    (["a", b"b", None, "", "c"], b"abc"),
    (tuple("012"), b"012"),
    ("", b""),
    ([], b""),
]


@pytest.mark.parametrize(("body", "sent"), BODIES)
def test_bodies(framework, body, sent):
    app = framework.JetforceApplication()
    app.route()(lambda request: framework.Response(20, "text/plain", body))
    answer = Client(app).get("/")
    assert (answer.status, answer.body) == (20, sent)


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


def test_hosts_apart(framework):
    def app_of(name, **options):
        app = framework.JetforceApplication()
        app.route(**options)(lambda request: framework.Response(20, "text/plain", [name, request.environ["HOSTNAME"]]))
        return app

    both = {"cats.example": app_of("cats "), "xn--hnde-0ra.example": app_of("dogs ")}
    client = Client(framework.CompositeApplication(both))
    assert client.get("/", host="cats.example").text == "cats cats.example"
    assert client.get("/", host="CATS.example").text == "cats cats.example"
    assert client.get("/", host="hünde.example").text == "dogs xn--hnde-0ra.example"
    answer = client.get("/", host="birds.example")
    assert (answer.status, answer.meta) == (53, "Invalid hostname")
    anyhow = Client(framework.CompositeApplication({**both, None: app_of("others ")}))
    assert anyhow.get("/", host="birds.example").text == "others birds.example"


def test_applications_of_a_composite_may_be_functions():
    def plain(environ, send_status):
        send_status(20, "text/plain")
        return b"plain"

    def nothing(environ, send_status):
        send_status(51, "None here")

    client = Client(gemd.app.CompositeApplication({"a": plain, "b": nothing}))
    assert client.get("/", host="a").body == b"plain"
    assert client.get("/", host="b").meta == "None here"


def test_a_body_is_closed_at_its_end_and_when_nobody_listens():
    closed = []

    class Body:
        def __iter__(self):
            return iter([b"x" * 100_000] * 5)

        def close(self):
            closed.append(True)

    app = Application()
    app.route()(lambda request: gemd.app.Response(20, "text/plain", Body()))
    client = Client(app)
    assert len(client.get("/").body) == 500_000
    assert closed == [True]
    assert not client.get("/", most_bytes=1).is_complete
    assert closed == [True, True]
