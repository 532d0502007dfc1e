"""A kernel and a service that do what a history says. No process is forked, nothing is opened."""

import errno
import heapq
import itertools
from pathlib import Path
from signal import SIGCHLD, SIGKILL

from gemd.config import parse_config
from gemd.processes.generation import Generation
from gemd.processes.service import LoadError


class ScriptedKernel:
    """Time passes only in `sleep`. A worker ticks until it ends or hangs; it ends when told, unless it is `deaf`.

    `history` has (time, what, ...): ("dies", nr, code), ("hangs", nr), ("deaf", nr), ("signal", number), ("frozen",
    seconds) for a master that is stopped itself. `done` has (time, what, ...): ("spawn", nr), ("kill", nr, signal),
    ("orphans", [nr of those alive, ...]).
    """

    def __init__(self, scoreboard, history, *, forks_fail=0, boots=True, lives=None):
        self.done = []
        self.now = 0.0
        self._scoreboard = scoreboard
        self._order = itertools.count()
        self._events = [(moment, next(self._order), *what) for moment, *what in history]
        heapq.heapify(self._events)
        self._forks_fail = forks_fail
        self._boots = boots
        self._lives = lives
        self._alive = {}
        self.rows = {}
        self.generations = {}
        self._ended = []
        self._hanging, self._deaf = set(), set()
        self._pids = itertools.count(100)

    def spawn(self, generation, nr, row):
        if self._forks_fail:
            self._forks_fail -= 1
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        assert row not in self.rows.values()
        assert self._scoreboard.row(row).last_tick is None  # what the former worker did is not this one's
        pid = next(self._pids)
        self._alive[pid] = nr
        self.rows[pid] = row
        self.generations[pid] = generation.number
        self._hanging.discard(nr)
        self.done.append((self.now, "spawn", nr))
        if self._lives is not None:
            self._after(self._lives, "dies", nr, 1)
        return pid

    def kill(self, pid, number):
        nr = self._alive.get(pid)
        self.done.append((self.now, "kill", nr, number))
        if nr is not None and (number == SIGKILL or nr not in self._deaf):
            self._end_pid(pid, -SIGKILL if number == SIGKILL else 0)

    def reap(self):
        ended, self._ended = self._ended, []
        return ended

    def kill_orphans(self, workers):
        assert set(self._alive) <= set(workers)  # else a living worker would be killed
        self.done.append((self.now, "orphans", [self._alive[pid] for pid in workers if pid in self._alive]))

    def hand_out(self, names, descriptors):
        self.done.append((self.now, "logs", *names))

    def share_memory(self):
        pass

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        assert seconds >= 0
        self._tick()
        if self._ended:
            return [SIGCHLD]
        until = self.now + max(seconds, 0.001)
        if not self._events or self._events[0][0] > until:
            self.now = until
            self._tick()
            return []
        moment, _, *what = heapq.heappop(self._events)
        self.now = max(self.now, moment)
        self._tick()
        return self._happen(*what)

    def _happen(self, what, *arguments):
        if what == "signal":
            return list(arguments)
        if what == "frozen":
            self.now += arguments[0]
        elif what == "dies":
            self._end(*arguments)
            return [SIGCHLD]
        else:
            {"hangs": self._hanging, "deaf": self._deaf}[what].add(*arguments)
        return []

    def _after(self, seconds, *what):
        heapq.heappush(self._events, (self.now + seconds, next(self._order), *what))

    def _end(self, nr, code):
        pid = next((pid for pid, slot in self._alive.items() if slot == nr), None)
        if pid is not None:
            self._end_pid(pid, code)

    def _end_pid(self, pid, code):
        if pid in self._alive:
            del self._alive[pid], self.rows[pid], self.generations[pid]
            self._ended.append((pid, code))

    def _tick(self):
        for pid, nr in self._alive.items():
            if self._boots and nr not in self._hanging:
                self._scoreboard.row(self.rows[pid]).tick()


class ScriptedService:
    """`loads` are what the next reloads bring: a count of workers, or the lines of a LoadError. `done` goes to that of
    the kernel: ("load", number), ("adopt", number), ("discard", number), ("announce",), ("report", text), ...
    """

    def __init__(self, kernel, loads=()):
        self._kernel = kernel
        self._loads = list(loads)
        self.arriving = []  # commands

    def _do(self, *what):
        self._kernel.done.append((self._kernel.now, *what))

    def load(self, current):
        what = self._loads.pop(0) if self._loads else current.config.workers
        if not isinstance(what, int):
            self._do("load", None)
            raise LoadError(*what)
        self._do("load", current.number + 1)
        return make_generation(current.number + 1, what)

    def adopt(self, current, former):
        self._do("adopt", current.number)

    def discard(self, failed, current):
        self._do("discard", failed.number)

    def reopen_logs(self, generation):
        return {"access": 1}

    def announce(self):
        self._do("announce")

    def announce_reload(self, *, is_over):
        self._do("reload", is_over)

    def announce_stop(self, generation):
        self._do("closed", generation.number)

    def report(self, text, *, is_alive):
        pass

    def commands(self):
        commands, self.arriving = self.arriving, []
        return commands

    def start_successor(self, generation):
        raise OSError(errno.ENOENT, "No such file or directory", "/bin/gemd")

    def retire(self, successor):
        self._do("retire", successor)

    def predecessor(self):
        return None

    def close(self, *, is_succeeded):
        self._do("close", is_succeeded)


def make_generation(number, workers, **settings):
    """A generation that is never forked: `settings` are tables of the configuration."""
    tables = {"host": [{"name": "localhost", "root": "/"}], "workers": workers, "timeouts": {"stop": 10}, **settings}
    config = parse_config(tables, base=Path("/"), source=None, cpus=2)
    nothing = dict.fromkeys(["context", "respond", "rate_limit", "logs", "access_log", "identity"])
    return Generation(number=number, config=config, listeners=(), **nothing)
