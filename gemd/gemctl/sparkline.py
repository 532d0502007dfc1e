"""A line of small bars, one for each of the last values.

Rules: 0 is the lowest bar, and anything more is higher; the scale is a round number that is said beside the bars. What
is not known is a gap.
"""

from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_PLAIN = "_.-:=+*#"
_ROUND = (1, 2, 5, 10)


def find_bars(encoding: str | None) -> str:
    """From the lowest to the highest, in characters that this encoding has."""
    try:
        _BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _PLAIN
    return _BLOCKS


def find_scale(values: Sequence[float | None]) -> int:
    """The least of 1, 2, 5, 10, 20, 50 and so on that no value is above."""
    highest, power = max((value for value in values if value is not None), default=0.0), 1
    while highest > 10 * power:
        power *= 10
    return next(step * power for step in _ROUND if highest <= step * power)


def draw_bars(values: Sequence[float | None], scale: int, bars: str) -> str:
    """One character for each value from 0 to `scale`."""
    return "".join(_draw_bar(value, scale, bars) for value in values)


def draw_sparkline(values: Sequence[float | None], columns: int, seconds: float, bars: str) -> str:
    """ "▁▂▄█▁ 0 to 50/s, one each 2 s", of as many of the last values as have room in `columns`."""
    room = max(1, columns - len(_label(find_scale(values), seconds)))
    shown = values[-room:]
    scale = find_scale(shown)
    return draw_bars(shown, scale, bars) + _label(scale, seconds)


def _label(scale: int, seconds: float) -> str:
    return f" 0 to {scale:,}/s, one each {seconds:g} s"


def _draw_bar(value: float | None, scale: int, bars: str) -> str:
    if value is None:
        return " "
    if value <= 0:
        return bars[0]
    highest = len(bars) - 1
    return bars[min(highest, 1 + int(value / scale * highest))]
