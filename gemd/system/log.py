"""The error log of this process.

Rules: nothing of the logging module is used, whose configuration is an application's; a message is one line, and each
line of a traceback one more, whatever a message or an exception says: what could end a line or steer a terminal is an
escape.
"""

import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Protocol

from gemd.protocol.characters import escape
from gemd.protocol.redaction import hide_input, hide_secrets
from gemd.system.level import Level
from gemd.system.repetition import Repetitions

_HEAD = "Traceback (most recent call last):"
_INDENT = "    "
_MAX_TEXT = 4096  # characters of a line that waits to be written; a log cuts at as many bytes
_MAX_TRACEBACK = 200  # lines of one: all that a recursion has would push other lines out of a log that may hold 4096
_MAX_URL = 1024  # of a URL in a message, so that what follows it is not cut


class _Target(Protocol):
    """Where the lines go."""

    def write(self, line: str, level: Level) -> None:
        """Write one line."""

    def hasten(self) -> None:
        """Wait a moment for what was written."""


class ErrorLog:
    """Takes messages, which are formatted as with `%`. Lines below `level` are left out.

    Until `use` says where to, lines go to standard error.
    """

    def __init__(self) -> None:
        self.level = Level.WARNING
        self._target: _Target | None = None
        self._is_dated = False
        self._shows_queries = False
        self._repetitions: Repetitions[tuple[Level, str, str]] = Repetitions()

    def use(self, target: _Target, level: Level, *, is_dated: bool, shows_queries: bool) -> None:
        """Write there from now on; `is_dated` says that each line there has time and process already."""
        self._target, self.level = target, level
        self._is_dated = is_dated
        self._shows_queries = shows_queries

    def debug(self, message: str, *values: object, exc_info: BaseException | None = None) -> None:
        """What only developers want to know."""
        self.log(Level.DEBUG, message, *values, exc_info=exc_info)

    def info(self, message: str, *values: object, exc_info: BaseException | None = None) -> None:
        """What happens, as it should or by a client's fault."""
        self.log(Level.INFO, message, *values, exc_info=exc_info)

    def warning(self, message: str, *values: object, exc_info: BaseException | None = None) -> None:
        """What the operator should know of."""
        self.log(Level.WARNING, message, *values, exc_info=exc_info)

    def error(self, message: str, *values: object, exc_info: BaseException | None = None) -> None:
        """What the operator should act on."""
        self.log(Level.ERROR, message, *values, exc_info=exc_info)

    def exception(self, message: str, *values: object) -> None:
        """The same, with the traceback of the exception that is being handled."""
        self.log(Level.ERROR, message, *values, exc_info=sys.exception())

    def log(self, level: Level, message: str, *values: object, exc_info: BaseException | None = None) -> None:
        """Write a message, and the traceback of `exc_info` if there is one."""
        if level >= self.level:
            self.emit(level, message % values if values else message, exc_info)

    def emit(self, level: Level, text: str, error: BaseException | None) -> None:
        """Write a message that is to be written, unless it was too often of late."""
        now = time.monotonic()
        self._settle(now)
        if self._repetitions.note((level, text[:_MAX_TEXT], _where(error)), now):
            self._write(level, text)
            for line in _shorten(list(describe_error(error))) if error is not None else ():
                self._write_line(line, level)
            if self._target is not None and level >= Level.WARNING:
                self._target.hasten()

    def pass_on(self, text: str, level: Level, pid: int, *, goes_on: bool) -> None:
        """Write a line that another process of gemd says, which goes on with the one before or begins. What goes on
        is indented, but for the head of a traceback."""
        if level < self.level:
            return
        if goes_on:
            self._write_line(escape(text if text.startswith(" ") or text == _HEAD else _INDENT + text), level)
        else:
            # Where pids are somebody else's to add, each line has this process's own.
            self._write(level, f"(pid {pid}) {text}" if self._is_dated else text, pid)

    def settle(self) -> None:
        """Say how often what was left out. To be called now and then, for there may be nothing else to say."""
        self._settle(time.monotonic())

    def finish(self) -> None:
        """Say it at once: this process ends."""
        self._settle(math.inf)

    def _settle(self, now: float) -> None:
        for (level, text, _), number in self._repetitions.take_over(now):
            self._write(level, f"{text} ({'once' if number == 1 else f'{number} times'} more)")

    def forget(self) -> None:
        """Begin anew, in a process that was forked: what was left out before is the other one's to say."""
        self._repetitions = Repetitions()

    def show_url(self, url: str) -> str:
        """A URL as a message may quote it: without what somebody typed in, unless that is wanted."""
        shown = hide_secrets(url) if self._shows_queries else hide_input(url)
        return repr(shown if len(shown) <= _MAX_URL else shown[: _MAX_URL - 3] + "...")

    def _write(self, level: Level, text: str, pid: int | None = None) -> None:
        """Write "2026-01-31 12:00:00 gemd[pid] warning: text", the beginning only where nobody else adds it."""
        line = f"{level.word}: {escape(text)}"
        if self._target is not None and not self._is_dated:
            line = f"{_now()} gemd[{pid or os.getpid()}] {line}"
        self._write_line(line, level)

    def _write_line(self, line: str, level: Level) -> None:
        if self._target is not None:
            self._target.write(line[:_MAX_TEXT], level)
        else:
            print(f"gemd: {line[:_MAX_TEXT]}", file=sys.stderr)


error_log = ErrorLog()


def log_thread_fault(ended: threading.ExceptHookArgs) -> None:
    """Log what has ended a thread, of gemd's or an application's: a `threading.excepthook`."""
    if ended.exc_type is not SystemExit:
        name = ended.thread.name if ended.thread is not None else "that is gone"
        error_log.error("a fault in the thread %s", name, exc_info=ended.exc_value)


def _now() -> str:
    """The local time. Not by strftime(3), which follows the locale."""
    year, month, day, hour, minute, second, *_ = time.localtime()
    return f"{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"


def _where(error: BaseException | None) -> str:
    """What kind of error it is, and the line that raised it: equal errors have the same."""
    if error is None:
        return ""
    trace, name = error.__traceback__, type(error).__name__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return name if trace is None else f"{name} {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _shorten(lines: list[str]) -> list[str]:
    """The beginning and the end of what has too many lines."""
    left = len(lines) - _MAX_TRACEBACK
    if left <= 0:
        return lines
    half = _MAX_TRACEBACK // 2
    return [*lines[:half], f"{_INDENT}({left} lines are left out)", *lines[-half:]]


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
