"""The client for the tests of applications."""

import asyncio

import pytest

from gemd.app import Application, Response, StaticDirectoryApplication, Status
from gemd.testing import Client, make_certificate


def show(environ, send_status):
    send_status(20, "text/plain")
    return [f"{key}={value}\n" for key, value in environ.items()]


def test_the_environ_is_that_of_the_daemon():
    lines = Client(show, port=7, location="/app").get("/a?b%20c", host="h", remote_addr="192.0.2.1").text.splitlines()
    assert {
        "GEMINI_URL=gemini://h/a?b%20c",
        "HOSTNAME=h",
        "SERVER_NAME=h",
        "SERVER_PORT=7",
        "QUERY_STRING=b%20c",
        "REMOTE_ADDR=192.0.2.1",
        "client_certificate=None",
        "gemd.location=/app",
        "gemd.client=192.0.2.1",
    } <= set(lines)


def test_a_certificate():
    alice, bob = make_certificate("Alice"), make_certificate("Bob Ä")
    lines = Client(show).get("/", client_certificate=alice).text.splitlines()
    assert "REMOTE_USER=Alice" in lines
    assert f"TLS_CLIENT_HASH=SHA256:{alice.fingerprint.upper()}" in lines
    assert (bob.common_name, bob.fault) == ("Bob Ä", "")
    assert bob.fingerprint != alice.fingerprint
    late = make_certificate(days=-3)
    assert (late.not_after - late.not_before).days == 1


def test_what_was_typed_in():
    assert "QUERY_STRING=a%20b%26c%2F" in Client(show).get("/x?y", query="a b&c/").text


@pytest.mark.parametrize(
    ("url", "status"), [("/a b", 59), ("nowhere", 59), ("https://localhost/", 53), ("/" + "x" * 1024, 59), ("/%zz", 59)]
)
def test_a_url_that_the_daemon_refuses(url, status):
    answer = Client(show).get(url)
    assert (answer.status, answer.body) == (status, b"")


def test_an_error_is_seen_by_the_test_alone():
    def app(environ, send_status):
        raise ValueError("a secret")

    answer = Client(app).get("/")
    assert (answer.status, answer.meta) == (42, "An unexpected error occurred")
    assert isinstance(answer.error, ValueError)


def test_a_body_that_breaks_off():
    def app(environ, send_status):
        send_status(20, "text/plain")
        yield "begun"
        raise ValueError

    answer = Client(app).get("/")
    assert (answer.status, answer.text, answer.is_complete) == (20, "begun", False)
    assert isinstance(answer.error, ValueError)


def test_an_endless_body():
    left = []

    def app(environ, send_status):
        send_status(20, "text/plain")
        try:
            while True:
                yield "x" * 1000
        finally:
            left.append(True)

    answer = Client(app).get("/", most_bytes=100_000)
    assert (answer.status, answer.is_complete, left) == (20, False, [True])
    assert len(answer.body) >= 100_000


def test_redirects_are_followed_when_asked():
    app = Application()
    app.route("/a")(lambda request: Response(Status.REDIRECT_TEMPORARY, "b?c"))
    app.route("/b")(lambda request: Response(Status.SUCCESS, "text/plain", request.query))
    app.route("/round")(lambda request: Response(Status.REDIRECT_PERMANENT, "/round"))
    app.route("/away")(lambda request: Response(Status.REDIRECT_PERMANENT, "https://localhost/"))
    client = Client(app)
    assert (client.get("/a").status, client.get("/a").meta) == (30, "b?c")
    answer = client.get("/a", follow_redirects=True)
    assert (answer.text, answer.url) == ("c", "gemini://localhost/b?c")
    assert client.get("/round", follow_redirects=True).status == 31
    assert client.get("/away", follow_redirects=True).meta == "https://localhost/"


def test_coroutines_are_awaited_in_one_event_loop():
    app = Application()
    loops = set()

    @app.route("/wait")
    async def wait(request):
        loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return Response(Status.SUCCESS, "text/plain", count())

    async def count():
        loops.add(asyncio.get_running_loop())
        for number in range(3):
            await asyncio.sleep(0)
            yield str(number)

    client = Client(app)
    assert [client.get("/wait").text for _ in range(2)] == ["012"] * 2
    assert len(loops) == 1


def test_an_application_may_be_a_coroutine_function_itself():
    async def app(environ, send_status):
        send_status(20, "text/plain")
        return [environ["QUERY_STRING"]]

    assert Client(app).get("/?a").text == "a"


def test_an_asynchronous_body_that_fails_or_is_left():
    closed = []

    async def app(environ, send_status):
        send_status(20, "text/plain")
        try:
            while True:
                yield "x" * 70_000
                if environ["QUERY_STRING"] == "fail":
                    raise ValueError
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    client = Client(app)
    answer = client.get("/?fail")
    assert (answer.status, answer.is_complete, type(answer.error)) == (20, False, ValueError)
    assert not client.get("/", most_bytes=10).is_complete
    assert closed == [True, True]


def test_a_test_may_be_a_coroutine():
    async def app(environ, send_status):
        send_status(20, "text/plain")
        return "ok"

    async def ask():
        return await asyncio.to_thread(Client(app).get, "/")

    assert asyncio.run(ask()).text == "ok"


def test_another_scheme_reaches_an_application_that_takes_it():
    client = Client(show, schemes=["gemini", "https"])
    lines = client.get("https://wiki.example:8443/a?b").text.splitlines()
    assert {"GEMINI_URL=https://wiki.example:8443/a?b", "HOSTNAME=wiki.example"} <= set(lines)
    assert client.get("gopher://wiki.example/").status == 53


# Uploads

WIKI = Application()
PAGES = {}


@WIKI.route("/(?P<name>.*)", scheme="titan")
def change(request, name):
    if request.is_edit:
        return Response(Status.SUCCESS, "text/gemini", PAGES.get(name, b""))
    if not request.upload.size:
        del PAGES[name]
        return Response(Status.SUCCESS, "text/plain", "gone")
    PAGES[name] = request.upload.body.read()
    said = f"{request.upload.media_type} {request.upload.token} {request.query}"
    return Response(Status.SUCCESS, "text/plain", said)


def test_what_is_uploaded_is_read_by_a_route():
    client = Client(WIKI)
    assert client.put("/a", b"hello", media_type="text/plain;x=y", token="a;b").text == "text/plain;x=y a;b "
    assert client.put("/b?q", bytes(100_000)).text == "text/gemini None q"
    assert (PAGES["a"], PAGES["b"]) == (b"hello", bytes(100_000))
    assert client.edit("/a").text == "hello"
    assert client.put("/a").text == "gone"
    assert client.edit("/a").body == b""


def test_the_environ_of_an_upload_is_that_of_the_daemon():
    lines = Client(show).put("/a?q", b"hello", token="t", host="h", client_certificate=make_certificate()).text
    assert {
        "GEMINI_URL=titan://h/a?q",
        "SERVER_PROTOCOL=TITAN",
        "CONTENT_LENGTH=5",
        "CONTENT_TYPE=text/gemini",
        "TITAN_TOKEN=t",
        "REMOTE_USER=Alice",
    } <= set(lines.splitlines())


def test_an_upload_is_closed_when_the_answer_is_over():
    kept = []

    def app(environ, send_status):
        kept.append(environ["titan.body"])
        send_status(20, "text/plain")
        yield kept[0].read(2)

    assert Client(app).put("/", b"hello").text == "he"
    assert kept[0].closed


def test_a_url_that_is_too_long_for_an_upload():
    assert Client(show).put("/" + "x" * 1000, b"hello").status == 59


SCRIPT = """#!/bin/sh
echo 20 text/plain
echo "$CONTENT_LENGTH $CONTENT_TYPE"
cat
"""


def test_a_script_of_an_application_reads_what_is_uploaded(tmp_path):
    (tmp_path / "script").write_text(SCRIPT)
    (tmp_path / "script").chmod(0o755)
    static = StaticDirectoryApplication(str(tmp_path), cgi_directory="")
    app = Application()
    app.route(".*", scheme="titan")(lambda request: static.run_cgi_script(tmp_path / "script", request.environ))
    assert Client(app).put("/", b"hello").text == "5 text/gemini\nhello"
    assert Client(app).put("/").text == "0 text/gemini\n"
