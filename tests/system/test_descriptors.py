"""Descriptors that come by a socket."""

import os
import resource
import socket

import pytest

from gemd.system.descriptors import receive_descriptors, send_descriptors
from tests.support.descriptors import open_descriptors


@pytest.fixture
def ends():
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, its:
        yield ours, its


@pytest.fixture
def send(ends):
    """Send this text, with so many descriptors."""

    def send(text, number):
        reader, writer = os.pipe()
        socket.send_fds(ends[0], [text], [writer] * number)
        os.close(reader)
        os.close(writer)

    return send


@pytest.mark.parametrize("number", [0, 1, 2, 16])
def test_text_and_descriptors_come_together_and_do_not_survive_exec(ends, send, number):
    send(b"text", number)
    data, descriptors = receive_descriptors(ends[1], 100, 16)
    assert (data, len(descriptors)) == (b"text", number)
    assert not any(os.get_inheritable(descriptor) for descriptor in descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize("timeout", [None, 0.0, 600.0])
def test_nobody_waits_whatever_timeout_the_socket_has(ends, timeout):
    for end in ends:
        end.settimeout(timeout)
    with pytest.raises(BlockingIOError):
        receive_descriptors(ends[1], 100, 2)
    with pytest.raises(BlockingIOError):
        fill(ends[0])


def fill(sock):
    while True:
        send_descriptors(sock, b"text", ())


def test_more_than_are_asked_for_are_closed(ends, send):
    before = open_descriptors()
    send(b"text", 9)
    _, descriptors = receive_descriptors(ends[1], 100, 2)
    for descriptor in descriptors:
        os.close(descriptor)
    assert 2 <= len(descriptors) <= 3  # a length is rounded up
    assert open_descriptors() == before


def test_fewer_come_where_none_is_free(ends, send):
    send(b"text", 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        while True:
            try:
                taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        os.close(taken.pop())
        data, descriptors = receive_descriptors(ends[1], 100, 2)
        taken += descriptors
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (data, len(descriptors)) == (b"text", 1)


def test_the_end_of_the_other_end_is_nothing(ends):
    ends[0].close()
    assert receive_descriptors(ends[1], 100, 2) == (b"", [])


def test_that_there_is_nothing_yet_is_an_error(ends):
    ends[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        receive_descriptors(ends[1], 100, 2)


def test_nobody_waits_whatever_the_socket_says(ends):
    """Whoever has the same socket may have let it wait: dup of a socket object does."""
    ends[1].setblocking(True)
    with pytest.raises(BlockingIOError):
        receive_descriptors(ends[1], 100, 1)
