"""A history of a master, played to its end."""

import logging
from dataclasses import dataclass

import pytest

from gemd.exit_codes import ExitCode
from gemd.master.master import Master
from gemd.shared.scoreboard import Scoreboard

from .scripted import ScriptedNotices, ScriptedProcessControl, make_generation


@dataclass
class Story:
    """What came of a history. `code` is None when the master has not ended."""

    processes: ScriptedProcessControl
    notices: ScriptedNotices
    master: Master
    code: ExitCode | None = None

    def done(self, *kinds):
        """When, and to whom, these things were done; what it was comes second if there are several."""
        found = [(round(moment, 3), *what) for moment, *what in self.processes.done if what[0] in kinds]
        return [(moment, *rest) for moment, _, *rest in found] if len(kinds) == 1 else found

    @property
    def forks(self):
        """(moment, generation, slot) of each worker."""
        return [(round(moment, 3), *what) for moment, *what in self.processes.forks]

    @property
    def told(self):
        """(moment, generation, slot, signal) of each signal to a worker."""
        return [(round(moment, 3), *what) for moment, *what in self.processes.told]

    @property
    def workers(self):
        """(generation, slot) of those alive."""
        return sorted((worker.generation, worker.nr) for worker in self.processes.workers.values())


@pytest.fixture
def play(monkeypatch):
    """Play a history of `count` workers for so many `turns` of the master, or until a time, or until its end."""

    def play(
        *history, count=2, turns=5000, until=None, loads=(), successors=(), reopenings=(), settings=None, **options
    ):
        scoreboard = Scoreboard(4 * count + 16)
        processes = ScriptedProcessControl(scoreboard, history, **options)
        monkeypatch.setattr("gemd.shared.scoreboard.time.monotonic_ns", lambda: int(processes.now * 1e9) or 1)
        notices = ScriptedNotices(processes, loads, successors, reopenings)
        master = Master(processes, notices, scoreboard, make_generation(1, count, **(settings or {})))
        story = Story(processes, notices, master)
        for _ in range(turns):
            master.step()
            story.code = master.exit_code
            if story.code is not None or (until is not None and processes.now >= until):
                break
        return story

    return play


@pytest.fixture
def complaints(caplog):
    """The lines of the error log that are complaints."""
    caplog.set_level(logging.DEBUG, "gemd")

    def complaints():
        return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    return complaints
