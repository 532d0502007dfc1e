import os
import select
import signal

import pytest

from gemd.system.signals import SignalQueue, block_signals, ignore_signals, restore_signals, unblock_signals

NUMBERS = (signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture
def end_of():
    """Call a function in a forked child; the signal that ended it, or 0."""

    def end_of(function):
        pid = os.fork()
        if pid == 0:
            try:
                function()
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) != 1, "it failed"
        return -os.waitstatus_to_exitcode(status)

    return end_of


@pytest.fixture
def queue():
    queue = SignalQueue(NUMBERS)
    yield queue
    queue.close()


def test_signals_are_taken_in_their_order_each_once(queue):
    for number in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR2):
        signal.raise_signal(number)
    assert queue.take() == [signal.SIGUSR2, signal.SIGUSR1]
    assert queue.take() == []


def test_a_waiting_signal_makes_it_readable(queue):
    assert not select.select([queue], [], [], 0)[0]
    signal.raise_signal(signal.SIGUSR1)
    assert select.select([queue], [], [], 0)[0]


@pytest.mark.timeout(10)
def test_a_storm_neither_blocks_nor_prints(queue, capfd):
    for _ in range(70_000):
        signal.raise_signal(signal.SIGUSR1)
    assert queue.take() == [signal.SIGUSR1]
    assert capfd.readouterr().err == ""


def test_others_are_not_reported(queue):
    before = signal.signal(signal.SIGWINCH, lambda *_: None)
    try:
        signal.raise_signal(signal.SIGWINCH)
        assert queue.take() == []
    finally:
        signal.signal(signal.SIGWINCH, before)


def test_closing_restores_the_default_actions():
    SignalQueue(NUMBERS).close()
    assert [signal.getsignal(number) for number in NUMBERS] == [signal.SIG_DFL, signal.SIG_DFL]
    assert signal.set_wakeup_fd(-1) == -1


def test_none_is_lost_while_the_queue_is_made(monkeypatch):
    set_handler = signal.signal

    def set_and_raise(number, handler):
        former = set_handler(number, handler)
        if number == signal.SIGUSR1 and callable(handler):
            os.kill(os.getpid(), number)  # before anything else is done
        return former

    monkeypatch.setattr(signal, "signal", set_and_raise)
    queue = SignalQueue([signal.SIGUSR1])
    try:
        assert queue.take() == [signal.SIGUSR1]
    finally:
        queue.close()


def test_one_that_comes_while_it_is_closed_ends_the_process_as_if_it_had_come_later(end_of, monkeypatch):
    """It is a worker that is told to stop in its first instant."""
    set_descriptor = signal.set_wakeup_fd

    def close():
        queue = SignalQueue(NUMBERS)
        monkeypatch.setattr(signal, "set_wakeup_fd", set_and_raise)
        queue.close()
        signal.raise_signal(signal.SIGKILL)  # it was swallowed

    def set_and_raise(*arguments):
        set_descriptor(*arguments)
        os.kill(os.getpid(), signal.SIGUSR1)

    assert end_of(close) == signal.SIGUSR1


def test_blocked_signals_wait(end_of):
    def wait():
        block_signals()
        signal.raise_signal(signal.SIGUSR1)
        queue = SignalQueue(NUMBERS)
        assert queue.take() == []
        unblock_signals()
        assert queue.take() == [signal.SIGUSR1]

    assert end_of(wait) == 0


def test_what_was_heeded_is_ignored_in_the_end(end_of):
    def ignore():
        SignalQueue(NUMBERS)
        ignore_signals()
        for number in NUMBERS:
            signal.raise_signal(number)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL  # which was not

    assert end_of(ignore) == 0


def test_an_interrupt_ends_who_has_no_use_for_signals(end_of):
    def restore():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        block_signals()
        signal.raise_signal(signal.SIGINT)
        restore_signals()

    assert end_of(restore) == signal.SIGINT


def test_a_background_job_ignores_it_still(end_of):
    def restore():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        restore_signals()
        signal.raise_signal(signal.SIGINT)

    assert end_of(restore) == 0
