"""One call in the application's process, with threads that do at once what they are told."""

import math
import os
import socket

import pytest

from gemd.app_host.exchange import _MAX_UNSENT, Exchange
from gemd.protocol.fastcgi import AnswerReader, End, ProtocolStatus, encode_request
from gemd.responders.app.call import Call

REQUEST = encode_request({b"GEMINI_URL": b"gemini://h/", b"gemd.client": b"192.0.2.7"})
DONE = End(0, 0)


class Loop:
    """Notes what it is asked for."""

    def __init__(self):
        self.woken, self.blocked, self.forgotten = 0, None, 0

    def wake(self, exchange):
        self.woken += 1

    def begin_soon(self, exchange):
        exchange.begin()

    def await_room(self, exchange, *, is_blocked):
        self.blocked = is_blocked

    def forget(self, exchange):
        self.forgotten += 1


class Threads:
    """Run a call when they are asked to, here."""

    name, last_moment, is_blocked = "m:app", None, False

    def __init__(self, app):
        self.pid = os.getpid()
        self.is_full = False
        self.cancelled = 0
        self.calls = []
        self._app = app

    def has_place(self, client):
        return not self.is_full

    def is_awaited(self):
        return False

    def make_call(self, url, environ):
        self.calls.append(Call(self, self._app, url, environ, 60.0))
        return self.calls[-1]

    def begin(self, call):
        """Wanted, and done by `run`."""

    def wait(self, awaitable, then):
        return self.cancel

    def cancel(self):
        self.cancelled += 1

    def run(self):
        (call,) = self.calls
        if call.run():
            call.finish(None)


@pytest.fixture
def make():
    """An exchange whose application is this generator's body; its loop, its threads, and the worker's end."""
    sockets = []

    def make(*pieces, app=None, body=None):
        def plain(environ, send_status):
            send_status(20, "text/plain")
            yield from pieces

        ours, worker = socket.socketpair()
        sockets.extend((ours, worker))
        for sock in (ours, worker):
            sock.setblocking(False)
        loop, threads = Loop(), Threads(app or plain)
        return Exchange(loop, ours, threads, body), loop, threads, worker

    yield make
    for sock in sockets:
        sock.close()


def read(worker):
    """What has come by now: text, and how it ended."""
    reader, text = AnswerReader(), b""
    try:
        while data := worker.recv(65536):
            text += reader.feed(data)
    except BlockingIOError:
        pass
    return text, reader.end


def test_an_answer_is_sent_as_it_comes_and_closed_at_its_end(make):
    exchange, loop, threads, worker = make(b"one", b"two")
    worker.send(REQUEST[:20])
    exchange.hear()
    assert (threads.calls, exchange.deadline) == ([], math.inf)
    worker.send(REQUEST[20:])
    exchange.hear()
    assert (exchange.client, loop.blocked, exchange.deadline) == ("192.0.2.7", False, threads.calls[0].deadline)
    assert read(worker) == (b"", None)
    threads.run()
    assert loop.woken >= 1
    exchange.look()
    assert read(worker) == (b"20 text/plain\r\nonetwo", DONE)
    assert (loop.forgotten, exchange.socket.fileno()) == (1, -1)
    exchange.look()
    exchange.close()
    assert loop.forgotten == 1


def test_a_worker_that_takes_no_more_is_waited_for(make):
    exchange, loop, threads, worker = make(*[b"x" * 65536] * 64)
    worker.send(REQUEST)
    exchange.hear()
    for _ in range(64):
        threads.run()
        exchange.look()
        assert len(exchange._unsent) < 3 * _MAX_UNSENT
        if loop.blocked:
            break
    assert loop.blocked
    reader, text = AnswerReader(), b""
    while reader.end is None:
        text += reader.feed(worker.recv(1 << 20))
        threads.run()
        exchange.look()
    assert (len(text), reader.end, loop.forgotten) == (len("20 text/plain\r\n") + 64 * 65536, DONE, 1)


def test_a_worker_that_hangs_up_wants_no_more(make):
    exchange, loop, threads, worker = make(b"one")
    worker.send(REQUEST)
    exchange.hear()
    worker.close()
    exchange.hear()
    assert loop.forgotten == 1
    assert threads.calls[0].run()  # which leaves it at that
    assert not threads.calls[0]._output


def test_one_that_has_no_place_is_told_so(make):
    exchange, loop, threads, worker = make()
    threads.is_full = True
    worker.send(REQUEST)
    exchange.hear()
    assert read(worker) == (b"", End(0, ProtocolStatus.OVERLOADED))
    assert (loop.forgotten, threads.calls) == (1, [])


@pytest.mark.parametrize("request_", [b"HTTP/1.1 200 OK\r\n", encode_request({b"SERVER_PORT": b"none"})])
def test_what_is_no_request_is_a_failure(make, request_, caplog):
    exchange, loop, _, worker = make()
    worker.send(request_)
    exchange.hear()
    assert read(worker) == (b"", End(1, 0))
    assert loop.forgotten == 1
    assert "a request can't be understood" in caplog.messages[0]


@pytest.mark.parametrize("has_begun", [True, False])
def test_one_that_is_late_is_refused(make, has_begun):
    exchange, _, threads, worker = make()
    worker.send(REQUEST)
    exchange.hear()
    threads.calls[0]._has_begun, threads.is_blocked = has_begun, True
    threads.calls[0].deadline = 0.0
    exchange.look()
    if has_begun:
        assert read(worker) == (b"42 The application took too long\r\n", DONE)
    else:  # which the worker says, in the words of the location, and counts
        assert read(worker) == (b"", End(0, ProtocolStatus.OVERLOADED))


def test_a_body_that_is_late_is_broken_off(make, caplog):
    class Promise:
        def __await__(self):
            yield

    exchange, _, threads, worker = make(b"half", Promise())
    worker.send(REQUEST)
    exchange.hear()
    threads.run()
    exchange.look()
    assert read(worker) == (b"20 text/plain\r\nhalf", None)
    threads.calls[0].deadline = 0.0
    exchange.look()
    assert read(worker) == (b"", End(1, 0))
    assert "took too long (timeouts.app)" in caplog.messages[0]
    assert threads.cancelled == 1


UPLOAD = encode_request({b"GEMINI_URL": b"titan://h/", b"CONTENT_LENGTH": b"5"})


def read_upload(environ, send_status):
    send_status(20, "text/plain")
    yield environ["titan.body"].read()


@pytest.fixture
def body(tmp_path):
    (tmp_path / "body").write_bytes(b"hello")
    return os.open(tmp_path / "body", os.O_RDONLY)


def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_an_upload_is_read_by_the_application_and_closed_with_the_call(make, body):
    exchange, _, threads, worker = make(app=read_upload, body=body)
    worker.send(UPLOAD)
    exchange.hear()
    assert is_open(body)
    threads.run()
    exchange.look()
    assert read(worker) == (b"20 text/plain\r\nhello", End(0, 0))
    assert not is_open(body)


@pytest.mark.parametrize("reason", ["hung up", "no place", "no request"])
def test_an_upload_that_nobody_reads_is_closed(make, body, reason):
    exchange, _, threads, worker = make(app=read_upload, body=body)
    threads.is_full = reason == "no place"
    if reason == "hung up":
        worker.close()
    else:
        worker.send(UPLOAD if reason == "no place" else encode_request({b"SERVER_PORT": b"x"}))
    exchange.hear()
    assert not is_open(body)


def test_an_upload_that_did_not_come_along_is_a_failure(make, caplog):
    exchange, _, _, worker = make(app=read_upload)
    worker.send(UPLOAD)
    exchange.hear()
    assert read(worker) == (b"", End(1, 0))
    assert "did not come along" in caplog.text


def test_an_upload_of_a_call_that_is_given_up_is_closed(make, body):
    exchange, _, threads, worker = make(app=read_upload, body=body)
    worker.send(UPLOAD)
    exchange.hear()
    worker.close()
    exchange.hear()
    threads.run()
    assert not is_open(body)
