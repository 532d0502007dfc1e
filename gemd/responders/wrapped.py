"""A pending answer in the place of another one, which is changed once it is there."""

from collections.abc import Collection

from gemd.protocol.response import Answer, Helper, Pending


class WrappedAnswer:
    """One whose `settle` says what becomes of the answer's."""

    def __init__(self, answer: Pending) -> None:
        self._answer = answer

    @property
    def descriptors(self) -> Collection[int]:
        """The answer's."""
        return self._answer.descriptors

    @property
    def deadline(self) -> float:
        """The answer's."""
        return self._answer.deadline

    def begin(self, helper: Helper) -> None:
        """Begin it."""
        self._answer.begin(helper)

    def settle(self) -> Answer | None:
        """What it comes to. Raises what the answer raises."""
        return self._answer.settle()

    def close(self) -> None:
        """Let go of it."""
        self._answer.close()
