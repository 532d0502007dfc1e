import threading

import pytest

from gemd.system.repetition import Repetitions


@pytest.fixture
def lines():
    return Repetitions()


def test_five_in_ten_seconds(lines):
    assert [lines.note("a", float(nr)) for nr in range(8)] == [True] * 5 + [False] * 3
    assert lines.take_over(9.9) == []
    assert lines.take_over(10.0) == [("a", 3)]
    assert lines.note("a", 10.0)


def test_each_line_has_its_own_time(lines):
    for _ in range(6):
        lines.note("a", 0.0)
    for _ in range(7):
        lines.note("b", 5.0)
    assert lines.take_over(10.0) == [("a", 1)]
    assert lines.take_over(15.0) == [("b", 2)]


def test_what_was_not_left_out_is_forgotten(lines):
    for _ in range(5):
        lines.note("a", 0.0)
    assert lines.take_over(10.0) == []
    assert not lines._known


def test_what_is_remembered_is_bounded(lines):
    for _ in range(6):
        lines.note("first", 0.0)
    found = []
    for nr in range(1000):
        found += lines.take_over(1.0)
        lines.note(nr, 1.0)
    assert found == [("first", 1)]
    assert len(lines._known) <= 257


def test_threads_count_together(lines):
    written = []

    def say():
        written.extend(lines.note("a", 0.0) for _ in range(500))

    threads = [threading.Thread(target=say) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written.count(True) == 5
    assert lines.take_over(10.0) == [("a", 1995)]
