"""Clients that stall: none of them may hold the service, and each is gone after its deadline."""

import itertools
import socket
import ssl
import threading
import time
from contextlib import ExitStack, suppress

from tests.support.tls_client import make_context

from .conftest import read_answer
from .succession import descriptors, wait_for_descriptors, write_script

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


def test_those_that_stall_delay_nobody_and_are_gone_in_time(configure, capsule, tmp_path):
    """Twenty of each kind, one kind after the other."""
    (capsule / "large.bin").write_bytes(bytes(8 << 20))
    daemon = configure(CONFIG)
    control = tmp_path / "control.sock"
    before = sum(descriptors(control).values())
    with ExitStack() as clients:
        for stall in STALLS:
            for _ in range(20):
                clients.enter_context(stall(daemon))
            for _ in range(5):
                assert daemon.ask("/").seconds < 1.0
        wait_for_descriptors(control, lambda now: sum(now.values()) <= before + 4, "the stalled to be gone", 8)
    assert daemon.ask("/").status == 20


def test_when_too_many_requests_are_not_complete_the_oldest_is_dropped(configure):
    daemon = configure(CONFIG.replace("connections = 500", "connections = 16").replace("request = 1.5", "request = 60"))
    with ExitStack() as clients:
        for _ in range(100):
            clients.enter_context(no_crlf(daemon))
        assert daemon.ask("/").status == 20
        assert "closed because too many requests are not complete" in daemon.errors


def test_clients_that_read_nothing_cost_nobody_a_thread(configure, capsule):
    """Whoever they are, and whoever asks meanwhile: files, listings and scripts are there as fast as ever."""
    (capsule / "large.bin").write_bytes(bytes(8 << 20))
    (capsule / "folder").mkdir()
    write_script(capsule, "hello", "echo 20 text/plain; echo hello\n")
    text = CONFIG.replace("connections = 500", "connections = 500\nthreads = 2").replace(
        "response = 1.5", "response = 30"
    )
    daemon = configure(text + 'cgi = "cgi-bin"\n')
    with ExitStack() as clients:
        for _ in range(400):
            clients.enter_context(never_reads(daemon))
        paths = ("/large.bin", "/folder/", "/cgi-bin/hello")
        for address, path in itertools.product(("127.0.0.1", "127.0.0.9"), paths):
            with socket.socket() as sock:
                sock.bind((address, 0))
                sock.connect(("127.0.0.1", daemon.port))
                with make_context().wrap_socket(sock.dup(), server_hostname="localhost") as tls:
                    tls.sendall(daemon.url(path).encode() + b"\r\n")
                    answer = read_answer(tls)
            assert (answer.status, answer.complete) == (20, True)
            assert answer.seconds < 5


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
