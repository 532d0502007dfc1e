"""The body of an upload on its way in: decrypted as it comes, counted, and handed to whoever takes it.

Rules: nothing here waits; no more is read than its intake takes at the moment, nor given to it than was announced; what
is encrypted badly is read in small pieces, so that nobody else waits for it long, and there is a bound on that.
"""

from typing import Protocol

from gemd.protocol.errors import BadRequest
from gemd.protocol.response import Helper
from gemd.protocol.upload import MAX_TAKEN, Intake
from gemd.system.tls import TLSConnection

_LEAST_PIECE = 1024  # octets from the socket at once, of a client that wastes them
_FIRST_PIECE = 4096
_MOST_PIECE = MAX_TAKEN
_RECORD_SIZE = 16 * 1024
_OVERHEAD = 64  # octets that a record may have beside what it holds: header, tag, some padding (RFC 8446, 5.4)
_SPARE = 2048  # octets beyond that, such as for new keys
_UNWRITTEN = 16 * 1024  # bytes that an intake may hold before it writes any
_UNREADY = 64 * 1024  # and about so many where it takes no more


class Line(Protocol):
    """What it comes by: a client's connection."""

    tls: TLSConnection

    def receive(self, size: int) -> bytes | None:
        """At most `size` octets; None when none are here, b"" at their end. Raises TLSError."""


class IncomingBody:
    """`size` bytes were announced, and `received` of them are here; `first` came along with the request line.

    Of octets it counts all, those that came since anything could be made of them (`_silent`), and those of the piece by
    which that was so last (`_tail`), the end of which may be part of a record.
    """

    __slots__ = (
        *("_before", "_first", "_has_ended", "_is_closed", "_octets", "_piece", "_records", "_silent", "_tail"),
        *("intake", "received", "size"),
    )

    def __init__(self, intake: Intake, first: bytes) -> None:
        self.intake = intake
        self.size = intake.size
        self.received = 0
        self._first: bytes | None = first
        self._before = 0
        self._has_ended = False
        self._is_closed = False
        self._octets = self._records = 0
        self._silent = self._tail = 0
        self._piece = _FIRST_PIECE

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are here that were announced, as far as was looked."""
        return self.received == self.size and self._first is None

    @property
    def is_over(self) -> bool:
        """Whether no more of it is to come, for it is whole or refused."""
        return self._is_closed or self.is_whole

    @property
    def account(self) -> str:
        """How far it got, in words."""
        return f"{self.received} of {self.size} bytes came"

    @property
    def held(self) -> int:
        """About how many bytes of memory it takes up: part of a record, and what waits for a disk."""
        if self.is_over:
            return 0
        unwritten = min(self.received, _UNWRITTEN) if self.intake.is_ready else _UNREADY
        return len(self._first or b"") + min(self._silent + self._tail, _RECORD_SIZE) + unwritten

    # Progress

    @property
    def progress(self) -> int:
        """How many bytes have come since the last `note_progress`."""
        return self.received - self._before

    def note_progress(self) -> None:
        """Count progress from now on."""
        self._before = self.received

    # What comes

    def begin(self, helper: Helper) -> None:
        """Have the intake begin."""
        self.intake.begin(helper)

    def receive(self, line: Line) -> bool:
        """Give the intake a piece of what is here; False where nothing is. Raises BadRequest (59) where more comes than
        was announced, or less, what else the intake raises, and TLSError."""
        if self._first is not None:
            data, self._first = self._first + self._decrypt(line), None
            if data or self._has_ended:
                self._take(data)
                return True
        octets = line.receive(self._piece)
        if octets is None:
            return False
        self._take(self._read(line, octets))
        return True

    def look_behind(self, line: Line) -> None:
        """Once it is whole: see whether more is here. Raises BadRequest (59), and TLSError."""
        if not self._has_ended:
            octets = line.receive(_FIRST_PIECE)
            if octets and self._read(line, octets):
                raise self._explain_excess()

    def _read(self, line: Line, octets: bytes) -> bytes:
        """What these hold, or the end."""
        if not octets:
            self._has_ended = True
            return b""
        line.tls.feed(octets)
        data = self._decrypt(line)
        self._octets += len(octets)
        self._silent += len(octets)
        if data:
            self._piece = min(2 * self._piece, _MOST_PIECE) if 2 * len(data) >= self._silent else _LEAST_PIECE
            self._silent, self._tail = 0, len(octets)
        spare = _RECORD_SIZE + _SPARE
        most = 2 * (self.received + len(data)) + _OVERHEAD * self._records + spare
        if self._silent > spare or self._octets > most:
            raise BadRequest("Too little of what comes is the upload itself")
        return data

    def _decrypt(self, line: Line) -> bytes:
        """All that TLS has of it."""
        pieces = []
        while data := line.tls.receive(_RECORD_SIZE):
            pieces.append(data)
        self._has_ended = self._has_ended or data is not None
        self._records += len(pieces)
        return b"".join(pieces)

    def _take(self, data: bytes) -> None:
        if self.received + len(data) > self.size:
            raise self._explain_excess()
        for start in range(0, len(data), MAX_TAKEN):
            self.intake.take(data[start : start + MAX_TAKEN])
        self.received += len(data)
        if self._has_ended and self.received < self.size:
            raise BadRequest(f"Only {self.account}")

    def _explain_excess(self) -> BadRequest:
        return BadRequest(f"More than {self.size} bytes came")

    def close(self) -> None:
        """Let go of it, if that was not done yet."""
        if not self._is_closed:
            self._is_closed = True
            self._first = None
            self.intake.close()
