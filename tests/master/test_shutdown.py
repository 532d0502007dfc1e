"""The end of all workers, without a master."""

from signal import SIGKILL, SIGQUIT, SIGTERM

import pytest

from gemd.exit_codes import ExitCode
from gemd.master.shutdown import Shutdown
from gemd.master.workers import Workers


class Kills:
    """The process control, as far as it is needed here: who was sent what."""

    def __init__(self):
        self.sent = []

    def kill(self, pid, number):
        self.sent.append((pid, number))

    def take(self):
        sent, self.sent = self.sent, []
        return sent

    def tell_hosts(self):
        """There are none."""

    def has_hosts(self):
        return False


@pytest.fixture
def kills():
    return Kills()


@pytest.fixture
def workers():
    workers = Workers(4)
    workers.add(0, 10, 1, 0.0)
    workers.add(1, 11, 1, 0.0)
    return workers


@pytest.fixture
def shutdown(kills, workers):
    return Shutdown(kills, workers)


def reap(workers, *pids):
    for pid in pids:
        workers.remove(workers.find(pid), 100.0, served=True)


def test_it_has_not_begun(shutdown, kills):
    assert not shutdown.is_begun
    assert shutdown.code is None
    assert kills.take() == []


def test_all_are_told_and_it_is_over_when_the_last_has_left(shutdown, kills, workers):
    shutdown.begin(ExitCode.OK, 100.0, 10.0)
    assert shutdown.is_begun
    assert kills.take() == [(10, SIGTERM), (11, SIGTERM)]
    assert not shutdown.step(101.0)
    reap(workers, 10)
    assert not shutdown.step(102.0)
    reap(workers, 11)
    assert shutdown.step(103.0)
    assert (shutdown.code, kills.take()) == (ExitCode.OK, [])


def test_those_that_are_late_are_killed_once_a_second(shutdown, kills, workers, complaints):
    shutdown.begin(ExitCode.OK, 100.0, 10.0)
    reap(workers, 10)
    kills.take()
    assert shutdown.until_kill(104.0) == 6.0
    assert not shutdown.step(109.9)
    assert kills.take() == []
    for moment in (110.0, 110.5, 111.0):
        assert not shutdown.step(moment)
    assert kills.take() == [(11, SIGKILL)] * 2
    assert complaints() == ["killing pid 11, which did not stop within 10 s"] * 2
    assert shutdown.until_kill(500.0) == 0.0


def test_without_a_limit_nobody_is_killed(shutdown, kills):
    shutdown.begin(ExitCode.OK, 100.0, None)
    assert kills.take() == [(10, SIGQUIT), (11, SIGQUIT)]
    assert shutdown.until_kill(100.0) is None
    assert not shutdown.step(1e9)
    assert kills.take() == []


def test_a_limit_may_be_set_later_but_not_moved(shutdown, kills):
    shutdown.begin(ExitCode.OK, 100.0, None)
    shutdown.begin(ExitCode.OK, 200.0, 10.0)
    shutdown.begin(ExitCode.OK, 205.0, 10.0)
    shutdown.begin(ExitCode.OK, 206.0, None)
    assert [number for _, number in kills.take()] == [SIGQUIT] * 2 + [SIGTERM] * 4 + [SIGQUIT] * 2
    assert shutdown.until_kill(206.0) == 4.0


def test_the_first_reason_to_end_is_the_exit_code(shutdown):
    shutdown.begin(ExitCode.WORKERS, 100.0, 10.0)
    shutdown.begin(ExitCode.OK, 101.0, 10.0)
    assert shutdown.code is ExitCode.WORKERS
