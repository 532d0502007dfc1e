"""HTTP servers that break off, stall, flood, or talk nonsense.

Rule: whatever they do, a response that is not whole has no close_notify, the log says why, and others are served.
"""

import contextlib
import gzip
import socket
import struct
import threading

import pytest

from tests.support.hostile import Application, cut, read_http, reset, send, send_slowly
from tests.support.waiting import LONGEST, wait_for

from .conftest import read_answer
from .sharing import shared_daemon

CONFIG = """
workers = 2
[limits]
cgi-output = 300000
[[host]]
name = "localhost"
root = "{root}"
[[host.location]]
path = "/http"
proxy = { to = "http://{tcp}", strip = 1, timeout = 1.5 }
[[host.location]]
path = "/unix"
proxy = { to = "http+{unix}", strip = 1, timeout = 1.5 }
[[host.location]]
path = "/patient"
proxy = { to = "http://{tcp}", strip = 1, timeout = 60 }
[[host.location]]
path = "/refused"
proxy = { to = "http://{refused}" }
[[host.location]]
path = "/one-of-two"
proxy = { to = ["http://{refused}", "http://{tcp}"], strip = 1 }
"""
PROXY_FAILED = b"43 The server behind this one did not answer as it should\r\n"
HEADER = b"20 text/gemini\r\n"
PAGE = b"# Hi\n"

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/gemini\r\n"
GZIP = OK + b"Content-Encoding: gzip\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
WITH_LENGTH = OK + b"Content-Length: 5\r\n\r\n" + PAGE
IN_CHUNKS = OK + CHUNKED + b"2\r\n# \r\n3;x=y\r\nHi\n\r\n0\r\nX: y\r\n\r\n"
TO_THE_END = OK + b"\r\n" + PAGE
PACKED = gzip.compress(PAGE, mtime=0)
COMPRESSED = GZIP + b"Content-Length: %d\r\n\r\n" % len(PACKED) + PACKED
BOMB = gzip.compress(bytes(64 << 20))


def for_ever(first, data):
    """Send the same for as long as somebody takes it."""

    def answer(sock, *_):
        sock.sendall(first)
        while True:
            sock.sendall(data)

    return answer


class Servers:
    """The same one by TCP, and by a unix socket."""

    def __init__(self, folder):
        answers = {
            "length": send(WITH_LENGTH),
            "chunks": send(IN_CHUNKS),
            "end": send(TO_THE_END),
            "compressed": send(COMPRESSED),
            "lengthslowly": send_slowly(WITH_LENGTH),
            "chunksslowly": send_slowly(IN_CHUNKS),
            "endslowly": send_slowly(TO_THE_END),
            "compressedslowly": send_slowly(COMPRESSED),
            "lengthcut": cut(WITH_LENGTH),
            "chunkscut": cut(IN_CHUNKS),
            "compressedcut": cut(COMPRESSED),
            "endreset": reset(TO_THE_END),
            "stays": self.stay(WITH_LENGTH),
            "after": send(WITH_LENGTH + b"HTTP/1.1 302 Found\r\nLocation: gemini://evil.example/\r\n\r\n"),
            "interim": send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + WITH_LENGTH),
            "status": send(b"HTTP/1.1 OK\r\n\r\n"),
            "gemini": send(b"20 text/gemini\r\n# Hi\n"),
            "two": send(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + PAGE),
            "both": send(OK + b"Content-Length: 5\r\n" + CHUNKED + b"0\r\n\r\n" + PAGE),
            "te": send(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            "split": send(b"HTTP/1.1 200 OK\r\nContent-Type: text/gemini\rX: y\r\n\r\n" + PAGE),
            "escape": send(b"HTTP/1.1 200 OK\r\nContent-Type: text/\x1b[31m\r\n\r\n" + PAGE),
            "blanks": send(b"HTTP/1.1 200 OK\r\nX:" + b" " * 40_000 + b"\0\r\n\r\n"),
            "fieldblanks": send(OK + CHUNKED + b"0\r\nX:" + b" " * 40_000 + b"\0\r\n\r\n"),
            "brotli": send(OK + b"Content-Encoding: br\r\n\r\n" + PAGE),
            "upgrade": send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
            "error": send(b"HTTP/1.1 500 \x1b[31mOops\r\n\r\n"),
            "header": for_ever(OK, b"X: y\r\n"),
            "field": for_ever(OK + b"X: ", b"y" * 1000),
            "hints": for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            "silent": self.stay(b""),
            "half": self.stay(OK),
            "nothing": send(b""),
            "stalls": self.stay(OK + b"Content-Length: 6\r\n\r\n" + PAGE),
            "packednothing": for_ever(GZIP + b"\r\n" + PACKED[:10], b"\x00\x00\x00\xff\xff" * 1000),
            "much": for_ever(OK + b"\r\n", b"x" * 60_000),
            "bomb": send(GZIP + b"Content-Length: %d\r\n\r\n" % len(BOMB) + BOMB),
            "small": for_ever(OK + CHUNKED, b"1\r\nx\r\n" * 10_000),
            "extension": for_ever(OK + CHUNKED, b"1;" + b"x" * 70_000),
            "trailer": for_ever(OK + CHUNKED + b"0\r\n", b"X: y\r\n" * 10_000),
            "badchunk": send(OK + CHUNKED + b"2\r\n# \r\nxyz\r\n"),
            "badgzip": send(GZIP + b"Content-Length: 20\r\n\r\n" + PACKED[:10] + b"\xff" * 10),
            "missing": self.stay(b"HTTP/1.1 404 Not Found\r\nContent-Length: 10000000\r\n\r\n"),
            "later": send(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\n\r\n"),
            "moved": send(b"HTTP/1.1 301 Moved\r\nLocation: /new?x\r\nContent-Length: 0\r\n\r\n"),
        }
        self.tcp = Application(None, read_http, answers)
        self.unix = Application(folder / "http.sock", read_http, answers)
        self.left = threading.Event()

    def stay(self, data):
        """Answer so much, and leave the connection to gemd."""

        def answer(sock, *_):
            sock.sendall(data)
            while sock.recv(65536):
                pass
            self.left.set()

        return answer

    def close(self):
        self.tcp.close()
        self.unix.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    made = Servers(tmp_path_factory.mktemp("servers"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def daemon(servers, tmp_path_factory):
    """Has them all behind it; what it logs of them is each story's to look at."""
    refused = Application(None, read_http, {})
    refused.close()
    text = CONFIG.replace("{refused}", refused.place)
    text = text.replace("{tcp}", servers.tcp.place).replace("{unix}", servers.unix.place)
    with shared_daemon(tmp_path_factory.mktemp("hostile"), text) as daemon:
        daemon.expect("the proxy at ")
        yield daemon


@pytest.fixture
def complaints(daemon):
    before = daemon.errors
    return lambda: daemon.errors.removeprefix(before)


@pytest.mark.parametrize("place", ["http", "unix"])
@pytest.mark.parametrize("slowly", ["", "slowly"])
@pytest.mark.parametrize("manner", ["length", "chunks", "end", "compressed"])
def test_an_answer_in_any_pieces_is_whole(daemon, place, manner, slowly):
    answer = daemon.ask(f"/{place}/{manner}{slowly}")
    assert (answer.raw, answer.complete) == (HEADER + PAGE, True)


@pytest.mark.parametrize("name", ["stays", "after", "interim"])
def test_what_is_allowed_is_an_answer(daemon, name):
    answer = daemon.ask(f"/http/{name}")
    assert (answer.raw, answer.complete) == (HEADER + PAGE, True)


@pytest.mark.parametrize(
    ("manner", "whole"), [("length", WITH_LENGTH), ("chunks", IN_CHUNKS), ("compressed", COMPRESSED)]
)
def test_whatever_is_cut_off_is_not_whole_but_the_last(daemon, manner, whole):
    header = whole.index(b"\r\n\r\n") + 4
    for size in range(len(whole) + 1):
        answer = daemon.ask(f"/unix/{manner}cut/{size}")
        if size < header:
            assert (answer.raw, answer.complete) == (PROXY_FAILED, True), size
        elif size < len(whole):
            is_told = answer.raw == PROXY_FAILED  # if nothing of the body was there by then
            assert is_told or (HEADER + PAGE).startswith(answer.raw), size
            assert answer.complete == is_told, size
        else:
            assert (answer.raw, answer.complete) == (HEADER + PAGE, True)


def test_a_reset_is_never_the_end_of_an_answer(daemon):
    for size in range(len(TO_THE_END) + 1):
        answer = daemon.ask(f"/http/endreset/{size}")
        assert answer.raw == PROXY_FAILED or ((HEADER + PAGE).startswith(answer.raw) and not answer.complete), size


FAULTS = {
    "/http/status": "illegal status line",
    "/http/gemini": "closed before its header ended: b'20 text/gemini",
    "/http/two": "conflicting Content-Length",
    "/http/both": "says in two ways how long its answer is",
    "/http/te": "Only Transfer-Encoding: chunked",
    "/http/split": "illegal header line",
    "/http/escape": "a Content-Type that is no media type",
    "/http/brotli": "a Content-Encoding that is neither gzip nor deflate",
    "/http/upgrade": "does not speak HTTP as it should",
    "/http/error": "answered with 500",
    "/http/header": "sent a header of more than 16384 bytes",
    "/http/field": "sent a header of more than 16384 bytes",
    "/http/blanks": "sent a header ",
    "/http/hints": "sent more than 16 interim answers",
    "/http/silent": "did not answer within 1.5 s",
    "/http/half": "did not answer within 1.5 s",
    "/http/nothing": "closed before its header ended",
    "/refused/": "can't be reached: Connection refused",
}


@pytest.mark.parametrize(("path", "reason"), FAULTS.items())
def test_nonsense_is_43_and_named(daemon, complaints, path, reason):
    answer = daemon.ask(path)
    assert (answer.raw, answer.complete) == (PROXY_FAILED, True)
    assert reason in complaints()
    assert "\x1b" not in complaints()
    assert daemon.ask("/").complete


BROKEN = {
    "/http/stalls": "sent nothing more within 1.5 s",
    "/http/packednothing": "sent nothing more within 1.5 s",
    "/http/much": "sent more than 300000 bytes (limits.cgi-output)",
    "/http/bomb": "sent more than 300000 bytes (limits.cgi-output)",
    "/http/small": "sent more than 300000 bytes (limits.cgi-output)",
}


@pytest.mark.parametrize(("path", "reason"), BROKEN.items())
def test_a_body_that_does_not_go_on_is_broken_off(daemon, complaints, path, reason):
    answer = daemon.ask(path)
    assert answer.raw.startswith(HEADER)
    assert len(answer.raw) <= 300_000 + len(HEADER)
    assert not answer.complete
    assert wait_for(lambda: reason in complaints(), reason)


LATE = {
    "/http/extension": "sent a chunk that has no size",
    "/http/trailer": "sent more than 16384 bytes of fields behind its body",
    "/http/fieldblanks": "sent more than 16384 bytes of fields behind its body",
    "/http/badchunk": "sent a chunk that has no size",
    "/http/badgzip": "can't be unpacked",
}


@pytest.mark.parametrize(("path", "reason"), LATE.items())
def test_a_fault_behind_the_header_is_43_or_breaks_off(daemon, complaints, path, reason):
    """As it comes together with the header, or after it."""
    answer = daemon.ask(path)
    assert answer.raw == PROXY_FAILED or not answer.complete
    assert wait_for(lambda: reason in complaints(), reason)


@pytest.mark.parametrize(
    ("path", "header"),
    [("/http/missing", "51 Not Found"), ("/http/later", "44 7"), ("/http/moved", "31 /http/new?x")],
)
def test_an_answer_without_a_body(daemon, path, header):
    answer = daemon.ask(path)
    assert (answer.raw, answer.complete) == (f"{header}\r\n".encode(), True)


def test_floods_in_all_workers_hold_up_nobody(daemon):
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(daemon.tls()) for _ in range(6)]
        for client, name in zip(slow, ("small", "bomb", "packednothing") * 2, strict=True):
            client.sendall(daemon.url(f"/http/{name}").encode() + b"\r\n")
        assert all(daemon.ask("/").complete for _ in range(20))
        assert not any(read_answer(client).complete for client in slow)


@pytest.mark.parametrize("name", ["silent", "stalls"])
def test_a_server_learns_that_the_client_has_left(daemon, servers, name):
    servers.left.clear()
    with daemon.tls() as client:
        before = len(servers.tcp.asked)
        client.sendall(daemon.url(f"/patient/{name}").encode() + b"\r\n")
        wait_for(lambda: len(servers.tcp.asked) > before, name)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert servers.left.wait(LONGEST)


def test_one_that_is_dead_is_no_loss(daemon):
    for _ in range(6):
        answer = daemon.ask("/one-of-two/length")
        assert (answer.raw, answer.complete) == (HEADER + PAGE, True)


def test_nothing_of_a_client_is_a_field_of_its_own(daemon, servers):
    url = f"gemini://localhost:{daemon.port}/http/length?a%0D%0AX-Forwarded-For:%20203.0.113.9"
    assert daemon.send(url.encode() + b"\r\n").complete
    asked = servers.tcp.asked[-1]
    assert set(asked) == {
        *(b"Host", b"User-Agent", b"Accept", b"Accept-Encoding", b"Connection", b"Forwarded", b"X-Forwarded-For"),
        b"PATH_INFO",
    }
    assert asked[b"Host"] == b"localhost"
    assert asked[b"X-Forwarded-For"] == b"127.0.0.1"
    assert asked[b"Forwarded"] == b'for="127.0.0.1";host="localhost:%d";proto=gemini' % daemon.port
