"""Fetching, from a server that does what it is told to, however wrong."""

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from .conftest import LONGEST

# What is fetched


def test_a_page(serve, fetch):
    server = serve()
    code, printed, said = fetch(server.url("/a?b"))
    assert (code, printed) == (0, b"# A page\n")
    assert "\n20 text/gemini\n" in said
    assert "9 bytes of body, ended with close_notify (TLSv1.3, TLS_" in said
    assert server.requests == [f"gemini://{server.place}/a?b\r\n".encode()]
    assert server.server_names == ["localhost"]


def test_the_scheme_may_be_left_out(serve, fetch):
    server = serve()
    assert fetch(server.place)[0] == 0
    assert server.requests == [f"gemini://{server.place}/\r\n".encode()]


def test_every_byte_of_a_large_body(serve, fetch):
    body = os.urandom(300_000)
    assert fetch(serve(b"20 application/octet-stream\r\n" + body).url())[:2] == (0, body)


def test_a_header_in_pieces(serve, fetch):
    def dribble(tls):
        for byte in b"20 text/plain\r\nab":
            tls.sendall(bytes([byte]))

    assert fetch(serve(dribble).url())[:2] == (0, b"ab")


def test_an_empty_body(serve, fetch):
    assert fetch(serve(b"20 text/plain\r\n").url())[:2] == (0, b"")


def test_the_header_alone(serve, fetch):
    code, printed, said = fetch("--head", serve().url())
    assert (code, printed) == (0, b"")
    assert said.endswith("20 text/gemini\n")


def test_tls_1_2(serve, fetch):
    assert "(TLSv1.2, ECDHE-" in fetch(serve(maximum_version=ssl.TLSVersion.TLSv1_2).url())[2]


def test_elsewhere_than_the_url_says(serve, fetch):
    server = serve(names=["example.org"])
    code, _, said = fetch("--connect", f"127.0.0.1:{server.port}", "gemini://example.org/")
    assert code == 0
    assert server.server_names == ["example.org"]
    assert server.requests == [b"gemini://example.org/\r\n"]
    assert "example.org:1965 is new here" in said


def test_with_a_client_certificate(serve, fetch, tmp_path):
    server = serve(verify_mode=ssl.CERT_OPTIONAL)
    certificate = server.authority.issue_cert("ada@example.org")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    assert fetch(server.url())[0] == 0
    assert fetch("--cert", tmp_path / "cert.pem", "--key", tmp_path / "key.pem", server.url())[0] == 0
    assert [bool(client) for client in server.clients] == [False, True]


# Other answers


ANSWERS = {
    "input": (b"10 Your name?\r\n", "it asks: Your name?", "to answer: gemctl fetch '{url}?your%20answer'"),
    "secret": (b"11 Word?\r\n", "to answer, and wants it to stay secret: gemctl fetch "),
    "moved": (b"30 ../b\r\n", "moved for a while to gemini://{place}/b\n"),
    "moved for good": (b"31 gemini://example.org/\r\n", "moved for good to gemini://example.org/\n"),
    "failure": (b"51 Not found\r\n", "51 Not found\n"),
    "without a text": (b"40\r\n", "40\n"),
    "certificate": (b"60 Who are you?\r\n", "it wants a client certificate: --cert FILE --key FILE"),
    "a body too many": (b"51 Not found\r\nhere", "warning: 4 bytes after a header that has no body"),
}


@pytest.mark.parametrize(("answer", "expected"), [(a[0], a[1:]) for a in ANSWERS.values()], ids=ANSWERS)
def test_a_response_that_is_no_success(serve, fetch, answer, expected):
    server = serve(answer)
    code, printed, said = fetch(server.url("/a/c"))
    assert (code, printed) == (1, b"")
    for text in expected:
        assert text.format(url=server.url("/a/c"), place=server.place) in said
    assert len(server.requests) == 1


def test_what_has_no_body_and_never_ends(serve, fetch):
    def flood(tls):
        tls.sendall(b"30 /\r\n")
        with contextlib.suppress(OSError):
            while True:
                tls.sendall(bytes(16384))

    def drip(tls):
        tls.sendall(b"51 Not found\r\n")
        with contextlib.suppress(OSError):
            while True:
                tls.sendall(b"x")
                time.sleep(0.05)

    for answer in (flood, drip):
        code, printed, said = fetch("--timeout", "0.5", serve(answer).url())
        assert (code, printed) == (1, b"")
        assert "bytes and more after a header that has no body; the rest was not waited for\n" in said


def test_nothing_in_a_header_moves_the_cursor(serve, fetch):
    said = fetch(serve("10 \x1b[2J\x9b1m\u202eab\tc\r\n".encode()).url())[2]
    assert "\n10 \\x1b[2J\\x9b1m\\u202eab\\x09c\n" in said
    assert "\x1b" not in said


NO_HEADERS = {
    "other protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "unknown class": b"70 What\r\n",
    "one digit": b"2 text/plain\r\n",
    "nothing": b"",
    "only a line feed": b"20 text/plain\nab",
    "too long": b"20 " + b"x" * 1025 + b"\r\n",
    "endless": b"20 " + b"x" * 100_000,
    "escape sequences": b"\x1b[2J\r\n",
}


@pytest.mark.parametrize("answer", NO_HEADERS.values(), ids=NO_HEADERS)
def test_what_is_no_header(serve, fetch, answer):
    code, printed, said = fetch(serve(answer).url())
    assert (code, printed) == (1, b"")
    assert "sent no Gemini header, but" in said
    assert "\x1b" not in said


# How it ends


@pytest.mark.parametrize("answer", [b"20 text/plain\r\nhalf a p", b"20 text/plain\r\n"])
def test_without_close_notify(serve, fetch, answer):
    code, printed, said = fetch(serve(answer, proper=False).url())
    assert (code, printed) == (1, answer.partition(b"\r\n")[2])
    assert f"the connection broke off after {len(printed)} bytes of the response, without close_notify" in said


def test_without_close_notify_in_the_header(serve, fetch):
    code, _, said = fetch(serve(b"20 te", proper=False).url())
    assert (code, "without close_notify" in said) == (1, True)


def test_without_close_notify_after_a_failure(serve, fetch):
    code, _, said = fetch(serve(b"51 Not found\r\n", proper=False).url())
    assert (code, "without close_notify" in said) == (1, True)


def test_nobody_there(fetch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        port = unused.getsockname()[1]
        code, _, said = fetch(f"gemini://127.0.0.1:{port}/")
    assert (code, said) == (1, f"gemctl: can't connect to 127.0.0.1:{port}: Connection refused\n")


def test_no_such_host(fetch):
    code, _, said = fetch("gemini://no-such-host.invalid/")
    assert code == 1
    assert said.startswith("gemctl: can't connect to no-such-host.invalid:1965: ")


def test_a_label_that_no_resolver_takes(fetch):
    code, _, said = fetch(f"gemini://{'x' * 64}.org/")
    assert (code, said.startswith("gemctl: can't connect to")) == (1, True)


def test_somebody_who_speaks_no_tls(fetch):
    listener = socket.create_server(("127.0.0.1", 0))

    def greet():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"220 smtp ready\r\n")
            connection.recv(4096)

    thread = threading.Thread(target=greet)
    thread.start()
    port = listener.getsockname()[1]
    code, _, said = fetch(f"gemini://127.0.0.1:{port}/")
    thread.join(LONGEST)
    listener.close()
    assert (code, said.startswith(f"gemctl: no TLS with 127.0.0.1:{port}: ")) == (1, True)


# The command line


@pytest.mark.parametrize("arguments", [["--key", "k", "h"], ["--connect", "x", "h"], ["https://h/"]])
def test_a_command_line_that_makes_no_sense(fetch, arguments):
    assert fetch(*arguments)[0] == 2


def test_a_client_certificate_that_can_not_be_used(fetch, tmp_path):
    code, _, said = fetch("--cert", tmp_path / "missing.pem", "h")
    assert (code, "missing.pem or its key can't be read: No such file" in said) == (1, True)
    (tmp_path / "bad.pem").write_text("nothing")
    code, _, said = fetch("--cert", tmp_path / "bad.pem", "h")
    assert (code, "bad.pem can't be used as a client certificate" in said) == (1, True)


@pytest.mark.parametrize("is_elsewhere", [True, False], ids=["body elsewhere", "body on the terminal"])
def test_a_bar_for_a_long_body_that_goes_elsewhere(serve, is_elsewhere):
    server = serve(b"20 text/plain\r\n" + b"x" * 300_000)
    leader, follower = os.openpty()
    shown = bytearray()

    def look():
        with contextlib.suppress(OSError):  # EIO is the end
            while chunk := os.read(leader, 65536):
                shown.extend(chunk)

    thread = threading.Thread(target=look)
    thread.start()
    command = [sys.executable, "-m", "gemd.gemctl", "fetch", server.url()]
    output = subprocess.DEVNULL if is_elsewhere else follower
    subprocess.run(command, stdout=output, stderr=follower, check=True, timeout=LONGEST)
    os.close(follower)
    thread.join(LONGEST)
    os.close(leader)
    assert (b"<=>" in shown) == is_elsewhere
    assert b"300000 bytes of body, ended with close_notify" in shown


def test_on_a_terminal_a_body_moves_no_cursor_either(serve, tmp_path):
    server = serve("20 text/gemini\r\n\x1b[2Jbücher\r\nover\rwritten\n\tend".encode())
    leader, follower = os.openpty()
    command = [sys.executable, "-m", "gemd.gemctl", "fetch", server.url()]
    subprocess.run(command, stdout=follower, stderr=subprocess.DEVNULL, check=True, timeout=LONGEST)
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # EIO is the end
        while chunk := os.read(leader, 4096):
            shown += chunk
    os.close(leader)
    assert shown.replace(b"\r\n", b"\n").decode() == "\\x1b[2Jbücher\nover\nwritten\n\tend"
