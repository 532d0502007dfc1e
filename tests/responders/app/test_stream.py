import socket
import time

import pytest

from gemd.protocol.response import BrokenBody, ClientLeft
from gemd.responders.app.stream import Stream, has_come
from gemd.system.deadline import Deadline


class Source:
    """A call that gives these pieces; None for one that did not come in time."""

    name = "m:app"

    def __init__(self, *pieces, seconds=60.0, client=-1, last_moment=None):
        self.pieces = list(pieces)
        self.deadline = Deadline(seconds)
        self.client = client
        self.last_moment = last_moment
        self.waited = []
        self.abandoned = 0

    def take(self, seconds):
        self.waited.append(seconds)
        return self.pieces.pop(0)

    def abandon(self):
        self.abandoned += 1


def test_it_ends_when_the_application_has_no_more_to_say():
    source = Source(b"a", None, b"b", b"")
    stream = Stream(source)
    assert list(stream) == [b"a", b"b"]
    stream.close()
    assert source.abandoned == 0


def test_who_closes_it_before_its_end_tells_the_application():
    source = Source(b"a", b"b", b"")
    stream = Stream(source)
    next(iter(stream))
    stream.close()
    assert source.abandoned == 1


def test_it_breaks_off_when_its_time_is_over():
    with pytest.raises(BrokenBody, match=r"m:app took too long \(timeouts.app\)"):
        list(Stream(Source(b"a", seconds=0.0)))


def test_a_worker_that_ends_is_no_fault_of_the_application():
    with pytest.raises(ClientLeft, match="goes on, and its worker ends"):
        list(Stream(Source(b"a", last_moment=time.monotonic())))


def test_it_waits_no_longer_than_anything_lasts():
    source = Source(b"a", b"", seconds=0.5, last_moment=time.monotonic() + 0.2)
    list(Stream(source))
    assert all(0 < seconds <= 0.2 for seconds in source.waited)
    source = Source(b"a", b"")
    list(Stream(source))
    assert source.waited == [1.0, 1.0]


def test_a_client_that_has_left_is_noticed_while_nothing_comes():
    ours, theirs = socket.socketpair()
    with ours:
        source = Source(None, b"a", b"", client=ours.fileno())
        assert list(Stream(source)) == [b"a"]
        theirs.close()
        with pytest.raises(ClientLeft, match="the client left"):
            list(Stream(Source(None, client=ours.fileno())))


def test_a_moment():
    assert [has_come(moment) for moment in (None, time.monotonic(), time.monotonic() + 60)] == [False, True, False]
