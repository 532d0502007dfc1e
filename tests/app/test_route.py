import pytest

from gemd.app import Application, Request, Response, RoutePattern
from gemd.testing import Client

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


def test_where_no_route_takes_uploads():
    app = Application()
    app.route("/a")(lambda request: Response(20, "text/plain", "found"))
    answer = Client(app).put("/a", b"hello")
    assert (answer.status, answer.meta) == (50, "No uploads are taken here")


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


def test_a_pattern_by_itself():
    request = Request({"GEMINI_URL": "gemini://h/a/7/", "HOSTNAME": "h", "SERVER_PORT": 1965})
    assert RoutePattern("/a/(?P<number>[0-9]+)").match(request).groupdict() == {"number": "7"}
    assert RoutePattern("/a/(?P<number>[0-9]+)", strict_trailing_slash=True).match(request) is None
    assert RoutePattern("/a/(?P<number>[0-9]+)", hostname="other").match(request) is None
