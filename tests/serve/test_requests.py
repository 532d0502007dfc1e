"""Requests as the wire brings them."""

import contextlib
import socket
import ssl
import time

import pytest

from tests.support.tls_client import make_context

from .conftest import read_answer, wait_for
from .sharing import shared_daemon

REFUSED = {
    "userinfo": ("gemini://user@localhost:{port}/", 59),
    "fragment": ("gemini://localhost:{port}/#top", 59),
    "no scheme": ("//localhost:{port}/", 59),
    "relative": ("/", 59),
    "empty": ("", 59),
    "no host": ("gemini:///", 59),
    "blank": ("gemini://localhost:{port}/a b", 59),
    "tab": ("gemini://localhost:{port}/a\tb", 59),
    "a CR inside": ("gemini://localhost:{port}/a\rb", 59),
    "above the root": ("gemini://localhost:{port}/../x", 59),
    "foreign scheme": ("https://localhost:{port}/", 53),
    "titan": ("titan://localhost:{port}/x;size=3;mime=text/plain", 53),
    "foreign host": ("gemini://example.org/", 53),
    "foreign port": ("gemini://localhost:1/", 53),
    "bad port": ("gemini://localhost:1_965/", 59),
}


@pytest.mark.parametrize(("url", "status"), REFUSED.values(), ids=REFUSED)
def test_refusals_end_with_close_notify(shared, url, status):
    answer = shared.send(url.format(port=shared.port).encode() + b"\r\n")
    assert (answer.status, answer.complete, answer.body) == (status, True, b"")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One daemon for the tests that only ask."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "capsule").mkdir()
    (folder / "capsule" / "large.bin").write_bytes(bytes(300_000))
    with shared_daemon(folder, '[[host]]\nname = "localhost"\nroot = "{root}"\n') as daemon:
        yield daemon


def test_invalid_utf8(shared):
    assert shared.send(b"gemini://localhost/\xff\r\n").status == 59


def test_1024_bytes_are_legal_and_1025_are_not(shared):
    start = shared.url("/").encode()
    assert shared.send(start.ljust(1024, b"a") + b"\r\n").status == 51
    assert shared.send(start.ljust(1025, b"a") + b"\r\n").status == 59


def test_a_host_in_capitals_with_a_trailing_dot(shared):
    assert shared.send(f"GEMINI://LocalHost.:{shared.port}/\r\n".encode()).status == 20


def test_no_server_name_is_accepted(shared):
    assert shared.ask("/", name=None).status == 20


def test_an_ip_literal_that_is_the_address_it_came_in_on(shared):
    assert shared.ask("/", host="127.0.0.1", name=None).status == 20
    assert shared.ask("/", host="127.0.0.2", name=None).status == 53


def test_the_server_name_and_the_url_have_to_agree(shared):
    assert shared.ask("/", host="localhost", name="elsewhere.example").status == 53
    assert shared.ask("/", host="127.0.0.1", name="localhost").status == 20  # the address is the same host's


def test_one_byte_at_a_time(shared):
    with shared.tls() as tls:
        for byte in shared.url("/").encode() + b"\r\n":
            tls.sendall(bytes([byte]))
        assert read_answer(tls).status == 20


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\n\r"])
def test_nothing_but_crlf_ends_a_request(shared, end):
    with shared.tls() as tls:
        tls.sendall(shared.url("/").encode() + end)
        if end == b"\r":
            tls.settimeout(0.3)
            with pytest.raises(TimeoutError):
                tls.recv(1)
        else:  # what a person types into a client of TLS alone: said at once, and not after ten seconds
            answer = read_answer(tls)
            assert (answer.status, answer.meta) == (59, "The request line ends with CR and LF, and here is LF alone")


@pytest.mark.parametrize("path", ["/", "/large.bin", "/none"])
def test_bytes_after_the_crlf_truncate_no_answer(shared, path):
    with shared.tls() as tls:
        tls.sendall(shared.url(path).encode() + b"\r\n" + bytes(60_000))
        time.sleep(0.1)
        answer = read_answer(tls)
    assert answer.complete
    assert len(answer.body) == {"/": 12, "/large.bin": 300_000, "/none": 0}[path]


def test_two_requests_in_one_record_get_one_answer(shared):
    request = shared.url("/").encode() + b"\r\n"
    assert shared.send(request + request).raw.count(b"20 text/gemini") == 1


@pytest.mark.parametrize(
    "text", [b"gemini://localhost/\r\n", b"GET / HTTP/1.0\r\n\r\n", b"\0" * 100, b"\x80\x2e\x01\x00\x02" + b"\0" * 50]
)
def test_plain_text_gets_no_answer(shared, text):
    """An alert of TLS at most (RFC 8446, 6), which OpenSSL sends for some of it until 4.0."""
    with shared.connect() as sock:
        sock.sendall(text)
        with contextlib.suppress(ConnectionResetError):
            answer = sock.recv(100)
            assert answer == b"" or (answer.startswith(b"\x15\x03") and len(answer) == 7)
            assert sock.recv(100) == b""


def test_a_client_that_leaves_before_it_is_accepted(shared):
    for _ in range(200):
        sock = shared.connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    assert shared.ask("/").status == 20


def test_a_half_closed_client_still_gets_its_page(shared):
    with shared.connect() as sock:
        context = make_context()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
        tls.write(shared.url("/").encode() + b"\r\n")
        sock.sendall(outgoing.read())
        sock.shutdown(socket.SHUT_WR)
        while data := sock.recv(65536):
            incoming.write(data)
        assert tls.read(1000).startswith(b"20 text/gemini")


def test_failed_handshakes_and_timeouts_are_logged_at_info(configure):
    daemon = configure('[timeouts]\nrequest = 0.3\n[[host]]\nname = "localhost"\nroot = "{root}"\n')
    with daemon.connect() as sock:
        sock.sendall(b"hello")
        sock.recv(1)
    with daemon.tls() as tls:
        assert read_answer(tls).raw == b""
    wait_for(lambda: "info: 127.0.0.1: handshake failed" in daemon.errors, "the failed handshake in the log")
    wait_for(lambda: "info: 127.0.0.1: request timed out" in daemon.errors, "the time-out in the log")
