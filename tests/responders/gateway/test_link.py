"""A connection with an upstream, over a socketpair."""

import socket

import pytest

from gemd.protocol.response import when_writable
from gemd.responders.gateway.codec import CodecError
from gemd.responders.gateway.link import UpstreamLink
from tests.support.upstreams import Server
from tests.support.waiting import wait_for


class Plain:
    """Says what is in `words`, one after the other; what comes is the answer."""

    def __init__(self, *words):
        self.words = list(words)
        self.uploads = []
        self.is_complete = self.has_more = False

    def take(self):
        return self.words.pop(0) if self.words else b""

    def take_upload(self):
        return self.uploads.pop(0) if self.uploads else b""

    def feed(self, data):
        return data

    def end(self):
        self.is_complete = True

    def complaints(self):
        return b""


@pytest.fixture
def connect():
    made = []

    def connect(codec):
        ours, theirs = socket.socketpair()
        theirs.settimeout(5)
        made.extend((UpstreamLink(ours, codec), theirs))
        return made[-2:]

    yield connect
    for one in made:
        one.close()


def test_all_that_is_to_be_said_goes_out(connect):
    link, there = connect(Plain(b"one ", b"two"))
    assert link.advance() is None
    assert there.recv(100) == b"one two"
    assert tuple(link.descriptors) == (link._socket.fileno(),)


def test_what_comes_and_the_end(connect):
    link, there = connect(codec := Plain())
    there.sendall(b"answer")
    assert link.advance() == b"answer"
    assert link.advance() is None
    there.close()
    assert (link.advance(), codec.is_complete) == (b"", True)


def test_what_is_said_to_what_came_goes_out_at_once(connect):
    link, there = connect(codec := Plain())
    codec.feed = lambda data: codec.words.append(b"and " + data) or b""
    there.sendall(b"so on")
    assert link.advance() == b""
    assert there.recv(100) == b"and so on"


def test_what_the_kernel_does_not_take_goes_out_later(connect):
    link, there = connect(Plain(bytes(4 << 20)))
    assert link.advance() is None
    fd = link._socket.fileno()
    assert set(link.descriptors) == {fd, when_writable(fd)}
    got = 0
    while got < 4 << 20:
        got += len(there.recv(1 << 20))
        link.advance()
    assert tuple(link.descriptors) == (fd,)


def test_what_is_held_back_comes_before_more_is_received(connect):
    link, there = connect(codec := Plain())
    codec.has_more = True
    codec.feed = lambda data: data or b"held"
    there.sendall(b"new")
    assert tuple(link.descriptors) == ()  # or it is told of what it does not want yet
    assert link.advance() == b"held"
    codec.has_more = False
    assert tuple(link.descriptors) == (link._socket.fileno(),)
    assert link.advance() == b"new"


def test_who_answers_need_not_read_all(connect):
    link, there = connect(codec := Plain(bytes(4 << 20)))
    link.advance()
    there.sendall(b"enough")
    there.shutdown(socket.SHUT_RD)  # so that sending fails
    assert link.advance() == b"enough"
    there.shutdown(socket.SHUT_WR)
    assert (link.advance(), codec.is_complete) == (b"", True)


def test_who_has_it_say_ever_more_and_reads_nothing(connect):
    link, there = connect(codec := Plain(bytes(4 << 20)))
    link.advance()  # a request may be as long as it is
    codec.feed = lambda data: codec.words.append(b"more") or b"answer"
    there.sendall(b"x")
    with pytest.raises(CodecError, match="does not read what is said to it"):
        link.advance()


@pytest.mark.parametrize("is_asked_first", [False, True], ids=["receiving", "sending"])
def test_a_reset_is_no_end_whoever_is_told_of_it(is_asked_first):
    server = Server()
    sock = socket.create_connection(server.listener.getsockname())
    link = UpstreamLink(sock, codec := Plain())
    there = server.accept()
    there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    there.close()
    wait_for(lambda: sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 7, "the reset")  # TCP_CLOSE
    if is_asked_first:
        codec.words.append(b"x")
    with pytest.raises(CodecError, match="broke off: Connection reset by peer"):
        link.advance()
    assert not codec.is_complete
    link.close()
    server.close()


def test_an_upload_goes_out_behind_all_else(connect):
    link, there = connect(codec := Plain(b"one ", b"two "))
    codec.uploads = [b"three ", b"four"]
    link.advance()
    assert there.recv(100) == b"one two three four"


def test_an_upload_waits_until_the_kernel_takes_more(connect):
    link, there = connect(codec := Plain(bytes(4 << 20)))
    codec.uploads = [b"upload"]
    link.advance()
    link.advance()
    assert codec.uploads == [b"upload"]
    got = b""
    while not got.endswith(b"upload"):
        got = there.recv(1 << 20)
        link.advance()


def test_who_hears_no_more_is_read_no_more_of_an_upload_for(connect):
    link, there = connect(codec := Plain(b"x"))
    there.shutdown(socket.SHUT_RD)
    codec.uploads = [b"never"]
    for _ in range(3):
        link.advance()
    assert codec.uploads == [b"never"]
