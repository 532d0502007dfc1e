"""What takes a while to work out, in a thread of the pool: an answer, or what is needed for one.

Rules: what the thread raises is raised again where the answer is taken; what nobody takes is let go of, or never
begun. Of a kind one at a time computes, in turn by client: more would take the interpreter from each other, and all of
them from the event loop.
"""

import sys
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Generic, TypeVar

from gemd.protocol.errors import GeminiError, Overloaded
from gemd.protocol.response import Helper, Response
from gemd.responders.turns import Turns

_TIMEOUT = 60.0  # seconds, where a disk does not answer

_T = TypeVar("_T")

_turns = Turns()  # in this worker


class Computed(Generic[_T]):
    """`compute` works it out; it may raise GeminiError. It has one of the `turns` meanwhile."""

    descriptors: Collection[int] = ()

    def __init__(self, compute: Callable[[], _T], turns: Turns = _turns) -> None:
        self.deadline = time.monotonic() + _TIMEOUT
        self._compute = compute
        self._turns = turns
        self._outcome: Future[_T] = Future()
        self._is_taken = False
        self._give_up_turn: Callable[[], None] | None = None

    def begin(self, helper: Helper) -> None:
        """Hand the work to a thread, if there are any."""
        self._give_up_turn = helper.run(lambda: self._work(helper))
        if self._give_up_turn is None:
            self._outcome.set_exception(Overloaded())

    def _work(self, helper: Helper) -> None:
        """Runs in a thread of the pool."""
        if self._outcome.cancelled():
            return  # without a wait
        with self._turns.turn_of(helper.client), helper.show():
            if self._outcome.set_running_or_notify_cancel():
                self._find_outcome()

    def _find_outcome(self) -> None:
        try:
            self._outcome.set_result(self._compute())
        except GeminiError as refusal:
            self._outcome.set_exception(refusal)
        finally:
            if not self._outcome.done():  # a fault, which ends the thread as well
                self._outcome.set_exception(sys.exception())

    def settle(self) -> _T | None:
        """What was worked out, once the thread is done, else None. Raises what that has raised, and GeminiError when it
        takes too long."""
        if not self._outcome.done():
            if time.monotonic() >= self.deadline:
                raise GeminiError("This takes too long at the moment")
            return None
        self._is_taken = True
        return self._outcome.result()

    def close(self) -> None:
        """A thread that is at work finishes it for nobody, and then closes what it has opened."""
        if not self._is_taken and not self._outcome.cancel():
            self._outcome.add_done_callback(_let_go)
        if self._give_up_turn is not None:
            self._give_up_turn()


def _let_go(outcome: "Future[_T]") -> None:
    """Close the body that nobody took."""
    if outcome.exception() is None:
        response = outcome.result()
        if isinstance(response, Response) and not isinstance(response.body, bytes):
            response.body.close()
