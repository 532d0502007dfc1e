"""An answer that depends on a judgement which takes a while: a thread judges, then the event loop goes on.

Rule: what is decided after the judgement is decided in the event loop, as it is where there is none.
"""

from collections.abc import Callable, Collection

from gemd.protocol.response import Answer, Helper
from gemd.protocol.upload import Intake
from gemd.responders.computed import Computed
from gemd.responders.turns import Turns

# For one answer: each step, rule and file of descriptions needs one. Who needs more has them change all the time.
MAX_JUDGEMENTS = 200

_turns = Turns()  # apart from that of listings, which may wait for a disk


class Unjudged(Exception):
    """A judgement is needed that takes a while: once a thread has called `judge`, the same question has an answer."""

    def __init__(self, judge: Callable[[], object]) -> None:
        super().__init__()
        self.judge = judge

    def wait(self, go_on: Callable[[], Answer | Intake]) -> Answer:
        """The answer that waits for it, and is what `go_on` finds then."""
        return Judged(self.judge, go_on)


class Judged:
    """`judge` may raise GeminiError, which is the answer then; else `go_on` finds it, or raises GeminiError. It has one
    of the `turns` meanwhile."""

    descriptors: Collection[int] = ()

    def __init__(
        self, judge: Callable[[], object], go_on: Callable[[], Answer | Intake], turns: Turns = _turns
    ) -> None:
        self._judgement = Computed(lambda: (judge(),), turns)
        self._go_on = go_on

    @property
    def deadline(self) -> float:
        """When to ask again at the latest."""
        return self._judgement.deadline

    def begin(self, helper: Helper) -> None:
        """Hand the judgement to a thread, if one is free."""
        self._judgement.begin(helper)

    def settle(self) -> Answer | None:
        """The answer or intake, once it is judged. Raises what the thread has raised, and what `go_on` does."""
        return None if self._judgement.settle() is None else self._go_on()  # type: ignore[return-value]

    def close(self) -> None:
        """A thread that is at work finishes it for nobody."""
        self._judgement.close()
