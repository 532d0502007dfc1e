"""Clients that stall: none of them may hold the service, and each is gone after its deadline."""

import socket
import ssl
import threading
import time
from contextlib import ExitStack, suppress

import pytest

from tests.support.tls_client import make_context

from .succession import descriptors, wait_for_descriptors

CONFIG = """
workers = 2
control = "{tmp}/control.sock"
[timeouts]
request = 1.5
response = 1.5
[limits]
connections = 500
[[host]]
name = "localhost"
root = "{root}"
"""


def bare_tcp(daemon):
    return daemon.connect()


def half_a_client_hello(daemon):
    sock = daemon.connect()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = make_context()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    sock.sendall(outgoing.read()[:100])
    return sock


def no_crlf(daemon):
    tls = daemon.tls()
    tls.sendall(daemon.url().encode())
    return tls


def one_byte_a_moment(daemon):
    tls = daemon.tls()

    def drip():
        with suppress(OSError):
            while True:
                tls.sendall(b"g")
                time.sleep(0.1)

    threading.Thread(target=drip, daemon=True).start()
    return tls


def never_reads(daemon):
    with daemon.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        copy = sock.dup()
    context = make_context()
    tls = context.wrap_socket(copy, server_hostname="localhost")
    tls.sendall(daemon.url("/large.bin").encode() + b"\r\n")
    return tls


def never_answers_close_notify(daemon):
    tls = daemon.tls()
    tls.sendall(daemon.url().encode() + b"\r\n")
    tls.recv(10)
    return tls


STALLS = [bare_tcp, half_a_client_hello, no_crlf, one_byte_a_moment, never_reads, never_answers_close_notify]


@pytest.mark.parametrize("stall", STALLS, ids=lambda stall: stall.__name__)
def test_twenty_that_stall_delay_nobody_and_are_gone_in_time(configure, capsule, tmp_path, stall):
    (capsule / "large.bin").write_bytes(bytes(8 << 20))
    daemon = configure(CONFIG)
    control = tmp_path / "control.sock"
    before = sum(descriptors(control).values())
    with ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(stall(daemon))
        for _ in range(5):
            assert daemon.ask("/").seconds < 1.0
        wait_for_descriptors(control, lambda now: sum(now.values()) <= before + 4, "the stalled to be gone", 8)
    assert daemon.ask("/").status == 20


def test_in_a_full_lobby_the_oldest_leaves(configure):
    daemon = configure(CONFIG.replace("connections = 500", "connections = 16").replace("request = 1.5", "request = 60"))
    with ExitStack() as clients:
        for _ in range(100):
            clients.enter_context(no_crlf(daemon))
        assert daemon.ask("/").status == 20
        assert "left because the lobby was full" in daemon.errors


def test_a_full_side_room_says_41(configure, capsule):
    (capsule / "large.bin").write_bytes(bytes(8 << 20))
    daemon = configure(CONFIG.replace("connections = 500", "threads = 1").replace("response = 1.5", "response = 5"))
    with ExitStack() as clients:
        for _ in range(6):
            clients.enter_context(never_reads(daemon))
        answers = [daemon.ask("/large.bin") for _ in range(4)]
        assert {answer.status for answer in answers} == {41}
        assert all(answer.complete for answer in answers)
        assert daemon.ask("/").status == 20


def test_one_client_may_not_fill_the_side_room(configure, capsule):
    (capsule / "large.bin").write_bytes(bytes(8 << 20))
    daemon = configure(CONFIG.replace("connections = 500", "threads = 4").replace("response = 1.5", "response = 5"))
    with ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(never_reads(daemon))
        assert daemon.ask("/large.bin").status == 41
        with socket.socket() as other:
            other.bind(("127.0.0.9", 0))
            other.connect(("127.0.0.1", daemon.port))
            context = make_context()
            with context.wrap_socket(other.dup(), server_hostname="localhost") as tls:
                tls.sendall(daemon.url("/large.bin").encode() + b"\r\n")
                assert tls.recv(100).startswith(b"20 ")


def test_those_that_do_not_take_their_page_are_bounded(configure, capsule, tmp_path):
    (capsule / "page.bin").write_bytes(bytes(60_000))
    daemon = configure(
        CONFIG.replace("connections = 500", "connections = 20").replace("response = 1.5", "response = 60")
    )
    control = tmp_path / "control.sock"
    before = sum(descriptors(control).values())
    with ExitStack() as clients:
        for _ in range(150):
            sock = clients.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
            sock.connect(("127.0.0.1", daemon.port))
            context = make_context()
            tls = clients.enter_context(context.wrap_socket(sock, server_hostname="localhost"))
            tls.sendall(daemon.url("/page.bin").encode() + b"\r\n")
        assert daemon.ask("/").status == 20
        wait_for_descriptors(control, lambda now: sum(now.values()) <= before + 2 * 45, "the oldest to leave", 5)
