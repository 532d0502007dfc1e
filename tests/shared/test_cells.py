import pytest

from gemd.shared import cells as module
from gemd.shared.cells import SECOND, Cells

LENGTH = int(SECOND)


@pytest.fixture
def cells(monkeypatch):
    """Cells whose clock a test sets: `clock[0]` in seconds."""
    monkeypatch.setattr("gemd.shared.cells.time.monotonic_ns", lambda: int(clock[0] * 1e9))
    clock = [1000.0]
    cells = Cells()
    cells.clock = clock
    return cells


def test_the_clock_begins_with_the_table(cells):
    assert cells.now() == 0
    cells.clock[0] += 3
    assert cells.now() == pytest.approx(3 * SECOND, abs=1)


def test_one_after_the_other_once_the_burst_is_used(cells):
    key = cells.key("a")
    assert [cells.take(key, 0, 10, 20) for _ in range(5)] == [0, 0, 0, 10, 10]
    assert [cells.take(key, 10, 10, 20), cells.take(key, 10, 10, 20)] == [0, 10]
    assert cells.take(key, 12, 10, 20) == 8


def test_to_ask_how_long_counts_nothing(cells):
    key = cells.key("a")
    assert [cells.wait(key, 0, 0) for _ in range(3)] == [0, 0, 0]
    cells.take(key, 0, 10, 0)
    assert [cells.wait(key, 0, 0), cells.wait(key, 4, 0), cells.wait(key, 10, 0)] == [10, 6, 0]


def test_what_is_given_back_was_never_taken(cells):
    key, other = cells.key("a"), cells.key("b")
    cells.take(other, 0, 10, 0)
    cells.take(key, 0, 10, 0)
    cells.give_back(key, 0, 10)
    assert (cells.take(key, 0, 10, 0), cells.take(other, 0, 10, 0)) == (0, 10)


def test_who_was_forgotten_meanwhile_gives_nothing_back(cells):
    cells.give_back(cells.key("a"), 5, 10)
    assert not any(cells._cells)


def test_keys_are_told_apart_where_they_have_the_same_cells(cells):
    for tag in range(1, 9):
        assert cells.take((0, tag), 5, 100, 0) == 0
    assert [cells.wait((0, tag), 5, 0) for tag in range(1, 10)] == [100] * 8 + [0]
    # Two whose usual cell is the same.
    assert [cells.take((8, tag), 5, 100, 0) for tag in (1, 9, 17)] == [0, 0, 0]
    assert [cells.take((8, tag), 5, 100, 0) for tag in (1, 9, 17)] == [100, 100, 100]


def test_where_there_is_no_place_the_one_goes_that_is_nearest_to_being_whole(cells):
    for tag in range(1, 9):
        cells.take((0, tag), 5, 100 * tag if tag != 3 else 50, 0)
    assert cells.take((0, 100), 5, 500, 0) == 0
    assert [tag for tag in range(1, 9) if not cells.wait((0, tag), 5, 0)] == [3]
    assert cells.wait((0, 100), 5, 0) == 500


def test_a_cell_whose_time_is_over_is_free(cells):
    for tag in range(1, 9):
        cells.take((0, tag), 5, 10 * tag, 0)
    assert cells.take((0, 100), 26, 500, 0) == 0
    assert [cells.wait((0, tag), 26, 0) for tag in range(3, 9)] == [10 * tag - 21 for tag in range(3, 9)]


def test_what_another_process_counts_meanwhile_is_not_lost(cells, monkeypatch):
    """It is looked at again before it is written."""
    key, real = (0, 1), cells._cells

    class Raced:
        reads = 0

        def __getitem__(self, place):
            if isinstance(place, int):
                self.reads += 1
                if self.reads == 3:  # between the look at it and the one before it is written
                    real[place] += 10
            return real[place]

        def __setitem__(self, place, value):
            real[place] = value

    cells.take(key, 0, 10, 1000)
    cells._cells = Raced()
    cells.take(key, 0, 10, 1000)
    cells._cells = real
    assert cells.wait(key, 0, 0) == 30


def test_others_that_always_count_meanwhile_hold_nobody_up(cells):
    real = cells._cells

    class Busy:
        def __getitem__(self, place):
            if isinstance(place, int):
                real[place] += 1
            return real[place]

        def __setitem__(self, place, value):
            real[place] = value

    cells.take((0, 1), 0, 10, 1 << 30)
    cells._cells = Busy()
    assert cells.take((0, 1), 0, 10, 1 << 30) == 0


@pytest.mark.parametrize("nonsense", [2**64 - 1, 2**63, 1])
def test_a_table_full_of_nonsense_breaks_nothing(cells, nonsense):
    for place in range(64):
        cells._cells[place] = nonsense
    for tag in (1, 5, module._TAGS):
        assert cells.take((0, tag), 7, LENGTH, 0) in (0, module._LATEST - 7)
        cells.give_back((0, tag), 7, LENGTH)


def test_after_nine_years_nobody_is_refused_for_ever(cells):
    late = module._LATEST + 5
    assert [cells.take((0, 1), late, 10, 0) for _ in range(3)] == [0, 0, 0]


def test_keys_are_in_the_table_and_differ(cells):
    keys = {cells.key(f"a {nr}") for nr in range(2000)}
    assert len(keys) == 2000
    assert all(first % module._WAYS == 0 and 0 <= first < len(cells._cells) for first, _ in keys)
    assert all(1 <= tag <= module._TAGS for _, tag in keys)
    assert cells.key("a 1") == cells.key("a 1")
    assert Cells().key("a 1") != cells.key("a 1")
