"""One connection, and what is made of what comes."""

import socket
import time

import pytest

from gemd.gemctl.check.pace import OutOfTime, Pace
from gemd.gemctl.check.visit import Reply, ReplyEnd, SlowedDown, Visitor, read_reply
from gemd.gemctl.failure import Failure
from gemd.gemctl.gemini_client import Header, NoHandshake
from gemd.system.deadline import Deadline
from tests.gemctl.conftest import LONGEST


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("localhost", 1965, "gemini://localhost/a"),
        ("localhost", 1966, "gemini://localhost:1966/a"),
        ("::1", 1966, "gemini://[::1]:1966/a"),
    ],
)
def test_urls(checked, host, port, expected):
    assert checked().subject(host=host, port=port).url("/a") == expected


def test_a_page(checked):
    server = checked()
    visitor = server.visitor()
    assert visitor.start_page == Reply(Header(20, "text/gemini"), b"# A page\n", ReplyEnd.PROPER)
    assert visitor.start_page.say() == '"20 text/gemini"'
    assert visitor.where == f"localhost:{server.port} at 127.0.0.1:{server.port}"
    assert "localhost" in visitor.facts.names
    assert len(server.requests) == 1


def test_who_is_told_to_slow_down_asks_again(checked):
    answers = [b"44 0\r\n", b"44 0\r\n", None]
    server = checked(wrong=lambda line: answers.pop(0))
    assert server.visitor().start_page.status == 20
    assert len(server.requests) == 3


def test_nobody_asks_for_ever(checked):
    server = checked(wrong=lambda line: b"44 0\r\n" if b"/busy" in line else None)
    visitor = server.visitor()
    for count in (4, 5):  # once that is known
        with pytest.raises(SlowedDown, match='it got "44 0" each time, so nobody knows'):
            visitor.ask(visitor.subject.url("/busy"))
        assert len(server.requests) == count
    assert visitor.start_page.status == 20
    with pytest.raises(SlowedDown):
        visitor.ask(visitor.subject.url("/busy"))
    assert len(server.requests) == 10


def test_who_is_closed_before_tls_comes_again(checked, monkeypatch):
    """As by a limit of connections or handshakes."""
    monkeypatch.setattr("gemd.gemctl.check.pace._FIRST_WAIT", 0.01)
    closed = [b"", b"", None]
    server = checked(greet=lambda octets: closed.pop(0))
    assert server.visitor().start_page.status == 20
    server.greet = lambda octets: closed.append(1) or b""
    with pytest.raises(NoHandshake, match=r"no TLS with 127.0.0.1"):
        server.visitor().connect()
    assert len(closed) == 3


def test_no_connection(checked):
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        visitor = Visitor(checked().subject(), unheard.getsockname(), Pace(0.0, LONGEST), LONGEST)
        for visit in (visitor.dial, visitor.connect, lambda: visitor.start_page):
            with pytest.raises(Failure, match=r"can't connect to 127.0.0.1:"):
                visit()


def test_no_more_time(checked):
    server = checked()
    visitor = Visitor(server.subject(), server.address, Pace(0.0, 1e-9), LONGEST)
    time.sleep(0.01)
    with pytest.raises(OutOfTime):
        visitor.connect()


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_what_comes_and_never_ends(pair):
    pair[1].sendall(b"20 text/plain\r\nhere")
    reply = read_reply(pair[0], Deadline(0.1))
    assert reply == Reply(Header(20, "text/plain"), b"here", ReplyEnd.LATE)


def test_no_more_than_was_wanted(pair):
    pair[0].settimeout(LONGEST)
    pair[1].sendall(b"20 text/plain\r\n" + bytes(100_000))
    reply = read_reply(pair[0], Deadline(LONGEST), 2000)
    assert (reply.status, reply.ending) == (20, ReplyEnd.LONG)
    assert len(reply.body) <= 65536


def test_a_deadline_that_is_over(pair):
    assert read_reply(pair[0], Deadline(0.0)) == Reply(None, b"", ReplyEnd.LATE)


def test_a_reset(pair):
    class Reset:
        def settimeout(self, seconds):
            pass

        def recv(self, size):
            raise ConnectionResetError

    assert read_reply(Reset(), Deadline(LONGEST)).ending is ReplyEnd.CUT


@pytest.mark.parametrize(
    ("octets", "said"),
    {
        b"20 text/plain\r\nhere": '"20 text/plain"',
        b"51\r\n": '"51"',
        b"51 \x1b[31mred\r\n": '"51 \\x1b[31mred"',
        b"40 " + b"x" * 200 + b"\r\n": f'"40 {"x" * 74}..."',
        b"hello\nyou\xff": 'no Gemini header, but "hello you\\xff"',
        b"": "no answer, and an end of the connection",
    }.items(),
)
def test_what_is_said_of_an_answer(pair, octets, said):
    pair[1].sendall(octets)
    pair[1].close()
    assert read_reply(pair[0], Deadline(LONGEST)).say() == said


def test_what_is_said_of_half_a_header(pair):
    pair[1].sendall(b"20 text/ge")
    said = read_reply(pair[0], Deadline(0.1)).say()
    assert said == 'no Gemini header, but "20 text/ge", and no more while it was waited for'


def test_what_is_said_of_none():
    assert Reply(None, b"", ReplyEnd.LATE).say() == "no answer"
    assert Reply(None, b"", ReplyEnd.LATE).status == 0


def test_a_certificate_that_can_not_be_read(checked, monkeypatch):
    monkeypatch.setattr("gemd.gemctl.gemini_client.GeminiConnection.certificate", b"\x30\x00")
    with pytest.raises(Failure, match="the certificate can't be read"):
        _ = checked().visitor().facts
