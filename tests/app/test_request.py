import pytest

URLS = [
    "gemini://localhost",
    "gemini://localhost/",
    "gemini://localhost:1965/a/b",
    "gemini://LOCALHOST/A%20b?c%20d+e",
    "gemini://localhost/a;b=c",
    "gemini://localhost/%C3%A4%FF?%FF",
    "gemini://localhost/a%2Fb%3Fc?d%26e=f",
    "gemini://[::1]:1966/",
    "gemini://bücher.example/x",
    "https://localhost/a;b?c#d",
    "gemini://localhost/a#b%20c",
    "gemini://localhost?q",
]
FIELDS = ["url", "scheme", "hostname", "port", "path", "params", "query", "fragment"]


@pytest.mark.parametrize("url", URLS)
def test_the_fields_are_those_of_jetforce(framework, url):
    from gemd.app import Request

    environ = {"GEMINI_URL": url}
    ours, theirs = Request(environ), framework.Request(environ)
    assert ours.environ is environ
    assert [getattr(ours, name) for name in FIELDS] == [getattr(theirs, name) for name in FIELDS]


def test_the_fields_decoded(framework):
    request = framework.Request({"GEMINI_URL": "gemini://Example.ORG:7/a%20b/?x%3Dy+z"})
    assert (request.hostname, request.port, request.path, request.query) == ("example.org", 7, "/a b/", "x=y+z")


@pytest.mark.parametrize(
    "url", ["localhost/a", "//localhost/a", "gemini:///a", "gemini:a", "gemini://me@localhost/", "gemini://h:x/", ""]
)
def test_what_is_no_request(framework, url):
    with pytest.raises(ValueError):
        framework.Request({"GEMINI_URL": url})


def test_other_schemes_may_have_users(framework):
    assert framework.Request({"GEMINI_URL": "https://me@localhost/"}).hostname == "localhost"
