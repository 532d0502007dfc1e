"""What an operator can mend: the base of errors that may be about a key of the configuration.

Rule: who raises it need not know the key; who knows it says so by `about`, and where that key stands is found out once
there is something to tell.
"""

import contextlib
from collections.abc import Iterator

from gemd.config.origin import Origin


class Mistake(Exception):
    """Something is wrong. `key` is the path of the key that it is about, and `origin` where that is; `place` is what a
    key may name, an address or the target of a log."""

    key: str | None = None
    place: str | None = None
    origin: Origin | None = None

    @property
    def text(self) -> str:
        """What is wrong, alone."""
        return super().__str__()

    def __str__(self) -> str:
        if self.origin is not None:
            return self.origin.say(self.text)
        return f"{self.key}: {self.text}" if self.key else self.text


_under_way: list[str] = []  # the innermost one last


def key_under_way() -> str:
    """What a mistake would be about that is raised now; nothing where that is not said."""
    return _under_way[-1] if _under_way else ""


@contextlib.contextmanager
def about(key: str) -> Iterator[None]:
    """A mistake that is raised within is about this key, unless it is about another one."""
    _under_way.append(key)
    try:
        yield
    except Mistake as mistake:
        if mistake.key is None:
            mistake.key = key
        raise
    finally:
        _under_way.pop()
