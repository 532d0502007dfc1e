"""Questions on a terminal.

Rules: each shows what an empty answer means, and is asked again until there is one that can be used; without a terminal
nobody is asked.
"""

import sys
from collections.abc import Callable
from typing import TypeVar

from gemd.gemctl.failure import Failure
from gemd.gemctl.terminal import complain, escape

T = TypeVar("T")


def can_ask() -> bool:
    """Whether somebody is there who sees the question and can answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask_for(question: str, default: str, parse: Callable[[str], T]) -> T:
    """The answer as `parse` has it, which raises ValueError for one that can't be used. Raises Failure where the
    terminal ends."""
    while True:
        try:
            text = input(f"{question} [{escape(default)}]: ")
        except EOFError:
            print()
            raise Failure("nobody answers any more, so nothing was written") from None
        except KeyboardInterrupt:
            print()
            raise
        except UnicodeDecodeError:
            complain("that is no text in the terminal's encoding")
            continue
        try:
            return parse(text.strip() or default)
        except ValueError as error:
            complain(str(error))
