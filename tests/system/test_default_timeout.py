"""An application that sets a timeout for all sockets of its process."""

import socket
import time

import pytest

from gemd.system.default_timeout import ignore_default_timeout
from tests.support.waiting import LONGEST


def test_nobody_waits():
    socket.setdefaulttimeout(LONGEST)
    try:
        ours, theirs = socket.socketpair()
    finally:
        socket.setdefaulttimeout(None)
    with ours, theirs:
        ignore_default_timeout(ours)
        started = time.monotonic()
        with pytest.raises(BlockingIOError):
            ours.recv(1, socket.MSG_DONTWAIT)
        assert time.monotonic() - started < LONGEST / 2


@pytest.mark.parametrize("timeout", [None, 0.0])
def test_where_nobody_would_nothing_is_done(timeout):
    class Socket:
        def gettimeout(self):
            return timeout

    ignore_default_timeout(Socket())
