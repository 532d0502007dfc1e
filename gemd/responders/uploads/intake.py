"""Taking the body of an upload into a file, and answering once all of it is there.

Rules: nothing here waits for a disk; where it is full the client hears so as soon as it is known. What was taken is
there until the answer is over.
"""

import errno
import sys
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future

from gemd.protocol.errors import GeminiError, Overloaded
from gemd.protocol.response import Answer, Helper, Pending, Response
from gemd.protocol.upload import Intake, UploadBody
from gemd.system.log import error_log
from gemd.system.spool import SMALL_SIZE, Spool

_TIMEOUT = 60.0  # seconds, where a disk does not answer
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY = "; to a service of systemd it is one but for ReadWritePaths="
_FORBIDDEN = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def explain_spool_failure(failure: OSError, url: str) -> GeminiError:
    """What to answer where an upload to a URL can't be kept: the refusal that has led to it, 41 without a thread, else
    40; the error log says why."""
    if isinstance(failure.__cause__, GeminiError):
        return failure.__cause__
    if failure.errno == errno.EAGAIN:
        return Overloaded(reason="descriptors")
    hint = _READ_ONLY if failure.errno == errno.EROFS else ""
    error_log.error("an upload to %s can't be kept: %s%s", error_log.show_url(url), failure.strerror, hint)
    if failure.errno in _FULL:
        return GeminiError("There is no room for the upload")
    if failure.errno in _FORBIDDEN:
        return GeminiError("Uploads can't be stored here at the moment")
    return GeminiError("The upload can't be stored at the moment")


class SpooledIntake(Intake):
    """`size` bytes for a URL. `answer` says what is answered once all were given, from the spool, which is there until
    that is over."""

    __slots__ = ("_answer", "_size", "_spool", "_url")

    def __init__(self, size: int, url: str, spool: Spool, answer: Callable[[Spool], Pending]) -> None:
        self._size = size
        self._url = url
        self._spool = spool
        self._answer = answer

    @property
    def size(self) -> int:
        """How many bytes the client has announced."""
        return self._size

    @property
    def is_ready(self) -> bool:
        """Whether it takes more at the moment."""
        return self._spool.is_ready

    def begin(self, helper: Helper) -> None:
        """Where much is to come, see at once whether there is room."""
        self._spool.begin(helper)
        if self._size > SMALL_SIZE:
            self._spool.open()

    def take(self, data: bytes) -> None:
        """The next bytes. Raises GeminiError where those before can't be kept."""
        self._check()
        self._spool.write(data)

    def finish(self) -> Pending:
        """What becomes of it. Raises GeminiError."""
        self._check()
        return self._answer(self._spool)

    def _check(self) -> None:
        if self._spool.failure is not None:
            raise explain_spool_failure(self._spool.failure, self._url)

    def close(self) -> None:
        """Let go of what was taken."""
        self._spool.close()


class EmptyIntake(Intake):
    """Of an upload of no bytes: `answer`, which begins once it is seen that no more came."""

    __slots__ = ("_answer", "_is_given")

    def __init__(self, answer: Pending) -> None:
        self._answer = answer
        self._is_given = False

    @property
    def size(self) -> int:
        """None are to come."""
        return 0

    @property
    def is_ready(self) -> bool:
        """Whether it takes more at the moment."""
        return True

    def begin(self, _helper: Helper) -> None:
        """Nothing begins before its end."""

    def take(self, _data: bytes) -> None:
        """Nothing comes."""

    def finish(self) -> Pending:
        """What was to be answered."""
        self._is_given = True
        return self._answer

    def close(self) -> None:
        """Let go of the answer, if nobody else does."""
        if not self._is_given:
            self._answer.close()


class StoredAnswer:
    """`store` is called by a thread with the descriptor of all that came, and has the answer; it may raise GeminiError
    and OSError."""

    descriptors: Collection[int] = ()

    def __init__(self, spool: Spool, url: str, store: Callable[[int], Response]) -> None:
        self.deadline = time.monotonic() + _TIMEOUT
        self._spool = spool
        self._url = url
        self._store = store
        self._outcome: Future[Response] = Future()

    def begin(self, _helper: Helper) -> None:
        """Have it stored."""
        self._spool.finish(self._work)

    def _work(self, descriptor: int) -> None:
        """Runs in a thread of the pool."""
        try:
            self._outcome.set_result(self._store(descriptor))
        except (GeminiError, OSError) as refusal:
            self._outcome.set_exception(refusal)
        finally:
            if not self._outcome.done():  # a fault, which ends the thread as well
                self._outcome.set_exception(sys.exception())

    def settle(self) -> Response | None:
        """The answer, once all is stored. Raises GeminiError."""
        failure = self._spool.failure
        if failure is None and not self._outcome.done():
            _check_deadline(self.deadline)
            return None
        if failure is not None:
            raise explain_spool_failure(failure, self._url)
        try:
            return self._outcome.result()
        except OSError as error:
            raise explain_spool_failure(error, self._url) from None

    def close(self) -> None:
        """A thread that is at work stores it nevertheless."""


class ReceivedAnswer:
    """`respond` is called in the event loop with all that came, and says what is answered; it may raise GeminiError."""

    descriptors: Collection[int] = ()

    def __init__(self, spool: Spool, url: str, respond: Callable[[UploadBody], Answer]) -> None:
        self.deadline = time.monotonic() + _TIMEOUT
        self._spool = spool
        self._url = url
        self._respond = respond
        self._descriptor: int | None = None

    def begin(self, _helper: Helper) -> None:
        """Have the last of it written."""
        self._spool.finish(self._have)

    def _have(self, descriptor: int) -> None:
        """Runs in a thread of the pool."""
        self._descriptor = descriptor

    def settle(self) -> Answer | None:
        """The answer, once all is here. Raises GeminiError."""
        if self._spool.failure is not None:
            raise explain_spool_failure(self._spool.failure, self._url)
        if self._descriptor is None:
            _check_deadline(self.deadline)
            return None
        return self._respond(UploadBody(self._descriptor, self._spool.size))

    def close(self) -> None:
        """Nothing here is its own."""


def _check_deadline(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise GeminiError("This takes too long at the moment")
