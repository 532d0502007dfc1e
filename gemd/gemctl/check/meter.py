"""How far a check is, on a terminal."""

from gemd.gemctl.redrawn import LONGEST_BAR, RedrawnLine, fill_bar
from gemd.gemctl.terminal import escape


class Meter(RedrawnLine):
    """It is called with what is done, with all that is known of, and in words with what is next."""

    def __call__(self, done: int, known: int, what: str) -> None:
        """Draw the bar, if it is time to."""
        self.draw(lambda _, columns: draw_meter(done, known, escape(what), columns))


def draw_meter(done: int, known: int, what: str, columns: int) -> str:
    """ "[#######-------] 20 of 40, /a/page.gmi", in less than `columns`."""
    bar = fill_bar(done, known, min(LONGEST_BAR, columns // 3))
    return f"{bar} {done} of {known}, {what}"[: columns - 1]
