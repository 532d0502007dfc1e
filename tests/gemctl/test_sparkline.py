import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.gemctl.sparkline import draw_bars, draw_sparkline, find_bars, find_scale

BLOCKS = "▁▂▃▄▅▆▇█"


def test_blocks_where_the_encoding_has_them():
    assert find_bars("utf-8") == BLOCKS
    assert [find_bars(name) for name in ("ascii", "iso8859-1", None, "klingon")] == ["_.-:=+*#"] * 4


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([], 1),
        ([None], 1),
        ([0.0], 1),
        ([0.3], 1),
        ([1.0], 1),
        ([1.01], 2),
        ([5.5, 2], 10),
        ([10.1], 20),
        ([501], 1000),
    ],
)
def test_the_scale_is_a_round_number_above_all(values, scale):
    assert find_scale(values) == scale


def test_zero_is_the_lowest_and_alone_in_that():
    assert draw_bars([0.0, 0.001, 50.0, 100.0, None, 0.0], 100, BLOCKS) == "▁▂▅█ ▁"


def test_the_last_values_that_have_room_and_what_they_mean():
    assert draw_sparkline([1.0] * 99 + [0.0, 10.0], 30, 2.0, BLOCKS) == "▂▂▂▂▁█ 0 to 10/s, one each 2 s"
    assert draw_sparkline([], 30, 0.5, BLOCKS) == " 0 to 1/s, one each 0.5 s"


def test_what_has_left_does_not_count_for_the_scale():
    assert draw_sparkline([9000.0, *[1.0] * 40], 40, 2.0, BLOCKS).endswith("█ 0 to 1/s, one each 2 s")


@given(
    st.lists(st.none() | st.floats(0, 1e12), max_size=60),
    st.integers(-5, 100),
    st.sampled_from([BLOCKS, find_bars("ascii")]),
)
def test_any_values_have_bars_and_no_more_columns_than_there_are(values, columns, bars):
    drawn = draw_sparkline(values, columns, 2.0, bars)
    line, _, label = drawn.rpartition(" 0 to ")
    assert set(line) <= set(bars) | {" "}
    assert len(line) <= 1 or len(drawn) <= columns
    assert label.endswith("/s, one each 2 s")
