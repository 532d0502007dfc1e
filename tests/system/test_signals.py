import os
import select
import signal

import pytest

from gemd.system.signals import SignalQueue

NUMBERS = (signal.SIGUSR1, signal.SIGUSR2)


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
