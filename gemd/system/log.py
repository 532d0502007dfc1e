"""The error log and the access log of a generation.

Rules: a record is one line, and each line of a traceback one more, whatever a message or an exception says: what could
end a line or steer a terminal is an escape; a log that can't be opened changes nothing.
"""

import contextlib
import logging
import os
import time
import traceback
from collections.abc import Iterator

from gemd.config.settings import Log
from gemd.protocol.characters import escape
from gemd.system.sinks import DescriptorSink, LogError, Sink, SyslogSink, connect_syslog, open_log_file, open_sink

__all__ = ["LogError", "Logs", "describe_error", "error_log", "use_error_sink"]

error_log = logging.getLogger("gemd")

_HEAD = "Traceback (most recent call last):"
_INDENT = "    "


class _SinkHandler(logging.Handler):
    """Records of the logging module to a sink: the message is a line, and so is each line of a traceback."""

    def __init__(self, sink: Sink, *, is_dated: bool) -> None:
        super().__init__()
        self.sink = sink
        self._is_dated = is_dated

    def emit(self, record: logging.LogRecord) -> None:
        """Write "2026-01-31 12:00:00 gemd[pid] warning: text"; syslog adds date and name of its own."""
        head = f"{record.levelname.lower()}: {escape(record.getMessage())}"
        if self._is_dated:
            head = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(record.created))} gemd[{record.process}] {head}"
        self.sink.write(head, record.levelno)
        error = record.exc_info[1] if record.exc_info else None
        for line in describe_error(error) if error is not None else ():
            self.sink.write(line, record.levelno)


def describe_error(error: BaseException) -> Iterator[str]:
    """The lines of its traceback, and of those that led to it. Nothing that an exception says begins a line: its own
    line ends are escapes, and its notes are indented."""
    has_said = False  # the exception's own line is there, and what follows are its notes
    for chunk in traceback.TracebackException.from_exception(error).format():
        text = chunk.removesuffix("\n")
        if text.startswith("\n"):  # what stands between two exceptions
            has_said = False
            yield from ("", text.strip("\n"), "")
        elif text.startswith(" "):
            yield from (escape(line if line.startswith(" ") else _INDENT + line) for line in text.split("\n"))
        elif text == _HEAD and not has_said:
            yield text
        elif text:
            yield (_INDENT if has_said else "") + escape(text)
            has_said = True


def use_error_sink(sink: Sink, level: str, *, is_syslog: bool = False) -> None:
    """Send `error_log` to this sink from now on."""
    error_log.setLevel(level.upper())
    error_log.propagate = False
    for old in error_log.handlers[:]:
        error_log.removeHandler(old)
    error_log.addHandler(_SinkHandler(sink, is_dated=not is_syslog))


class Logs:
    """The two logs. A target that `former` logs have too is not opened again, but shared with them.

    Raises LogError, and then nothing has changed.
    """

    def __init__(self, settings: Log, former: "Logs | None" = None) -> None:
        self.settings = settings
        is_known = former is not None and former.settings.access == settings.access
        self.access: Sink = former.access if former is not None and is_known else open_sink(settings.access)
        try:
            is_error_known = former is not None and former.settings.error == settings.error
            self.error: Sink = former.error if former is not None and is_error_known else open_sink(settings.error)
        except LogError:
            if not is_known:
                self.access.close()
            raise

    @property
    def dropped(self) -> int:
        """Lines that could not be written by this process."""
        return self.access.dropped + self.error.dropped

    def use(self) -> None:
        """Send `error_log` here, and connect to syslog if need be: from a chroot it is too late."""
        if any(isinstance(sink, SyslogSink) for sink in (self.access, self.error)):
            connect_syslog()
        use_error_sink(self.error, self.settings.level, is_syslog=self.settings.error == "syslog")

    def files(self) -> dict[str, DescriptorSink]:
        """The logs that are files, by name: "access", "error"."""
        sinks = {"access": self.access, "error": self.error}
        return {name: s for name, s in sinks.items() if isinstance(s, DescriptorSink) and s.path is not None}

    def reopen(self) -> None:
        """Open the files again by their names, which others have after a rotation.

        Raises LogError, and then every log goes where it went.
        """
        opened: list[tuple[DescriptorSink, int]] = []
        try:
            for sink in self.files().values():
                assert sink.path is not None
                opened.append((sink, open_log_file(sink.path)))
        except LogError:
            for _, descriptor in opened:
                os.close(descriptor)
            raise
        for sink, descriptor in opened:
            sink.move_to(descriptor)

    def close_all_but(self, kept: "Logs | None") -> None:
        """Close what `kept` does not share."""
        shared = (kept.access, kept.error) if kept else ()
        for sink in (self.access, self.error):
            if not any(sink is other for other in shared):
                with contextlib.suppress(OSError):
                    sink.close()
