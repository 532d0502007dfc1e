"""What a thread is to do."""

import os
import signal
import sys
import threading

import pytest

from gemd.responders.app.inbox import Inbox
from tests.support.waiting import LONGEST, wait_for


@pytest.fixture
def inbox():
    inbox = Inbox()
    yield inbox
    inbox.close()


@pytest.fixture
def serve(inbox):
    """Do in a thread what there is, up to the end; gives the thread."""
    started = []

    def serve():
        def work():
            while (do_it := inbox.take()) is not None:
                do_it()

        started.append(threading.Thread(target=work, daemon=True))
        started[-1].start()
        return started[-1]

    yield serve
    for thread in started:
        thread.join(LONGEST)
        assert not thread.is_alive()


def test_what_is_there_is_taken_in_order(inbox):
    works = [lambda: 1, lambda: 2, None]
    for work in works:
        inbox.put(work)
    assert [inbox.take() for _ in works] == works


def test_a_thread_that_waits_is_woken(inbox, serve):
    done = []
    serve()
    wait_for(lambda: inbox._is_awaiting, "the thread")
    inbox.put(lambda: done.append(1))
    wait_for(lambda: done, "what was put in")
    inbox.put(None)


def test_one_that_does_not_wait_is_not_written_to(inbox):
    for _ in range(3):
        inbox.put(None)
    os.set_blocking(inbox._wakeup, False)
    with pytest.raises(BlockingIOError):
        os.read(inbox._wakeup, 8)


def test_a_wake_that_was_for_nothing_is_none(inbox, serve):
    done = []
    serve()
    for _ in range(2):
        wait_for(lambda: inbox._is_awaiting, "the thread")
        os.eventfd_write(inbox._wakeup, 1)
    inbox.put(lambda: done.append(1))
    inbox.put(None)
    wait_for(lambda: done, "what was put in")


def test_none_is_lost(inbox, serve):
    """However those who put and the one who takes come between one another."""
    interval, done = sys.getswitchinterval(), []
    sys.setswitchinterval(1e-6)
    try:
        taker = serve()
        givers = [
            threading.Thread(target=lambda: [inbox.put(lambda: done.append(1)) for _ in range(2000)]) for _ in range(4)
        ]
        for giver in givers:
            giver.start()
        for giver in givers:
            giver.join(LONGEST)
        wait_for(lambda: len(done) == 8000, "all of them")  # before anything more wakes the thread
        inbox.put(None)
        taker.join(LONGEST)
    finally:
        sys.setswitchinterval(interval)


def test_handlers_of_signals_run_while_the_main_thread_waits(inbox):
    taken = []
    before = signal.signal(signal.SIGUSR2, lambda number, _frame: (taken.append(number), inbox.put(None)))
    try:
        threading.Timer(0.01, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR2)).start()
        assert inbox.take() is None
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert taken == [signal.SIGUSR2]


def test_its_descriptor_is_closed_with_it_and_on_exec():
    inbox = Inbox()
    assert not os.get_inheritable(inbox._wakeup)
    inbox.close()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(inbox._wakeup)
