import os
import select

import pytest

from gemd.system.patience import Patience


@pytest.fixture
def pipe():
    """Both ends of a pipe that is full, and who waits for room in it."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while True:
        try:
            os.write(writer, bytes(4096))
        except BlockingIOError:
            break
    poll = select.poll()
    poll.register(writer, select.POLLOUT)
    yield reader, poll
    os.close(reader)
    os.close(writer)


@pytest.fixture
def patience():
    return Patience()


def test_there_is_none_unless_it_is_given(pipe, patience):
    patience.begin()
    assert not patience.wait(pipe[1])


def test_it_ends_when_there_is_room(pipe, patience):
    reader, poll = pipe
    patience.seconds = 600
    patience.begin()
    os.read(reader, 65536)
    assert patience.wait(poll)


def test_who_has_stopped_is_waited_for_once_until_there_was_room(pipe, patience):
    reader, poll = pipe
    patience.seconds = 0.01
    patience.begin()
    assert not patience.wait(poll)
    patience.seconds = 600
    patience.begin()
    assert not patience.wait(poll)
    os.read(reader, 65536)
    assert not patience.wait(poll)
    patience.renew()
    assert patience.wait(poll)
