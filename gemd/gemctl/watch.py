"""The status again and again, with what there is of it a second: redrawn in place on a terminal, else a line each time.

Rule: a server that can't be asked for a while is told, and looked for again.
"""

import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import TextIO

from gemd.gemctl.failure import Failure
from gemd.gemctl.observation import Observation
from gemd.gemctl.rates import look
from gemd.gemctl.report import render_status, summarise_status
from gemd.gemctl.screen import Screen, can_draw
from gemd.gemctl.sparkline import draw_sparkline, find_bars
from gemd.gemctl.status import Status
from gemd.gemctl.terminal import escape
from gemd.system.deadline import Deadline

_LABEL = f"  {'requests/s':<15}"


def watch(ask_status: Callable[[], Status], seconds: float, output: TextIO) -> None:
    """Show the status every `seconds` until Ctrl-C or SIGTERM. Raises Failure if it can't be had the first time."""
    previous = signal.signal(signal.SIGTERM, _leave)
    try:
        seen = Observation(look(ask_status))
        if can_draw(output):
            _watch_on_screen(seen, ask_status, seconds, output)
        else:
            _watch_in_lines(seen, ask_status, seconds, output)
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, previous)


def _watch_on_screen(seen: Observation, ask_status: Callable[[], Status], seconds: float, output: TextIO) -> None:
    bars = find_bars(output.encoding)
    with Screen(output) as screen:
        while True:
            screen.draw(_drawing(seen, screen.columns, seconds, bars))
            deadline = Deadline(seconds)
            while screen.wait(deadline):
                screen.draw(_drawing(seen, screen.columns, seconds, bars))
            _look_again(seen, ask_status)


def _watch_in_lines(seen: Observation, ask_status: Callable[[], Status], seconds: float, output: TextIO) -> None:
    while True:
        output.write(_line(seen) + "\n")
        output.flush()
        seen.events.clear()
        time.sleep(seconds)
        _look_again(seen, ask_status)


def _look_again(seen: Observation, ask_status: Callable[[], Status]) -> None:
    try:
        seen.take(look(ask_status))
    except Failure as failure:
        seen.miss(failure)


def _drawing(seen: Observation, columns: int, seconds: float, bars: str) -> str:
    lines = [_LABEL + draw_sparkline(tuple(seen.requests), columns - len(_LABEL), seconds, bars)]
    lines += map(str, seen.events)
    if seen.away:
        return "\n".join((*map(escape, seen.away), *lines))
    return render_status(seen.status, seen.rates, lines)


def _line(seen: Observation) -> str:
    """ "2026-11-27 12:00:00 serving: 12.5 requests/s, ...", and what has become of the server since the last one."""
    what = escape("; ".join(seen.away)) if seen.away else summarise_status(seen.status, seen.rates)
    events = "" if seen.away else "".join(f"; {event.text}" for event in seen.events)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S')} {what}{events}"


def _leave(_number: int, _where: FrameType | None) -> None:
    sys.exit(0)
