"""The dialect "http": scripts that were written for the web."""

import pytest

from .scripts import PYTHON, write_into
from .sharing import shared_daemon

CONFIG = """
workers = 2
[limits]
cgi = 8
cgi-per-address = 8
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
cgi-dialect = "http"
[[host.location]]
path = "/other"
root = "{root}"
cgi = "cgi-bin"
cgi-dialect = "jetforce"
"""
# As many write them: by the standard library, whose handler answers by what it finds in the environment.
WSGI = """\
from wsgiref.handlers import CGIHandler
from wsgiref.util import application_uri

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/away":
        start_response("302 Found", [("Location", application_uri(environ) + "/here?x=1")])
        return []
    if path == "/here":
        start_response("200 OK", [("Content-Type", "text/gemini; charset=utf-8")])
        return [f"# {environ['REQUEST_METHOD']} {environ['QUERY_STRING']}\\n".encode()]
    if path == "/bad":
        raise ValueError("out of order")
    start_response("404 Not Found", [("Content-Type", "text/html")])
    return [b"<h1>No such page</h1>"]

CGIHandler().run(app)
"""
SCRIPTS = {
    "wsgi": PYTHON + WSGI,
    "env": "echo Content-Type: text/plain; echo; env",
    "slowly": "for word in Content- 'Type: ' text/ 'plain\\n' '\\n' one two; do printf $word; sleep 0.05; done\n",
    "gone": "echo Status: 410; echo Content-Type: text/html; echo; head -c 300000 /dev/zero\n",
    "long": "head -c 70000 /dev/zero | tr '\\0' x\n",
    "cut": "echo Content-Type: text/plain\n",
    "broken": "echo Content-Type: text/plain; echo; echo begun; kill -9 $$\n",
    "gemini": "echo 20 text/gemini; echo '# Hello'\n",
}


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """A daemon with all of them."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "capsule").mkdir()
    write = write_into(folder / "capsule/cgi-bin")
    for name, text in SCRIPTS.items():
        write(name, text)
    with shared_daemon(folder, CONFIG) as daemon:
        yield daemon


@pytest.fixture
def complaints(web):
    """What it has logged since this story began."""
    before = web.errors
    return lambda: web.errors.removeprefix(before)


def test_a_program_by_the_standard_library_answers_and_leads_to_itself(web):
    answer = web.ask("/cgi-bin/wsgi/here?a=b")
    assert (answer.header, answer.text, answer.complete) == ("20 text/gemini; charset=utf-8", "# GET a=b\n", True)
    answer = web.ask("/cgi-bin/wsgi/away")
    assert (answer.header, answer.complete) == (f"30 {web.url('/cgi-bin/wsgi/here?x=1')}", True)
    assert web.ask("/cgi-bin/wsgi/none").raw == b"51 Not Found\r\n"


def test_a_program_that_fails_is_42_and_what_it_complains_of_is_logged(web, complaints):
    web.expect("script /cgi-bin/wsgi says: ")
    answer = web.ask("/cgi-bin/wsgi/bad")
    assert (answer.raw, answer.complete) == (b"42 Internal Server Error\r\n", True)
    assert "ValueError: out of order" in complaints()


def test_variables_are_those_of_the_web(web):
    found = dict(line.split("=", 1) for line in web.ask("/cgi-bin/env/x?y").text.splitlines())
    assert {name: found[name] for name in ("HTTP_HOST", "HTTPS", "REQUEST_METHOD", "SERVER_PROTOCOL")} == {
        "HTTP_HOST": f"localhost:{web.port}",
        "HTTPS": "on",
        "REQUEST_METHOD": "GET",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    assert {name for name in found if name.startswith("HTTP_")} == {"HTTP_HOST"}


def test_a_header_may_come_in_pieces(web):
    answer = web.ask("/cgi-bin/slowly")
    assert (answer.header, answer.text, answer.complete) == ("20 text/plain", "onetwo", True)


def test_a_page_that_comes_with_a_failure_is_not_sent(web):
    answer = web.ask("/cgi-bin/gone")
    assert (answer.raw, answer.complete) == (b"52 Gone\r\n", True)


def test_what_breaks_off_is_broken_off(web):
    web.expect("script /cgi-bin/broken was ended by SIGKILL")
    answer = web.ask("/cgi-bin/broken")
    assert (answer.raw, answer.complete) == (b"20 text/plain\r\nbegun\n", False)


BAD = {
    "/cgi-bin/long": "more than 8192 bytes",
    "/cgi-bin/cut": "ended without a header: b'Content-Type: text/plain'",
    "/cgi-bin/gemini": "b'20 text/gemini', which is a header of Gemini",
    "/other/cgi-bin/gone": "b'Status: 410', which is a header of HTTP: that is the dialect 'http'",
}


@pytest.mark.parametrize(("path", "reason"), BAD.items())
def test_what_is_no_header_is_42_and_named(web, complaints, path, reason):
    web.expect(f"script {path} ")
    answer = web.ask(path)
    assert (answer.raw, answer.complete) == (b"42 The script failed\r\n", True)
    assert reason in complaints()
