"""The logs of a generation, each by its target.

Rules: a target that two generations have, or two locations, is opened once; a log that can't be opened changes nothing.
"""

import contextlib
import os
import time
from collections.abc import Collection

from gemd.config.settings import Log
from gemd.system.level import Level
from gemd.system.line_log import LineLog, NoLog
from gemd.system.log import error_log
from gemd.system.log_file import LogError, open_log_file
from gemd.system.sinks import DescriptorSink, open_sink
from gemd.system.standard_streams import StandardStreams
from gemd.system.syslog_sink import SyslogSink

_PAUSE = 0.1  # seconds for which a worker gathers lines of the access log: waking a thread costs more than a line
_PATIENCE = 0.5  # seconds for a pipe, the journal or syslog, if there is much to read at once


class Logs:
    """Those of `settings`, and `files` that locations have of their own. What `former` logs have too is shared with
    them.

    Raises LogError, and then nothing has changed.
    """

    def __init__(self, settings: Log, files: Collection[str] = (), former: "Logs | None" = None) -> None:
        self.settings = settings
        self.streams: StandardStreams = former.streams if former is not None else StandardStreams()
        self._logs: dict[str, LineLog | NoLog] = {}
        shared = former.shared_with(settings) if former is not None else {}
        try:
            for target in dict.fromkeys((settings.access, settings.error, *files)):
                self._logs[target] = shared[target] if target in shared else self._open(target)
        except LogError as error:
            error.place = target
            self.close_all_but(former)
            raise

    def shared_with(self, settings: Log) -> "dict[str, LineLog | NoLog]":
        """What later logs of these settings need not open: all but a syslog that has another facility there."""
        is_same = settings.facility == self.settings.facility
        return {target: log for target, log in self._logs.items() if is_same or target != "syslog"}

    def _open(self, target: str) -> LineLog | NoLog:
        if target == "off":
            return NoLog()
        return LineLog(open_sink(target, self.streams, self.settings.facility), target, _report_lost)

    @property
    def access(self) -> LineLog | NoLog:
        """The access log, but for locations that have another."""
        return self._logs[self.settings.access]

    @property
    def error(self) -> LineLog | NoLog:
        """The error log."""
        return self._logs[self.settings.error]

    def of(self, log: bool | str) -> LineLog | NoLog:
        """The access log of a location, by its key `log`."""
        if isinstance(log, str):
            return self._logs[log]
        return self.access if log else NoLog()

    @property
    def dropped(self) -> int:
        """Lines that could not be written by this process."""
        return sum(log.dropped for log in self._logs.values())

    def use(self) -> None:
        """Send `error_log` here, and connect to syslog if need be: from a chroot it is too late."""
        for sink in self._sinks():
            if isinstance(sink, SyslogSink):
                sink.connect()
        sink = self.error.sink if isinstance(self.error, LineLog) else None
        error_log.use(
            self.error,
            Level[self.settings.level.upper()],
            is_dated=sink is not None and sink.is_dated,
            shows_queries=self.settings.queries == "full",
        )

    def leave_streams(self) -> None:
        """Close what a process that leaves its terminal keeps nothing of: copies of the standard streams, and what is
        opened again when it is needed."""
        self.streams.close()
        for sink in self._sinks():
            if isinstance(sink, SyslogSink):
                sink.close()

    def start(self) -> None:
        """Have threads write. Runs in a worker, which must not wait for a disk, when it has given up its rights."""
        error_log.forget()
        for log in self._logs.values():
            log.start(0.0 if log is self.error else _PAUSE)
            if isinstance(log, LineLog) and log.has_thread:
                log.sink.patience.seconds = _PATIENCE

    def flush(self, seconds: float) -> None:
        """Write all that is to be said, but for no longer than that: the worker ends."""
        error_log.finish()
        end = time.monotonic() + seconds
        for log in self._logs.values():
            log.flush(max(0.0, end - time.monotonic()))

    def _sinks(self) -> list[object]:
        return [log.sink for log in self._logs.values() if isinstance(log, LineLog)]

    def files(self) -> dict[str, DescriptorSink]:
        """The logs that are files, by their paths."""
        sinks = [sink for sink in self._sinks() if isinstance(sink, DescriptorSink)]
        return {sink.path: sink for sink in sinks if sink.path is not None}

    def move(self, path: str, descriptor: int) -> None:
        """Write to another file from now on where a log has this path. Takes the descriptor over."""
        log = self._logs.get(path)
        if isinstance(log, LineLog) and path in self.files():
            log.move_to(descriptor)
        else:
            os.close(descriptor)

    def reopen(self) -> None:
        """Open the files again by their names, which others have after a rotation.

        Raises LogError, and then every log goes where it went.
        """
        opened: list[tuple[str, int]] = []
        try:
            for path in self.files():
                opened.append((path, open_log_file(path)))
        except LogError:
            for _, descriptor in opened:
                os.close(descriptor)
            raise
        for path, descriptor in opened:
            self.move(path, descriptor)

    def close_all_but(self, kept: "Logs | None") -> None:
        """Close what `kept` does not share; without one all of it, when all is said: this process ends."""
        if kept is None:
            error_log.finish()
        shared = list(kept._logs.values()) if kept is not None else []
        for log in self._logs.values():
            if not any(log is other for other in shared):
                with contextlib.suppress(OSError):
                    log.close()
        if kept is None:
            self.streams.close()


def _report_lost(name: str, number: int, reason: str) -> None:
    error_log.error("%d line%s of the log %s could not be written: %s", number, "s" * (number > 1), name, reason)
