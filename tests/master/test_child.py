import select
import signal
import socket
import subprocess
import sys

import pytest

from gemd.master.child import Child


@pytest.fixture
def child():
    """One that sleeps, and its end of the channel."""
    ours, its = socket.socketpair()
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    poll = select.poll()
    one = Child(process.pid, ours, poll)
    yield one, its, poll, process
    one.hang_up()
    its.close()
    process.kill()
    process.wait()


def test_what_it_says_is_waited_for_until_it_is_hung_up_on(child):
    one, its, poll, _ = child
    its.send(b"something")
    assert poll.poll(0) == [(one.channel.fileno(), select.POLLIN)]
    one.hang_up()
    assert poll.poll(0) == []
    one.hang_up()


def test_it_is_told_what_it_has_room_for(child):
    one, its, _, _ = child
    one.tell(b"end")
    assert its.recv(10) == b"end"
    for _ in range(3):
        one.tell(b"x" * 1024**2)
    its.close()
    one.tell(b"to nobody")


def test_it_is_killed_unless_it_was_reaped(child):
    one, _, _, process = child
    one.code = 0
    one.kill()
    assert process.poll() is None
    one.code = None
    one.kill()
    assert process.wait(30) == -signal.SIGKILL
    assert one.channel.fileno() == -1
    one.kill()
