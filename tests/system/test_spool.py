"""The file of an upload, written by threads that do their work when the test says so."""

import errno
import os
import threading
from types import SimpleNamespace

import pytest

from gemd.system.spool import SMALL_SIZE, Spool
from tests.support.pump import Pump

BIG = bytes(range(256)) * (SMALL_SIZE // 256)


@pytest.fixture
def by_hand():
    works = []
    return SimpleNamespace(
        client="192.0.2.1",
        turns=works,
        run=lambda work: works.append(work) or int,
        work=lambda: works.pop(0)(),
    )


@pytest.fixture
def file(tmp_path):
    """How a file is made and released, what was done so far, and what is in it."""
    path = tmp_path / "spool"
    done = []

    def make():
        done.append("make")
        return os.open(path, os.O_CREAT | os.O_RDWR)

    def release(descriptor):
        done.append("release")
        os.close(descriptor)

    return SimpleNamespace(make=make, release=release, done=done, read=path.read_bytes)


def begin(file, helper):
    spool = Spool(file.make, file.release)
    spool.begin(helper)
    return spool


def test_what_is_small_needs_one_turn(file, by_hand):
    spool, seen = begin(file, by_hand), []
    for _ in range(4):
        spool.write(b"abcd")
    assert by_hand.turns == []
    spool.finish(lambda descriptor: seen.append(os.pread(descriptor, 100, 0)))
    by_hand.work()
    assert seen == [b"abcd" * 4]
    assert spool.size == 16
    assert by_hand.turns == []
    assert spool.failure is None


def test_it_can_be_empty(file, by_hand):
    spool, seen = begin(file, by_hand), []
    spool.finish(lambda descriptor: seen.append(os.fstat(descriptor).st_size))
    by_hand.work()
    assert seen == [0]


def test_much_is_written_as_it_comes(file, by_hand):
    spool = begin(file, by_hand)
    spool.write(BIG)
    spool.write(b"x")  # that thread's too
    assert len(by_hand.turns) == 1
    by_hand.work()
    assert file.read() == BIG + b"x"
    assert by_hand.turns == []
    spool.write(BIG)
    by_hand.work()
    assert file.read() == BIG + b"x" + BIG
    assert file.done == ["make"]


def test_no_more_waits_than_there_is_room_for(file, by_hand):
    spool = begin(file, by_hand)
    for _ in range(4):
        assert spool.is_ready
        spool.write(BIG)
    assert not spool.is_ready
    by_hand.work()
    assert spool.is_ready


def test_what_is_being_written_counts_as_waiting(file, by_hand):
    spool, seen = Spool(lambda: seen.append(spool.is_ready) or file.make()), []
    spool.begin(by_hand)
    for _ in range(4):
        spool.write(BIG)
    by_hand.work()
    assert seen == [False]


def test_what_is_finished_while_a_thread_is_at_work_is_its_too(file, by_hand):
    seen = []

    def make():
        spool.write(b"more")
        spool.finish(lambda descriptor: seen.append(os.pread(descriptor, SMALL_SIZE * 2, 0)))
        return file.make()

    spool = Spool(make)
    spool.begin(by_hand)
    spool.open()
    by_hand.work()
    assert seen == [b"more"]
    assert by_hand.turns == []


def test_as_much_as_may_wait_is_written_though_nothing_more_comes(file, by_hand):
    def make():
        for _ in range(4):
            spool.write(BIG)
        assert not spool.is_ready
        return file.make()

    spool = Spool(make)
    spool.begin(by_hand)
    spool.open()
    by_hand.work()
    assert spool.is_ready
    assert file.read() == BIG * 4


def fail(code):
    raise OSError(code, os.strerror(code))


def test_a_file_that_cant_be_made_is_a_failure(by_hand):
    spool = Spool(lambda: fail(errno.ENOSPC))
    spool.begin(by_hand)
    spool.open()
    by_hand.work()
    assert spool.failure.errno == errno.ENOSPC
    for _ in range(10):
        spool.write(BIG)
        assert spool.is_ready
    spool.finish(lambda _: pytest.fail("there is no file"))
    spool.close()
    assert by_hand.turns == []


def test_what_cant_be_written_is_a_failure_and_nothing_follows_it(by_hand):
    released = []
    spool = Spool(lambda: os.open("/dev/full", os.O_WRONLY), lambda descriptor: released.append(os.close(descriptor)))
    spool.begin(by_hand)
    spool.write(BIG)
    spool.finish(lambda _: pytest.fail("not all was written"))
    by_hand.work()
    assert spool.failure.errno == errno.ENOSPC
    assert spool.size == 0
    spool.close()
    by_hand.work()
    assert released == [None]


def test_what_follows_may_fail(file, by_hand):
    spool = begin(file, by_hand)
    spool.finish(lambda _: fail(errno.EROFS))
    by_hand.work()
    assert spool.failure.errno == errno.EROFS


def test_a_fault_in_what_follows_keeps_nothing_open(file, by_hand):
    spool = begin(file, by_hand)
    spool.finish(lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        by_hand.work()
    spool.close()
    by_hand.work()
    assert file.done == ["make", "release"]


def test_without_a_thread_it_fails_for_now(file):
    with Pump(threads=False) as pump:
        spool = begin(file, pump)
        spool.write(BIG)
        assert spool.failure.errno == errno.EAGAIN
        spool.close()
    assert file.done == []


def test_a_thread_closes_it(file, by_hand):
    spool = begin(file, by_hand)
    spool.write(BIG)
    by_hand.work()
    spool.close()
    assert file.done == ["make"]
    by_hand.work()
    assert file.done == ["make", "release"]


def test_what_was_never_made_needs_no_thread_to_be_closed(file, by_hand):
    spool = begin(file, by_hand)
    spool.write(b"little")
    spool.close()
    assert by_hand.turns == []
    assert file.done == []


def test_it_can_be_closed_before_it_has_begun(file):
    Spool(file.make, file.release).close()
    assert file.done == []


def test_it_is_closed_where_there_is_no_thread_any_more(file, by_hand):
    spool = begin(file, by_hand)
    spool.write(BIG)
    by_hand.work()
    by_hand.run = lambda _work: None
    spool.close()
    assert file.done == ["make", "release"]


@pytest.mark.parametrize("is_finished", [False, True])
def test_what_is_closed_before_its_turn_is_not_written(file, by_hand, is_finished):
    spool = begin(file, by_hand)
    spool.write(BIG)
    if is_finished:
        spool.finish(lambda _: pytest.fail("it is closed"))
    spool.close()
    by_hand.work()
    assert file.done == []


def test_what_is_closed_while_a_thread_is_at_work_is_released_by_it(file, by_hand):
    spool = begin(file, by_hand)
    spool.finish(lambda _: spool.close())
    by_hand.work()
    assert file.done == ["make", "release"]
    assert by_hand.turns == []


@pytest.mark.parametrize("is_finished", [False, True])
def test_what_is_closed_with_much_that_waits_keeps_no_thread(file, by_hand, is_finished):
    def make():
        for _ in range(5):
            spool.write(BIG)
        if is_finished:
            spool.finish(lambda _: pytest.fail("it is closed"))
        spool.close()
        return file.make()

    spool = Spool(make, file.release)
    spool.begin(by_hand)
    spool.open()
    by_hand.work()  # comes back
    assert file.done == ["make", "release"]
    assert by_hand.turns == []


def test_all_comes_in_its_order_and_is_kept(file):
    done = threading.Event()
    with Pump() as pump:
        spool = begin(file, pump)
        pieces = [bytes([number % 251]) * 5000 for number in range(200)]
        for piece in pieces:
            spool.write(piece)
        spool.finish(lambda _: done.set())
        assert done.wait(15)
        assert file.read() == b"".join(pieces)
        spool.close()
    assert file.done == ["make", "release"]
