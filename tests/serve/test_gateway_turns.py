"""How many may ask an application behind FastCGI at once, and what becomes of answers when their worker ends."""

import threading

import pytest

from gemd.protocol.fastcgi import RecordType, encode_end, encode_record
from tests.support.hostile import Application, read_fastcgi, send
from tests.support.waiting import wait_for

from .conftest import read_answer

PAGE = encode_record(RecordType.STDOUT, b"20 text/plain\r\nHi")
CONFIG = """
workers = 1
[timeouts]
stop = 3.0
[[host]]
name = "localhost"
root = "{root}"
[[host.location]]
path = "/app"
fastcgi = { to = "unix:{tmp}/app.sock", connections = 4 }
"""


@pytest.fixture
def application(tmp_path):
    may_end = threading.Event()

    def begin(sock):
        sock.sendall(PAGE)
        may_end.wait(10)

    def wait(sock):
        may_end.wait(10)
        sock.sendall(PAGE + encode_end())

    answers = {"begin": begin, "wait": wait, "page": send(PAGE + encode_end())}
    made = Application(tmp_path / "app.sock", read_fastcgi, answers)
    made.may_end = may_end
    yield made
    may_end.set()
    made.close()


def test_a_worker_that_ends_breaks_answers_off_and_says_so(configure, application):
    daemon = configure(CONFIG)
    with daemon.tls() as client:
        client.sendall(daemon.url("/app/begin").encode() + b"\r\n")
        assert client.recv(100) == b"20 text/plain\r\nHi"
        assert daemon.stop() == 0
        answer = read_answer(client)
    assert (answer.raw, answer.complete) == (b"", False)
    assert any("/app/begin" in line for line in daemon.access)


def test_one_client_never_has_all_connections(configure, application):
    """Of four it may have one, so that others find some; and it is told so at once."""
    daemon = configure(CONFIG)
    with daemon.tls() as client:
        client.sendall(daemon.url("/app/wait").encode() + b"\r\n")
        wait_for(lambda: application.asked, "the first")
        answer = daemon.ask("/app/page")
        assert (answer.status, answer.complete) == (41, True)
        application.may_end.set()
        assert read_answer(client).raw == b"20 text/plain\r\nHi"
    assert daemon.ask("/app/page").raw == b"20 text/plain\r\nHi"
