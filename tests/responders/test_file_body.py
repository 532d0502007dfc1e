import itertools
import math
import os
import threading
import time
from types import SimpleNamespace

import pytest

from gemd.protocol.response import BrokenBody
from gemd.responders import file_body
from gemd.responders.file_body import FileBody
from gemd.system.page_cache import read_from_memory
from tests.support.descriptors import open_descriptors
from tests.support.pump import Pump

SIZE = 300_000
CONTENT = os.urandom(SIZE)


@pytest.fixture
def file(tmp_path):
    """A file of 300,000 bytes."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def open_body(file):
    """Open the body of that file, which is closed at the end."""
    bodies = []

    def open_body(size=SIZE):
        bodies.append(FileBody(os.open(file, os.O_RDONLY), size))
        return bodies[-1]

    yield open_body
    for body in bodies:
        body.close()


@pytest.fixture(params=["in memory", "on a disk"])
def pump(request, monkeypatch):
    """Who reads it, from each place where it can be."""
    if request.param != "in memory":
        monkeypatch.setattr(file_body, "read_from_memory", lambda *_: None)
    with Pump() as pump:
        yield pump


def test_it_is_read_piece_by_piece(open_body, pump):
    body = open_body()
    body.begin(pump)
    pieces = list(pump.pieces(body))
    assert b"".join(pieces) == CONTENT
    assert {len(piece) for piece in pieces[:-1]} == {64 * 1024}
    assert body.read() == b""  # and stays at its end
    assert (body.descriptors, body.deadline) == ((), math.inf)


def test_what_is_in_memory_is_not_waited_for(open_body, monkeypatch):
    monkeypatch.setattr(file_body, "read_from_memory", os.pread)
    body = open_body()
    with Pump() as pump:
        body.begin(pump)
        assert b"".join(pump.pieces(body)) == CONTENT
    assert (pump.asked, pump.woken) == (0, 0)


def test_each_piece_of_a_disk_is_a_thread_s_and_is_waited_for(open_body, monkeypatch):
    monkeypatch.setattr(file_body, "read_from_memory", lambda *_: None)
    body = open_body()
    with Pump() as pump:
        body.begin(pump)
        pieces = list(pump.pieces(body))
        assert pump.woken == len(pieces) == 5
        assert pump.asked >= 5


def test_a_piece_that_is_being_read_is_read_once(open_body, monkeypatch):
    """Who looks again before the thread is done does not hand the work to a second one."""
    monkeypatch.setattr(file_body, "read_from_memory", lambda *_: None)
    taken = []
    body = open_body()
    body.begin(SimpleNamespace(run=lambda work: taken.append(work) or int))
    assert [body.read() for _ in range(3)] == [None] * 3
    (work,) = taken
    work()
    assert body.read() == CONTENT[: 64 * 1024]


def test_a_disk_that_takes_turns_with_memory(open_body, monkeypatch):
    turns = itertools.cycle([lambda *_: None, os.pread])
    monkeypatch.setattr(file_body, "read_from_memory", lambda *arguments: next(turns)(*arguments))
    body = open_body()
    with Pump() as pump:
        body.begin(pump)
        assert b"".join(pump.pieces(body)) == CONTENT


def test_fewer_bytes_than_asked_for_are_no_end(open_body, pump, monkeypatch):
    pread = os.pread

    def read_less(fd, size, offset):
        return pread(fd, min(size, 1000), offset)

    monkeypatch.setattr(os, "pread", read_less)
    if file_body.read_from_memory is read_from_memory:
        monkeypatch.setattr(file_body, "read_from_memory", read_less)
    body = open_body()
    body.begin(pump)
    assert b"".join(pump.pieces(body)) == CONTENT


def test_a_file_that_shrinks_breaks_off(open_body, pump, file):
    body = open_body()
    body.begin(pump)
    size = len(pump.wait_for(body, body.read))
    os.truncate(file, size)
    with pytest.raises(BrokenBody, match=f"shrank from 300000 to {size} bytes"):
        pump.wait_for(body, body.read)


def test_a_file_that_grows_ends_where_it_ended(open_body, pump, file):
    body = open_body()
    body.begin(pump)
    with file.open("ab") as more:
        more.write(b"more")
    assert b"".join(pump.pieces(body)) == CONTENT


@pytest.mark.parametrize("where", ["in memory", "on a disk"])
def test_a_disk_that_fails_breaks_off(open_body, where, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", fail)
    monkeypatch.setattr(file_body, "read_from_memory", fail if where == "in memory" else lambda *_: None)
    body = open_body()
    with Pump() as pump:
        body.begin(pump)
        with pytest.raises(BrokenBody, match="reading failed: Input/output error"):
            pump.wait_for(body, body.read)


@pytest.fixture
def by_hand(monkeypatch):
    """The helper of a disk that answers when the test says so; `threads` are those that are free."""
    monkeypatch.setattr(file_body, "read_from_memory", lambda *_: None)
    works = []

    def run(work):
        if not helper.threads:
            return None
        works.append(work)
        return lambda: None

    helper = SimpleNamespace(threads=1, run=run, work=lambda: works.pop()())
    return helper


def test_where_no_thread_is_free_the_loop_reads_nothing_itself_and_asks_again_soon(open_body, by_hand):
    body = open_body()
    by_hand.threads = 0
    body.begin(by_hand)
    assert body.read() is None
    assert body.deadline < time.monotonic() + 0.1
    by_hand.threads = 1
    assert body.read() is None
    assert body.deadline > time.monotonic() + 20  # a thread is at it, and wakes the loop
    by_hand.work()
    assert body.read() == CONTENT[: 64 * 1024]
    assert body.deadline == math.inf


@pytest.mark.parametrize("threads", [0, 1])
def test_a_disk_that_does_not_answer_breaks_off(open_body, by_hand, monkeypatch, threads):
    monkeypatch.setattr(file_body, "_DISK_TIMEOUT", 0.05)
    body = open_body()
    by_hand.threads = threads
    body.begin(by_hand)
    assert body.read() is None
    time.sleep(max(0.0, body.deadline - time.monotonic()))
    with pytest.raises(BrokenBody, match=r"the disk did not answer within 0.05 s"):
        body.read()
    if threads:
        by_hand.work()  # which is late, and disturbs nothing


def test_a_thread_without_memory_is_heard_of(open_body, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(file_body, "read_from_memory", lambda *_: None)
    monkeypatch.setattr(os, "pread", fail)
    body = open_body()
    with Pump() as pump:
        body.begin(pump)
        with pytest.raises(MemoryError):
            pump.wait_for(body, body.read)


def test_closed_while_a_thread_reads(file, monkeypatch):
    """The thread has a descriptor of its own, so that it never reads what another file's has become."""
    monkeypatch.setattr(file_body, "read_from_memory", lambda *_: None)
    before = open_descriptors()
    begun, may_read, seen = threading.Event(), threading.Event(), []
    pread = os.pread

    def wait_and_read(*arguments):
        begun.set()
        assert may_read.wait(15)
        seen.append(pread(*arguments))
        return seen[0]

    monkeypatch.setattr(os, "pread", wait_and_read)
    with Pump() as pump:
        body = FileBody(os.open(file, os.O_RDONLY), SIZE)
        body.begin(pump)
        assert body.read() is None
        assert begun.wait(15)
        body.close()
        with open("/dev/null") as other:  # noqa: PTH123, takes the number of the closed one
            may_read.set()
            while not seen:
                time.sleep(0.001)
            assert other.read() == ""
    assert seen == [CONTENT[: 64 * 1024]]
    assert open_descriptors() == before


def test_closed_before_a_thread_reads(file, monkeypatch):
    """Where a disk hangs no turn may come for a long time, and nobody's descriptors wait for it."""
    monkeypatch.setattr(file_body, "read_from_memory", lambda *_: None)
    before, works = open_descriptors(), []
    body = FileBody(os.open(file, os.O_RDONLY), SIZE)
    body.begin(SimpleNamespace(run=lambda work: works.append(work) or int))
    assert body.read() is None
    body.close()
    assert open_descriptors() == before
    monkeypatch.setattr(os, "pread", None)
    works.pop()()
