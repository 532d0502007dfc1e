"""A bar on a terminal that shows how far a transfer is.

Rule: nothing is drawn for what is sent before anybody could look.
"""

from gemd.gemctl.redrawn import INTERVAL, LONGEST_BAR, RedrawnLine, fill_bar
from gemd.protocol.quantities import format_size

_SMALL = 64 * 1024  # bytes
_MARK = "<=>"  # what wanders where nobody knows how much is to come


class ProgressBar(RedrawnLine):
    """It is called with the number of bytes that are done. `size` is None where nobody knows it."""

    def __init__(self, size: int | None) -> None:
        super().__init__(is_wanted=size is None or size > _SMALL)
        self._size = size

    def __call__(self, done: int) -> None:
        """Draw the bar, if it is time to."""
        if self._size is not None or done > _SMALL:
            self.draw(lambda seconds, columns: draw_bar(done, self._size, seconds, columns))


def draw_bar(done: int, size: int | None, seconds: float, columns: int) -> str:
    """ "[#######-------] 50 %, 1.5 MiB of 3.0 MiB, 512.0 KiB/s", in less than `columns`; without a size
    "[    <=>       ] 1.5 MiB, 512.0 KiB/s", which moves as time goes on."""
    speed = f", {format_size(int(done / seconds))}/s" if seconds > 0 else ""
    share = "" if size is None else f"{100 * done // size} %, "
    whole = "" if size is None else f" of {format_size(size)}"
    text = f"{share}{format_size(done)}{whole}{speed}"
    width = min(LONGEST_BAR, columns - len(text) - 4)
    if width < len(_MARK):
        return text[: columns - 1]
    if size is None:
        way = width - len(_MARK)
        at = way - abs(way - int(seconds / INTERVAL) % (2 * way or 1))
        return f"[{(' ' * at + _MARK).ljust(width)}] {text}"
    return f"{fill_bar(done, size, width)} {text}"
