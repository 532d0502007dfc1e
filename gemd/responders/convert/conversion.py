"""One run of a converter: the file is its standard input, and what it writes is the page, once all of it is there.

Rules: a page is whole or there is none; it is bounded, not empty, and in the charset that it is said to have; the
client learns that it failed, the error log why.
"""

from collections.abc import Collection

from gemd.config.script_settings import ScriptSettings
from gemd.protocol.errors import CGIError
from gemd.responders.cgi.program_run import ProgramRun
from gemd.responders.cgi.start import ScriptStart
from gemd.system.log import error_log
from gemd.system.script_output import ScriptError
from gemd.system.script_threads import ScriptThreads

MAX_PAGE = 4 * 1024 * 1024  # bytes
FAILED = "The page could not be converted"  # all that a client is told

_MAX_PIECES = 8  # at once, so that others have their turn


class Conversion(ProgramRun):
    """What is begun by `start`, and ended by `threads`; `is_utf8` says that its output has to be that."""

    def __init__(
        self,
        start: ScriptStart,
        who: str,
        settings: ScriptSettings,
        max_output: int,
        threads: ScriptThreads,
        *,
        is_utf8: bool,
    ) -> None:
        super().__init__(start, who, settings, max_output, threads)
        self._is_utf8 = is_utf8
        self._pieces: list[bytes] = []

    @property
    def descriptors(self) -> Collection[int]:
        """The program's."""
        return self._start.descriptors

    @property
    def deadline(self) -> float:
        """When its time is over."""
        return self._find_deadline(self._end_at if self._start.has_turn else self._header_at)

    def find_page(self) -> bytes | None:
        """The page, once it is there. Raises CGIError (42) where there will be none, and Overloaded (41) where its turn
        does not come."""
        self._start.refuse_late(self._header_at)
        try:
            return self._find_page()
        except ScriptError as error:
            error_log.error("%s %s", self._who, error)
            raise CGIError(FAILED) from None

    def _find_page(self) -> bytes | None:
        for _ in range(_MAX_PIECES):
            piece = self._read_piece()
            if piece is None:
                return None
            if not piece:
                page = b"".join(self._pieces)
                self._judge(page)
                self._has_answered = True
                return page
            self._pieces.append(piece)
            if self._size > MAX_PAGE:
                raise ScriptError(f"wrote more than {MAX_PAGE} bytes")
        return None

    def _judge(self, page: bytes) -> None:
        """Raise ScriptError for what is no page."""
        if not page:
            raise ScriptError("wrote nothing")
        if self._is_utf8:
            try:
                page.decode()
            except UnicodeDecodeError as error:
                raise ScriptError(f"wrote what is not UTF-8, at byte {error.start}") from None
