"""The texts that a location has for gemd's own refusals (`errors`).

Rule: only what is raised is a refusal of gemd's; what scripts, applications and upstreams answer has their own words.
"""

from collections.abc import Callable, Mapping

from gemd.protocol.errors import GeminiError
from gemd.protocol.request import Request
from gemd.protocol.response import Answer, Helper, Pending, Response, Source
from gemd.protocol.upload import Intake
from gemd.responders.wrapped import WrappedAnswer

Texts = Mapping[int, str]  # by status
WordRefusal = Callable[[Request, GeminiError], GeminiError]  # the same, in the words of where the request leads


def reword(texts: Texts, find: Callable[[], Answer | Intake]) -> Answer | Intake:
    """What `find` finds; a refusal has the text for its status. Raises GeminiError."""
    try:
        answer = find()
    except GeminiError as refusal:
        raise reword_refusal(texts, refusal) from None
    return _wrap(texts, answer)


def _wrap(texts: Texts, answer: Answer | Intake) -> Answer | Intake:
    if isinstance(answer, Response):
        return answer
    return RewordedIntake(texts, answer) if isinstance(answer, Intake) else RewordedAnswer(texts, answer)


def reword_refusal(texts: Texts, refusal: GeminiError) -> GeminiError:
    """The refusal with the text for its status, if there is one."""
    text = texts.get(refusal.status)
    return refusal if text is None else GeminiError(text, refusal.status, refusal.reason)


def leave_words(_request: Request, refusal: GeminiError) -> GeminiError:
    """The refusal as it is, where there are no texts."""
    return refusal


class RewordedAnswer(WrappedAnswer):
    """A pending answer that may come to be a refusal; it is the body itself where that one becomes it."""

    def __init__(self, texts: Texts, answer: Pending) -> None:
        super().__init__(answer)
        self._texts = texts
        self._body: Source | None = None

    def settle(self) -> Answer | None:
        """What it comes to, which may be an intake. Raises GeminiError, with the location's text, and ClientLeft."""
        try:
            found = self._answer.settle()
        except GeminiError as refusal:
            raise reword_refusal(self._texts, refusal) from None
        if found is None:
            return None
        if not isinstance(found, Response):
            return _wrap(self._texts, found)  # type: ignore[return-value]
        if isinstance(found.body, bytes) or found.body is not self._answer:  # type: ignore[comparison-overlap]
            return found
        self._body = found.body
        return Response(found.status, found.meta, self)

    def read(self) -> bytes | None:
        """The next bytes of the body. Raises BrokenBody."""
        assert self._body is not None
        return self._body.read()


class RewordedIntake(Intake):
    """An intake whose refusals have them."""

    __slots__ = ("_intake", "_texts")

    def __init__(self, texts: Texts, intake: Intake) -> None:
        self._texts = texts
        self._intake = intake

    @property
    def size(self) -> int:
        """The intake's."""
        return self._intake.size

    @property
    def is_ready(self) -> bool:
        """Whether that is."""
        return self._intake.is_ready

    def begin(self, helper: Helper) -> None:
        """Begin it."""
        self._intake.begin(helper)

    def take(self, data: bytes) -> None:
        """The next bytes. Raises GeminiError, with the location's text."""
        try:
            self._intake.take(data)
        except GeminiError as refusal:
            raise reword_refusal(self._texts, refusal) from None

    def finish(self) -> Answer:
        """What is answered. Raises GeminiError, with the location's text."""
        answer = reword(self._texts, self._intake.finish)
        assert not isinstance(answer, Intake)  # a body follows once
        return answer

    def close(self) -> None:
        """Let go of it."""
        self._intake.close()
