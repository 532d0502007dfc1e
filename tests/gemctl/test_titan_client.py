"""What a body and its answer may do to each other."""

import io
import re
import select
import socket
import struct
import threading
import time

import pytest

from gemd.gemctl.failure import Failure
from gemd.gemctl.gemini_client import GeminiConnection, Header, build_client_context
from gemd.gemctl.titan_client import Sending, send_upload

from .conftest import LONGEST

LARGE = 30_000_000


class Zeros(io.RawIOBase):
    """A file of any size."""

    def read(self, size):
        return bytes(size)


@pytest.fixture
def send():
    """Upload a body of zeros; the header of the answer, and how much was sent."""

    def send(server, size, file=None, timeout=LONGEST):
        context = build_client_context(None, None)
        with GeminiConnection(("127.0.0.1", server.port), "localhost", context, LONGEST) as connection:
            connection.timeout = timeout  # after the handshake, which may take its time
            sending = Sending(file or Zeros(), size, lambda sent: None)
            return send_upload(connection, f"titan://localhost/a;size={size}", sending), sending.sent

    return send


def read_all(tls, size):
    while size > 0 and (chunk := tls.recv(65536)):
        size -= len(chunk)
    assert size <= 0


def test_progress_is_told_up_to_the_end(titan):
    server, told = titan(), []
    context = build_client_context(None, None)
    with GeminiConnection(("127.0.0.1", server.port), "localhost", context, LONGEST) as connection:
        sending = Sending(io.BytesIO(bytes(200_000)), 200_000, told.append)
        assert send_upload(connection, "titan://localhost/a;size=200000", sending) == Header(30, "/a.gmi")
        assert list(connection.body()) == []
    assert told == sorted(told)
    assert told[-1] == 200_000
    assert server.bodies == [bytes(200_000)]


def test_an_empty_body(titan, send):
    server = titan()
    assert send(server, 0) == (Header(30, "/a.gmi"), 0)
    assert server.bodies == [b""]


def test_no_more_is_sent_than_was_announced(titan, send):
    server = titan()
    assert send(server, 5, io.BytesIO(b"more than five"))[1] == 5
    assert server.bodies == [b"more "]


def test_a_file_that_becomes_shorter(serve, send):
    lengths = []

    def take(tls):
        while chunk := tls.recv(65536):
            lengths.append(len(chunk))

    with pytest.raises(Failure, match=r"has become shorter: it ended after 5 of 100,000 bytes"):
        send(serve(take, proper=False), 100_000, io.BytesIO(b"short"))


def test_a_refusal_while_it_sends(serve, send):
    """It is seen although the socket takes all that is sent."""
    release = threading.Event()

    def refuse(tls):
        read_all(tls, 1_000_000)
        tls.sendall(b"40 No room\r\n")
        while not release.is_set() and tls.recv(65536):
            pass

    try:
        header, sent = send(serve(refuse, proper=False), LARGE)
    finally:
        release.set()
    assert header == Header(40, "No room")
    assert sent < LARGE


def test_a_refusal_and_a_reset_behind_it(serve, send):
    """As of a server that closes without having read what was on its way."""

    def refuse(tls):
        read_all(tls, 100_000)
        tls.sendall(b"50 No\r\n")
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    header, sent = send(serve(refuse, proper=False), LARGE)
    assert header == Header(50, "No")
    assert 0 < sent < LARGE


def test_a_refusal_of_the_line_comes_before_the_body(serve, send, monkeypatch):
    """Else a server that closes at once would reset the connection, and its refusal with it."""
    monkeypatch.setattr("gemd.gemctl.titan_client._PATIENCE", LONGEST)

    def refuse(tls):
        received.append(bool(select.select([tls], [], [], 0.05)[0]))
        tls.sendall(b"59 At most 5 bytes\r\n")

    received = []
    assert send(serve(refuse, proper=False), LARGE) == (Header(59, "At most 5 bytes"), 0)
    assert received == [False]


def test_a_server_that_only_chats(serve, send, monkeypatch):
    """Records without a word in them don't move the deadline."""
    release = threading.Event()

    server = serve(lambda _: release.wait(LONGEST), proper=False)
    poll = select.poll

    class AlwaysReadable:
        def __init__(self):
            self._poll = poll()

        def register(self, *arguments):
            self._poll.register(*arguments)

        modify = register

        def poll(self, milliseconds):
            time.sleep(min(milliseconds, 10) / 1000)
            return [(0, select.POLLIN)]

    monkeypatch.setattr(select, "poll", AlwaysReadable)
    try:
        with pytest.raises(Failure, match=r"took nothing more for 0\.5 s"):
            send(server, LARGE, timeout=0.5)
    finally:
        release.set()


GONE = r"broke off after [0-9,]+ of 30,000,000 bytes, without an answer: it closed the connection$"


def test_a_server_that_leaves_without_a_word(serve, send):
    with pytest.raises(Failure, match=GONE):
        send(serve(lambda tls: read_all(tls, 100_000), proper=False), LARGE)


def test_a_server_that_has_nothing_to_say(serve, send):
    with pytest.raises(Failure, match=GONE):
        send(serve(lambda tls: tls.unwrap(), proper=False), LARGE)


def test_a_server_that_takes_nothing(serve, send):
    release = threading.Event()
    try:
        with pytest.raises(Failure, match=r"took nothing more for 0\.5 s, after [0-9,]+ of 30,000,000 bytes") as caught:
            send(serve(lambda _: release.wait(LONGEST), proper=False), LARGE, timeout=0.5)
    finally:
        release.set()
    sent = int(re.search("after ([0-9,]+)", str(caught.value))[1].replace(",", ""))
    assert sent < 1_000_000  # what waits here does not count as sent


def test_a_server_that_never_answers(serve, send):
    release = threading.Event()

    def take(tls):
        read_all(tls, 1000)
        release.wait(LONGEST)

    try:
        with pytest.raises(Failure, match=r"nothing more came for 0\.\d+ s|took longer than"):
            send(serve(take, proper=False), 1000, timeout=0.5)
    finally:
        release.set()


@pytest.mark.parametrize("answer", [b"20 text/gemini\r\n", b"30 /a\r\n"])
def test_a_server_that_can_not_have_stored_it(serve, send, answer):
    release = threading.Event()

    def claim(tls):
        tls.sendall(answer)
        release.wait(LONGEST)

    try:
        with pytest.raises(Failure, match=r"answered [23]0 after [0-9,]+ of 30,000,000 bytes, which can't be all"):
            send(serve(claim, proper=False), LARGE)
    finally:
        release.set()


def test_what_is_no_answer_while_it_sends(serve, send):
    release = threading.Event()

    def greet(tls):
        tls.sendall(b"HTTP/1.1 400 Bad Request\r\n")
        release.wait(LONGEST)

    try:
        with pytest.raises(Failure, match="sent no Gemini header, but 26 bytes"):
            send(serve(greet, proper=False), LARGE)
    finally:
        release.set()
