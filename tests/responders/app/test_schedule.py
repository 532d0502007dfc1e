"""Which thread runs what: who is next, and that what has begun stays where it is."""

from types import SimpleNamespace

import pytest

from gemd.responders.app.schedule import Schedule

A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def call(client=A, thread=None):
    return SimpleNamespace(client=client, thread=thread)


def test_as_many_run_as_there_are_threads():
    schedule = Schedule(2)
    assert [schedule.enter(call()) for _ in range(3)] == [0, 1, None]
    assert schedule.waiting == 1
    assert (schedule.count_waiting(A), schedule.count_waiting(B)) == (1, 0)


def test_who_waits_gets_the_thread_that_is_free():
    schedule = Schedule(2)
    first, second, third = (call(client) for client in (A, B, C))
    for one in (first, second, third):
        schedule.enter(one)
    assert schedule.leave(1) is third
    assert (third.thread, schedule.waiting) == (1, 0)
    assert schedule.leave(0) is None
    assert schedule.read_running() == [third]
    assert schedule.enter(call()) == 0


def test_clients_take_turns():
    schedule = Schedule(1)
    schedule.enter(call(C))
    much, little = [call(A) for _ in range(3)], [call(B) for _ in range(2)]
    for one in (*much, *little):
        schedule.enter(one)
    order = [schedule.leave(0) for _ in range(5)]
    assert order == [much[0], little[0], much[1], little[1], much[2]]


def test_who_has_the_fewest_threads_is_next():
    schedule = Schedule(2)
    schedule.enter(call(A))
    schedule.enter(call(C))
    again, other = call(A), call(B)
    schedule.enter(again)
    schedule.enter(other)
    assert schedule.leave(1) is other


def test_what_has_begun_waits_for_its_own_thread():
    schedule = Schedule(2)
    begun = call(A)
    assert schedule.enter(begun) == 0
    assert schedule.leave(0) is None
    other, third = call(B), call(B)
    assert (schedule.enter(other), schedule.enter(third)) == (0, 1)
    assert schedule.enter(begun) is None  # its thread has another one
    new = call(C)
    assert schedule.enter(new) is None
    assert schedule.leave(1) is new  # and not what has begun in thread 0
    assert schedule.leave(0) is begun
    assert begun.thread == 0


def test_what_has_begun_goes_on_at_once_where_its_thread_is_free():
    schedule = Schedule(3)
    begun = call(A, thread=2)
    assert schedule.enter(begun) == 2


def test_what_a_thread_refuses_is_the_next_for_others():
    schedule = Schedule(2)
    first, second, third = call(A), call(A), call(A)
    schedule.enter(first)
    assert schedule.enter(second) == 1
    schedule.enter(third)
    schedule.refuse(1)
    assert second.thread is None
    assert schedule.leave(0) is second
    assert second.thread == 0


@pytest.mark.parametrize("threads", [1, 4])
def test_nothing_is_lost_or_run_twice(threads):
    schedule, done = Schedule(threads), []
    calls = [call(client) for client in (A, B, C) for _ in range(7)]
    running = {thread: one for one in calls if (thread := schedule.enter(one)) is not None}
    while running:
        thread, one = running.popitem()
        done.append(one)
        following = schedule.leave(thread)
        if following is not None:
            running[thread] = following
    assert sorted(map(id, done)) == sorted(map(id, calls))
    assert schedule.waiting == 0
