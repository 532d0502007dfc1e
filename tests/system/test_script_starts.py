"""Whose turn it is to be started, and by which thread, without one."""

import math
import queue
import time

import pytest

from gemd.system import script_starts
from gemd.system.script_starts import MAX_STARTERS, ScriptStarts, Start


@pytest.fixture
def starts(monkeypatch):
    """None; the time is what `pass_time` makes it."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    starts = ScriptStarts()
    starts.pass_time = lambda seconds: now.__setitem__(0, now[0] + seconds)
    return starts


def add(starts, *programs):
    for program in programs:
        starts.add(Start(lambda: None, program))


def add_thread(starts):
    inbox = queue.SimpleQueue()
    starts.add_thread(inbox)
    return inbox


def taken(inbox):
    """Which program the thread was told to start."""
    return inbox.get_nowait().program if not inbox.empty() else None


def begin(starts, *programs):
    """Have these be started, each by a thread of its own, since those before it take long."""
    threads = []
    for program in programs:
        assert starts.lack_thread
        threads.append(add_thread(starts))
        add(starts, program)
        assert taken(threads[-1]) == program
        starts.pass_time(script_starts._PATIENCE)
    return threads


def test_one_thread_starts_one_after_the_other(starts):
    thread, other = add_thread(starts), add_thread(starts)
    add(starts, *"abc")
    assert taken(other) == "a"
    assert (taken(other), taken(thread)) == (None, None)
    assert not starts.lack_thread
    for program in "bc":
        starts.finish(other, has_returned=True)
        assert taken(other) == program
    starts.finish(other, has_returned=True)
    assert (taken(thread), starts.look_at) == (None, math.inf)


def test_nobody_waits_long_for_one_that_takes_long(starts):
    add_thread(starts)
    add(starts, *"abc")
    assert starts.look_at == time.monotonic() + script_starts._PATIENCE
    starts.pass_time(script_starts._PATIENCE)
    assert starts.lack_thread
    second = add_thread(starts)
    starts.hand_out()
    assert taken(second) == "b"
    assert not starts.lack_thread  # until that takes long as well
    assert starts.look_at == time.monotonic() + script_starts._PATIENCE


def test_there_are_no_more_threads_than_so_many(starts):
    threads = begin(starts, *"abcdefgh")
    assert len(threads) == MAX_STARTERS
    assert not starts.lack_thread
    add(starts, "i")
    assert starts.look_at == math.inf  # nothing can be done before one comes back
    starts.finish(threads[3], has_returned=True)
    assert taken(threads[3]) == "i"


def test_one_program_has_half_of_them(starts):
    first, *_ = begin(starts, *"aaaa")
    inbox = add_thread(starts)
    add(starts, "a", "b")
    assert taken(inbox) == "b"
    starts.finish(inbox, has_returned=True)
    starts.finish(first, has_returned=True)
    assert taken(first) or taken(inbox) == "a"


@pytest.mark.parametrize(("programs", "program"), [("aaaa", "a"), ("abcdefgh", "i")])
def test_where_too_many_hang_none_is_tried(starts, programs, program):
    begin(starts, *programs)
    starts.refuse_late(program)  # for a while it is not known that they hang
    starts.pass_time(script_starts._HANG_TIMEOUT)
    with pytest.raises(OSError, match="earlier starts have not come back"):
        starts.refuse_late(program)
    if programs == "aaaa":
        starts.refuse_late("b")


def test_whether_there_is_any_thread_that_does_not_hang(starts):
    assert starts.hang  # there is none at all
    (thread,) = begin(starts, "a")
    assert not starts.hang
    starts.pass_time(script_starts._HANG_TIMEOUT)
    assert starts.hang
    starts.finish(thread, has_returned=True)
    assert not starts.hang


def test_where_the_only_thread_has_ended_another_is_looked_for(starts):
    (thread,) = begin(starts, "a")
    add(starts, "b")
    starts.finish(thread, has_returned=False)
    assert starts.lack_thread
    assert starts.look_at <= time.monotonic()
    other = add_thread(starts)
    starts.hand_out()
    assert (taken(thread), taken(other)) == (None, "b")
