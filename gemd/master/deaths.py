"""How workers end, in words, and which URL ends them.

Rule: what a worker was answering is what it said itself, and may be any text: it is quoted, escaped, and only shown.
"""

import signal
from collections import deque
from collections.abc import Sequence

from gemd.master.process import ProcessControl
from gemd.master.workers import Worker
from gemd.protocol.characters import escape_field
from gemd.shared.under_way import MAX_SHOWN
from gemd.system.log import error_log

_WINDOW = 60.0  # seconds
_MANY = 3  # deaths in that time over one URL, that are no chance
_MAX_KNOWN = 1000  # that are remembered
_OOM_WINDOW = 5.0  # seconds between the kernel's decision and the end of whom it has killed, at most


class Deaths:
    """What is known of those that have ended."""

    def __init__(self, processes: ProcessControl) -> None:
        self._processes = processes
        self._over: deque[tuple[float, str]] = deque(maxlen=_MAX_KNOWN)  # when, and over which URL
        self._told: dict[str, float] = {}  # when it was complained of each
        self._oom_kills = processes.count_oom_kills()
        self._last_oom_kill: float | None = None

    def look(self, now: float) -> None:
        """See whether the kernel has killed somebody for want of memory."""
        number = self._processes.count_oom_kills()
        if number > self._oom_kills:
            self._last_oom_kill = now
        self._oom_kills = number

    def report(self, worker: Worker, code: int, urls: Sequence[str], now: float) -> str:
        """Say that a worker has ended, with this exit code, or by a signal if it is negative, while it was answering
        these; and which URL several have ended over. Returns how it ended, "ended with ...", "was killed by ...", and
        why, if it has said so."""
        cause = self._name_cause(code, now)
        what = (worker.nr + 1, worker.pid, cause, now - worker.born, describe_work(urls))
        error_log.error("worker %d (pid %d) %s after %.1f s%s", *what)
        self._forget_old(now)
        for url in dict.fromkeys(urls):
            self._over.append((now, url))
            number = sum(other == url for _, other in self._over)
            if number >= _MANY and url not in self._told:
                self._told[url] = now
                text = "%d workers ended within a minute while they were answering %s, which may be the cause"
                error_log.error(text, number, _quote([url]))
        said = self._processes.last_words(worker.pid)  # which the log has from the worker itself
        return f"{cause}: {said}" if said else cause

    def _forget_old(self, now: float) -> None:
        while self._over and now - self._over[0][0] > _WINDOW:
            self._over.popleft()
        self._told = {url: moment for url, moment in self._told.items() if now - moment <= _WINDOW}

    def _name_cause(self, code: int, now: float) -> str:
        cause = describe_end(code)
        is_recent = self._last_oom_kill is not None and now - self._last_oom_kill < _OOM_WINDOW
        if -code == signal.SIGKILL and is_recent:
            cause += " (perhaps by the kernel for want of memory: its counter oom_kill rose)"
        return cause


def describe_end(code: int) -> str:
    """How a process ended that did so with this exit code, or by a signal if it is negative."""
    return f"ended with exit code {code}" if code >= 0 else f"was killed by {_name_signal(-code)}"


def describe_work(urls: Sequence[str]) -> str:
    """The end of a line of the log about a worker that was answering these."""
    return f", while it was answering {_quote(urls)}" if urls else ""


def _quote(urls: Sequence[str]) -> str:
    text = ", ".join(f'"{escape_field(url)}"' for url in dict.fromkeys(urls))
    return f"{text} and perhaps more" if len(urls) >= MAX_SHOWN else text


def _name_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
