"""Applications by FastCGI and SCGI that break off, stall, flood or talk nonsense.

Rule: whatever they do, a response that is not whole has no close_notify, the log says why, and others are served.
"""

import contextlib
import socket
import struct
import threading

import pytest

from gemd.protocol.fastcgi import RecordType, encode_end, encode_record
from tests.support.hostile import Application, cut, read_fastcgi, read_scgi, reset, send, send_slowly
from tests.support.waiting import LONGEST, wait_for

from .conftest import read_answer
from .sharing import shared_daemon

CONFIG = """
workers = 2
[limits]
cgi-output = 1000000
[[host]]
name = "localhost"
root = "{root}"
[[host.location]]
path = "/fastcgi"
fastcgi = { to = "{fastcgi}" }
[[host.location]]
path = "/tcp"
fastcgi = { to = "{tcp}" }
[[host.location]]
path = "/web"
fastcgi = { to = "{fastcgi}", dialect = "http" }
[[host.location]]
path = "/scgi"
scgi = { to = "{scgi}" }
[[host.location]]
path = "/webscgi"
scgi = { to = "{scgi}", dialect = "http" }
[[host.location]]
path = "/hasty"
fastcgi = { to = "{fastcgi}", timeout = 1.5 }
[[host.location]]
path = "/hastyscgi"
scgi = { to = "{scgi}", timeout = 1.5 }
[[host.location]]
path = "/nobody"
fastcgi = { to = "unix:{tmp}/nobody" }
[[host.location]]
path = "/refused"
scgi = { to = "{refused}" }
[[host.location]]
path = "/files"
root = "{root}"
fastcgi = { to = "{fastcgi}", dialect = "http", strip = 3, params = { PATH_INFO = "/page", KIND = "test" } }
[[host]]
name = "bare.example"
fastcgi = { to = "{fastcgi}", dialect = "http", strip = 64, params = { PATH_INFO = "/page" } }
"""
PROXY_FAILED = b"43 The server behind this one did not answer as it should\r\n"

PAGE = b"20 text/gemini\r\n# Hi\n"
WEB_PAGE = b"Content-Type: text/plain\r\n\r\nHi\n"


def out(data):
    return encode_record(RecordType.STDOUT, data)


def err(data):
    return encode_record(RecordType.STDERR, data)


END = encode_end()
WHOLE = out(PAGE) + END
FLOOD = err(b"noise\n" * 10_000) * 16


def flood(sock, *_):
    """Complaints for as long as somebody reads them."""
    while True:
        sock.sendall(FLOOD)


def begin_and_flood(sock, *_):
    sock.sendall(out(PAGE))
    flood(sock)


class Applications:
    """One by FastCGI, by a unix socket and by TCP, and one by SCGI."""

    def __init__(self, folder):
        fastcgi = {
            "whole": send(WHOLE),
            "slowly": send_slowly(WHOLE),
            "cut": cut(WHOLE),
            "webcut": cut(out(WEB_PAGE) + END),
            "reset": reset(WHOLE),
            "stays": self.stay(WHOLE),
            "padding": send(b"\x01\x06\x00\x01\x00\x15\xff\x00" + PAGE + b"x" * 255 + END),
            "after": send(WHOLE + END + out(b"more")),
            "status": send(out(PAGE) + encode_end(3)),
            "version2": send(b"\x02" + WHOLE[1:]),
            "id2": send(b"\x01\x06\x00\x02" + WHOLE[4:]),
            "type11": send(b"\x01\x0b\x00\x01" + WHOLE[4:]),
            "management": send(b"\x01\x0b\x00\x00\x00\x08\x00\x00" + bytes(8) + WHOLE),
            "nothing": send(END),
            "failed": send(err(b"oops\n") + encode_end(2)),
            "multiplex": send(encode_end(0, 1)),
            "overloaded": send(encode_end(0, 2)),
            "role": send(encode_end(0, 3)),
            "unknown": send(encode_end(0, 9)),
            "late": send(out(PAGE) + encode_end(0, 2)),
            "long": send(out(b"x" * 65_000) * 2 + END),
            "page": send(out(WEB_PAGE) + END),
            "web": send(out(b"Status: 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<p>") + END),
            "http": send(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "silent": self.stay(b""),
            "half": self.stay(out(b"20 text/gem")),
            "stalls": self.stay(out(PAGE)),
            "unsent": send(out(b"51 Not here\r\n") + out(b"x" * 60_000) * 4 + END),
            "unsentcut": send(out(b"51 Not here\r\n" + b"x" * 1000)),
            "unsentstalls": self.stay(out(b"51 Not here\r\n")),
            "much": send(out(PAGE) + out(b"x" * 60_000) * 20 + END),
            "flood": flood,
            "bodyflood": begin_and_flood,
            "lines": send(err(b"one \x1b[31m\nt\xffo\n") + WHOLE),
        }
        scgi = {
            "whole": send(PAGE),
            "slowly": send_slowly(PAGE),
            "cut": cut(PAGE),
            "webcut": cut(WEB_PAGE),
            "reset": reset(PAGE),
            "long": send(b"x" * 70_000),
            "web": send(b"Status: 404 Not Found\r\n\r\n"),
            "silent": self.stay(b""),
            "stalls": self.stay(PAGE),
            "much": send(PAGE + b"x" * 1_200_000),
        }
        self.fastcgi = Application(folder / "fastcgi.sock", read_fastcgi, fastcgi)
        self.tcp = Application(None, read_fastcgi, fastcgi)
        self.scgi = Application(None, read_scgi, scgi)
        self.left = threading.Event()

    def stay(self, data):
        """Answer so much, and leave the connection to gemd."""

        def answer(sock, *_):
            sock.sendall(data)
            while sock.recv(65536):
                pass
            self.left.set()

        return answer

    def is_asked(self, path):
        """Whether the last one that was asked was asked for this."""
        asked = self.fastcgi.asked[-1:] + self.scgi.asked[-1:]
        return any(variables[b"GEMINI_URL_PATH"] == path.encode() for variables in asked)

    def close(self):
        for application in (self.fastcgi, self.tcp, self.scgi):
            application.close()


@pytest.fixture(scope="module")
def applications(tmp_path_factory):
    made = Applications(tmp_path_factory.mktemp("applications"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def daemon(applications, tmp_path_factory):
    """Has them all behind it; what it logs of them is each story's to look at."""
    refused = Application(None, read_scgi, {})
    refused.close()
    text = CONFIG.replace("{refused}", refused.place)
    for name in ("fastcgi", "tcp", "scgi"):
        text = text.replace(f"{{{name}}}", getattr(applications, name).place)
    with shared_daemon(tmp_path_factory.mktemp("hostile"), text) as daemon:
        daemon.expect("the application at ")
        yield daemon


@pytest.fixture
def complaints(daemon):
    before = daemon.errors
    return lambda: daemon.errors.removeprefix(before)


@pytest.mark.parametrize("place", ["fastcgi", "tcp", "scgi"])
@pytest.mark.parametrize("manner", ["whole", "slowly"])
def test_an_answer_in_any_pieces_is_whole(daemon, place, manner):
    answer = daemon.ask(f"/{place}/{manner}")
    assert (answer.raw, answer.complete) == (PAGE, True)


@pytest.mark.parametrize("place", ["fastcgi", "tcp"])
def test_whatever_is_cut_off_is_not_whole_but_the_last(daemon, place):
    for size in range(len(WHOLE) + 1):
        answer = daemon.ask(f"/{place}/cut/{size}")
        if size < len(out(PAGE)):  # a record counts when all of it is there
            assert (answer.raw, answer.complete) == (PROXY_FAILED, True), size
        else:
            assert (answer.raw, answer.complete) == (PAGE, size == len(WHOLE)), size


@pytest.mark.parametrize("place", ["tcp", "scgi"])
def test_a_reset_is_never_the_end_of_an_answer(daemon, place):
    for size in range(len(PAGE) + 1):
        answer = daemon.ask(f"/{place}/reset/{size}")
        assert answer.raw == PROXY_FAILED or (PAGE.startswith(answer.raw) and not answer.complete), size


def test_an_answer_by_scgi_is_whole_from_its_header_on(daemon):
    header = len(b"20 text/gemini\r\n")
    for size in range(len(PAGE) + 1):
        answer = daemon.ask(f"/scgi/cut/{size}")
        assert (answer.raw, answer.complete) == (PAGE[:size] if size >= header else PROXY_FAILED, True), size


def test_a_header_of_http_is_cut_off_too(daemon):
    header = len(b"Content-Type: text/plain\r\n\r\n")
    whole = out(WEB_PAGE) + END
    for size in range(len(whole) + 1):
        answer = daemon.ask(f"/web/webcut/{size}")
        found = answer.raw, answer.complete
        if size < len(out(WEB_PAGE)):
            assert found == (PROXY_FAILED, True), size
        else:
            assert found == (b"20 text/plain\r\nHi\n", size == len(whole)), size
    for size in range(len(WEB_PAGE) + 1):
        answer = daemon.ask(f"/webscgi/webcut/{size}")
        body = WEB_PAGE[header:size]
        expected = b"20 text/plain\r\n" + body if size >= header else PROXY_FAILED
        assert (answer.raw, answer.complete) == (expected, True), size


@pytest.mark.parametrize("name", ["stays", "padding", "after", "status", "management", "lines"])
def test_what_is_allowed_is_an_answer(daemon, name):
    answer = daemon.ask(f"/fastcgi/{name}")
    assert (answer.raw, answer.complete) == (PAGE, True)


FAULTS = {
    "/fastcgi/version2": "does not speak FastCGI: a record has version 2",
    "/fastcgi/id2": "does not speak FastCGI: a record has the request id 2",
    "/fastcgi/type11": "does not speak FastCGI: a record has the unknown type 11",
    "/fastcgi/nothing": "said nothing",
    "/fastcgi/failed": "said nothing and ended with 2",
    "/fastcgi/multiplex": "takes no other request",
    "/fastcgi/overloaded": "is overloaded",
    "/fastcgi/role": "is no responder",
    "/fastcgi/unknown": "unknown protocol status 9",
    "/fastcgi/late": "is overloaded",
    "/fastcgi/long": "has to begin with a line such as '20 text/gemini'",
    "/fastcgi/web": "which is a header of HTTP: that is the dialect 'http'",
    "/fastcgi/http": "does not speak FastCGI: a record has version 72",
    "/hasty/silent": "did not answer within 1.5 s",
    "/hasty/half": "did not answer within 1.5 s",
    "/hasty/flood": "did not answer within 1.5 s",
    "/web/long": "more than 8192 bytes",
    "/web/whole": "which is a header of Gemini",
    "/scgi/long": "has to begin with a line such as '20 text/gemini'",
    "/scgi/web": "which is a header of HTTP",
    "/hastyscgi/silent": "did not answer within 1.5 s",
    "/webscgi/long": "more than 8192 bytes",
    "/nobody/": "can't be reached: No such file or directory",
    "/refused/": "can't be reached: Connection refused",
}


@pytest.mark.parametrize(("path", "reason"), FAULTS.items())
def test_nonsense_is_43_and_named(daemon, complaints, path, reason):
    answer = daemon.ask(path)
    assert (answer.raw, answer.complete) == (PROXY_FAILED, True)
    assert reason in complaints()
    assert daemon.ask("/").complete


BROKEN = {
    "/hasty/stalls": "sent nothing more within 1.5 s",
    "/hasty/bodyflood": "sent nothing more within 1.5 s",
    "/fastcgi/much": "sent more than 1000000 bytes (limits.cgi-output)",
    "/hastyscgi/stalls": "sent nothing more within 1.5 s",
    "/scgi/much": "sent more than 1000000 bytes (limits.cgi-output)",
}


@pytest.mark.parametrize(("path", "reason"), BROKEN.items())
def test_a_body_that_does_not_go_on_is_broken_off(daemon, complaints, path, reason):
    answer = daemon.ask(path)
    assert answer.raw.startswith(PAGE)
    assert not answer.complete
    assert wait_for(lambda: reason in complaints(), reason)


def test_a_header_without_a_body_stands_whatever_follows(daemon):
    for name in ("unsent", "unsentcut", "unsentstalls"):
        answer = daemon.ask(f"/fastcgi/{name}")
        assert (answer.raw, answer.complete) == (b"51 Not here\r\n", True), name


def test_a_flood_of_complaints_holds_up_nobody(daemon):
    """Nor do some, in all workers."""
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(daemon.tls()) for _ in range(6)]
        for client in slow:
            client.sendall(daemon.url("/hasty/flood").encode() + b"\r\n")
        answers = [daemon.ask("/") for _ in range(20)]
        assert all(answer.complete for answer in answers)
        assert [read_answer(client).raw for client in slow] == [PROXY_FAILED] * 6


def test_complaints_are_logged_so_that_they_do_no_harm(daemon, complaints):
    daemon.ask("/fastcgi/lines")
    assert wait_for(lambda: "says: t" in complaints(), "the second line")
    assert " says: one \\x1b[31m\n" in complaints()
    assert "\x1b" not in complaints()
    daemon.ask("/fastcgi/status")
    assert wait_for(lambda: "the status 3\n" in complaints(), "the status")


@pytest.mark.parametrize("path", ["/fastcgi/silent", "/fastcgi/stalls", "/scgi/silent", "/scgi/stalls"])
def test_an_application_learns_that_the_client_has_left(daemon, applications, path):
    applications.left.clear()
    with daemon.tls() as client:
        client.sendall(daemon.url(path).encode() + b"\r\n")
        wait_for(lambda: applications.is_asked(path), path)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert applications.left.wait(LONGEST)


def test_an_application_is_told_what_scripts_are(daemon, applications):
    daemon.ask("/fastcgi/whole/a%20b?x%20y")
    variables = applications.fastcgi.asked[-1]
    assert variables[b"PATH_INFO"] == b"/whole/a b"
    assert variables[b"QUERY_STRING"] == b"x%20y"
    assert variables[b"SCRIPT_NAME"] == b"/fastcgi"
    assert variables[b"SERVER_PROTOCOL"] == b"GEMINI"
    assert b"HOME" not in variables
    daemon.ask("/web/whole")
    variables = applications.fastcgi.asked[-1]
    assert variables[b"SERVER_PROTOCOL"] == b"HTTP/1.1"
    assert variables[b"REQUEST_METHOD"] == b"GET"


def test_an_application_is_told_of_a_file_below_a_root_alone(daemon, applications):
    """There are some that run whatever file they are told of."""
    assert daemon.ask("/files/a/b%20c/d?x").complete
    told = applications.fastcgi.asked[-1]
    root = str(daemon.folder / "capsule").encode()
    assert told[b"SCRIPT_FILENAME"] == root + b"/a/b c"
    assert (told[b"DOCUMENT_ROOT"], told[b"SCRIPT_NAME"], told[b"KIND"]) == (root, b"/files/a/b c", b"test")
    assert daemon.ask("/usr/bin/id", host="bare.example", name="bare.example").text == "Hi\n"
    told = applications.fastcgi.asked[-1]
    assert told[b"SCRIPT_NAME"] == b"/usr/bin/id"
    assert not {b"SCRIPT_FILENAME", b"DOCUMENT_ROOT", b"PATH_TRANSLATED"} & told.keys()


def test_names_that_no_script_has_are_told_to_nobody(daemon, applications):
    before = len(applications.fastcgi.asked)
    for path in ("/files/.git/hooks", "/files/a%2fb", "/files%2fa", "/files/%E2%80%AE", "/files/a/.x"):
        assert daemon.ask(path).status == 51, path
    for path in ("/files/%2e%2e%2fetc", "/files/a%00b"):
        assert daemon.ask(path).status == 59, path
    assert len(applications.fastcgi.asked) == before
