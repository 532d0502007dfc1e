import os
import select
import socket
import sys
import threading
import time

import pytest


@pytest.fixture
def pair():
    ours, its = socket.socketpair()
    yield ours, its
    ours.close()
    its.close()


@pytest.fixture
def told():
    """What an owner was told."""
    return []


@pytest.fixture
def act(told):
    return lambda owner, events: told.append((owner, events))


def test_an_owner_is_told_of_events(poller, turn, pair, told, act):
    poller.register(pair[0].fileno(), select.EPOLLIN, act, "a")
    assert turn() == 0
    pair[1].send(b"x")
    assert turn() == 1
    assert turn() == 1  # as long as it is not taken
    assert told == [("a", select.EPOLLIN)] * 2
    poller.unregister(pair[0].fileno())
    assert turn() == 0


def test_somebody_else_may_be_told_from_now_on(poller, turn, pair, told, act):
    fd = pair[0].fileno()
    poller.register(fd, select.EPOLLOUT, lambda *_: pytest.fail("it was told"), "a")
    poller.modify(fd, select.EPOLLIN, act, "a")
    assert turn() == 0
    pair[1].send(b"x")
    turn()
    assert told == [("a", select.EPOLLIN)]
    poller.unregister(fd)


def test_without_events_only_the_end_of_both_directions_is_told(poller, turn, pair, told, act):
    fd = pair[0].fileno()
    poller.register(fd, 0, act, "a")
    pair[1].send(b"x")
    pair[1].shutdown(socket.SHUT_WR)
    assert turn() == 0
    pair[1].close()
    assert turn() == 1
    assert told[0][1] & select.EPOLLHUP
    poller.unregister(fd)


def test_whoever_awaits_the_end_is_told_of_input_until_that_is_declined(poller, turn, pair, told, act):
    fd = pair[0].fileno()
    poller.register(fd, select.EPOLLIN, lambda *_: pytest.fail("it was told"), "a")
    poller.await_end(fd, act, "b")
    assert turn() == 0
    pair[1].send(b"x")
    turn()
    assert told == [("b", select.EPOLLIN)]
    poller.modify(fd, 0, act, "b")
    assert turn() == 0
    pair[1].close()
    turn()
    assert told[1][1] & select.EPOLLHUP
    poller.unregister(fd)


def test_whoever_awaits_the_end_is_not_told_of_room(poller, turn, pair, told, act):
    fd = pair[0].fileno()
    poller.register(fd, select.EPOLLOUT, act, "a")
    poller.await_end(fd, act, "a")
    assert turn() == 0
    pair[1].close()
    assert turn() == 1
    assert told[0][1] & select.EPOLLHUP
    poller.unregister(fd)


def test_watched_once_is_told_once(poller, turn, pair, told, act):
    fd = pair[0].fileno()
    poller.watch_once(fd, select.EPOLLIN, act, "a")
    pair[1].send(b"x")
    assert turn() == 1
    assert turn() == 0
    poller.watch_once(fd, select.EPOLLIN, act, "a")
    assert turn() == 1
    poller.unregister(fd)


def test_a_watched_descriptor_that_is_closed_and_opened_anew_is_watched(poller, turn, told, act):
    first = os.eventfd(0)
    poller.watch_once(first, select.EPOLLIN, act, "a")
    os.close(first)
    second = os.eventfd(1)
    assert second == first
    poller.watch_once(second, select.EPOLLIN, act, "a")
    assert turn() == 1
    poller.unregister(second)
    os.close(second)


def test_a_watched_descriptor_that_was_closed_may_be_unregistered(poller, act):
    fd = os.eventfd(0)
    poller.watch_once(fd, select.EPOLLIN, act, "a")
    os.close(fd)
    poller.unregister(fd)
    poller.unregister(fd)


def test_what_can_t_be_watched_is_not_remembered(poller, act, tmp_path):
    with (tmp_path / "file").open("w") as file:
        with pytest.raises(PermissionError):  # a regular file
            poller.watch_once(file.fileno(), select.EPOLLIN, act, "a")
        with pytest.raises(PermissionError):
            poller.register(file.fileno(), select.EPOLLIN, act, "a")
    assert poller._owners == {}


def test_a_socket_that_another_process_holds_is_silent_once_it_is_unregistered(poller, turn, pair, act):
    fd = pair[0].fileno()
    poller.register(fd, select.EPOLLIN, act, "a")
    copy = os.dup(fd)
    poller.unregister(fd)
    pair[0].close()
    pair[1].close()
    assert poller._epoll.poll(0) == []
    os.close(copy)


def test_whom_another_has_unregistered_is_not_told(poller, turn):
    pairs, told = [socket.socketpair() for _ in range(2)], []

    def act(owner, _events):
        told.append(owner)
        for ours, _ in pairs:
            poller.unregister(ours.fileno())

    for owner, (ours, its) in enumerate(pairs):
        poller.register(ours.fileno(), select.EPOLLIN, act, owner)
        its.send(b"x")
    turn()
    assert len(told) == 1
    for one in pairs:
        for end in one:
            end.close()


def test_the_worker_s_own_descriptors(poller, turn, pair):
    fd, told = pair[0].fileno(), []
    poller.watch(fd, lambda: told.append(pair[0].recv(1)))
    pair[1].send(b"x")
    assert turn() == 0  # that is no owner's event
    assert told == [b"x"]
    poller.unwatch(fd)
    pair[1].send(b"y")
    turn()
    assert told == [b"x"]


def test_another_thread_wakes_whoever_waits(poller, turn):
    thread = threading.Thread(target=poller.wake, args=("a",))
    thread.start()
    while not poller.woken:
        turn(10.0)
    thread.join()
    assert poller.woken.popleft() == "a"
    turn()
    assert poller._epoll.poll(0) == []


def test_several_wakes_are_all_there(poller, turn):
    for owner in ("a", "b", "a"):
        poller.wake(owner)
    turn()
    assert list(poller.woken) == ["a", "b", "a"]


def test_who_is_woken_before_the_wait_is_not_waited_for(poller, turn):
    poller.wake("a")
    start = time.monotonic()
    turn(10.0)
    assert time.monotonic() - start < 5.0
    assert poller._epoll.poll(0) == []  # nothing was written for it


def test_no_wake_is_lost(poller, turn):
    """However the threads that wake and the one that waits come between one another."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads, woken = [threading.Thread(target=lambda: [poller.wake("a") for _ in range(2000)]) for _ in range(4)], 0
    try:
        for thread in threads:
            thread.start()
        while woken < 8000:
            start = time.monotonic()
            turn(10.0)
            assert time.monotonic() - start < 5.0
            while poller.woken:
                poller.woken.popleft()
                woken += 1
    finally:
        sys.setswitchinterval(interval)
        for thread in threads:
            thread.join()


def test_the_time_to_wait_is_kept(poller, turn):
    assert turn(0.001) == 0
