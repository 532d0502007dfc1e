import os
import threading
import time

import pytest

from gemd.worker.thread_pool import SideRoom

LONGEST = 10.0


class Work:
    """Something to do that lasts until it is let go."""

    def __init__(self):
        self.began, self.may_end = threading.Event(), threading.Event()
        self.thread = None

    def __call__(self):
        self.thread = threading.current_thread()
        self.began.set()
        assert self.may_end.wait(LONGEST)


@pytest.fixture
def enter():
    """Let work into a room and wait until it has begun; all of it ends with the test."""
    begun = []

    def enter(room):
        assert room.has_place()
        begun.append(work := Work())
        room.enter(work)
        assert work.began.wait(LONGEST)
        return work

    yield enter
    for work in begun:
        work.may_end.set()


def wait_until(condition):
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end
        os.sched_yield()


def test_work_is_done_in_another_thread(enter):
    assert enter(SideRoom(1)).thread is not threading.main_thread()


def test_all_that_fit_work_at_the_same_time(enter):
    room = SideRoom(3)
    threads = {enter(room).thread for _ in range(3)}
    assert len(threads) == 3
    assert room.occupied == 3


def test_nobody_is_admitted_to_a_full_room(enter):
    room = SideRoom(1)
    enter(room)
    assert not room.has_place()


def test_a_place_is_free_again_when_the_work_is_done(enter):
    room = SideRoom(1)
    enter(room).may_end.set()
    wait_until(lambda: not room.occupied)
    assert room.has_place()
    enter(room)


def test_a_thread_is_used_again(enter):
    room = SideRoom(5)
    first = enter(room)
    first.may_end.set()
    wait_until(lambda: not room.occupied)
    assert enter(room).thread is first.thread


def test_threads_start_when_they_are_needed():
    before = threading.active_count()
    SideRoom(50)
    assert threading.active_count() == before


def test_asking_twice_starts_one_thread(enter):
    room = SideRoom(5)
    before = threading.active_count()
    assert room.has_place()
    assert room.has_place()
    assert threading.active_count() == before + 1


def test_a_machine_without_threads_says_no(monkeypatch):
    def fail(_thread):
        raise RuntimeError("can't start new thread")

    room = SideRoom(2)
    monkeypatch.setattr(threading.Thread, "start", fail)
    assert not room.has_place()
    monkeypatch.undo()
    assert room.has_place()


def test_work_that_is_done_is_let_go(enter):
    room, released = SideRoom(1), threading.Event()

    class Held:
        def __del__(self):
            released.set()

    def work(_held=Held()):  # noqa: B008
        pass

    assert room.has_place()
    room.enter(work)
    del work
    assert released.wait(LONGEST)


def test_threads_do_not_keep_the_process_alive(enter):
    assert enter(SideRoom(1)).thread.daemon
