import threading

import pytest

from gemd.worker.thread_pool import ThreadPool

LONGEST = 10.0


class Work:
    """Something to do that lasts until it is let go."""

    def __init__(self, error=None):
        self.began, self.may_end, self.is_over = threading.Event(), threading.Event(), threading.Event()
        self.thread = None
        self.error = error

    def __call__(self):
        self.thread = threading.current_thread()
        self.began.set()
        assert self.may_end.wait(LONGEST)
        if self.error is not None:
            raise self.error


@pytest.fixture
def start():
    """Have a pool do work and wait until it has begun; all of it ends with the test."""
    begun = []

    def start(pool, error=None):
        work = put(pool, f"192.0.2.{len(begun)}", error)
        assert work.began.wait(LONGEST)
        return work

    def put(pool, client, error=None):
        begun.append(work := Work(error))
        assert pool.run(client, work, work.is_over.set)
        return work

    start.put = put

    yield start
    for work in begun:
        work.may_end.set()


def end(work):
    work.may_end.set()
    assert work.is_over.wait(LONGEST)


def test_work_is_done_in_another_thread(start):
    assert start(ThreadPool(1)).thread is not threading.main_thread()


def test_all_that_fit_work_at_the_same_time(start):
    pool = ThreadPool(3)
    assert len({start(pool).thread for _ in range(3)}) == 3


def test_work_waits_while_all_are_busy(start):
    pool = ThreadPool(1)
    first = start(pool)
    assert pool.is_full
    second = start.put(pool, "192.0.2.9")
    assert pool.busy == 1
    assert not second.began.is_set()
    end(first)
    assert second.began.wait(LONGEST)
    assert second.thread is first.thread
    end(second)
    assert not pool.is_full


def test_a_turn_is_given_up_with_all_that_is_held_for_it(start):
    pool, released = ThreadPool(1), threading.Event()
    first = start(pool)

    class Held:
        def __del__(self):
            released.set()

    give_up = pool.run("192.0.2.9", lambda _held=Held(): pytest.fail("it was given up"), pytest.fail)  # noqa: B008
    give_up()
    del give_up
    assert released.wait(LONGEST)
    end(first)
    end(start(pool))


def test_clients_take_turns(start):
    pool = ThreadPool(1)
    first = start(pool)
    much = [start.put(pool, "192.0.2.8") for _ in range(3)]
    little = start.put(pool, "192.0.2.9")
    end(first)
    end(much[0])
    assert little.began.wait(LONGEST)
    assert not much[1].began.is_set()


def test_one_client_never_has_all_threads(start):
    pool = ThreadPool(5)
    works = [start.put(pool, "192.0.2.9") for _ in range(5)]
    assert works[1].began.wait(LONGEST)
    assert pool.busy == 2
    start(pool)


def test_a_thread_is_free_when_it_is_told_that_work_is_over(start):
    pool = ThreadPool(1)
    for _ in range(100):
        end(start(pool))


def test_a_thread_is_used_again(start):
    pool = ThreadPool(5)
    first = start(pool)
    end(first)
    assert start(pool).thread is first.thread


def test_threads_start_when_they_are_needed():
    before = threading.active_count()
    ThreadPool(50)
    assert threading.active_count() == before


def test_a_machine_without_threads_says_no(monkeypatch, start):
    def fail(_thread):
        raise RuntimeError("can't start new thread")

    pool = ThreadPool(2)
    monkeypatch.setattr(threading.Thread, "start", fail)
    assert not pool.run("192.0.2.1", pytest.fail, pytest.fail)
    monkeypatch.undo()
    start(pool)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_another_thread_takes_the_place_of_one_whose_work_raised(start):
    pool = ThreadPool(1)
    first = start(pool, ValueError("a fault"))
    end(first)
    second = start(pool)
    assert second.thread is not first.thread
    first.thread.join(LONGEST)


def test_work_that_is_done_is_let_go():
    pool, released = ThreadPool(1), threading.Event()

    class Held:
        def __del__(self):
            released.set()

    def work(_held=Held()):  # noqa: B008
        pass

    assert pool.run("192.0.2.1", work, lambda: None)
    del work
    assert released.wait(LONGEST)


def test_threads_do_not_keep_the_process_alive(start):
    assert start(ThreadPool(1)).thread.daemon
