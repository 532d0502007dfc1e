"""A process control and notices that do what a history says. No process is forked, nothing is opened."""

import errno
import heapq
import itertools
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCHLD, SIGKILL, SIGTERM

from gemd.config import parse_config
from gemd.master.handover import BYE, GONE, READY
from gemd.master.report import TaskError
from gemd.protocol.url import parse_url
from gemd.shared.counts import HostSlots
from gemd.shared.generation import Generation
from gemd.system.last_words import write_reasons


@dataclass
class Slow:
    """A task that takes so many seconds (None: for ever), and what it then brings. If it is late, it is the `attempt`
    that came to nothing."""

    seconds: float | None
    what: object = 2
    attempt: str = "/etc/key.pem could not be read"


@dataclass(eq=False)
class ScriptedWorker:
    """A worker that is alive. It ticks from `serves_from` on (None: never) unless it hangs; it ends when told, unless
    it is deaf."""

    nr: int
    pid: int
    row: int
    generation: int
    born: float
    serves_from: float | None
    has_ticked: bool = False
    is_hanging: bool = False
    is_deaf: bool = False


class ScriptedSuccessor:
    """A new master. It says that it serves `ready` seconds after its start (None: never); it ends after `lives`
    seconds, or by TERM unless it is `deaf`. It says goodbye when it was told to end, or if it is `polite`.
    Before it ends it gives its reasons, if it `says` some."""

    def __init__(self, *, ready=None, lives=None, polite=False, deaf=False, says=()):
        self.pid = 0
        self.channel = self
        self.is_deaf = deaf
        self.is_closed = False
        self.heard = []  # what it was told
        self._processes = None
        self._ready, self._lives, self._polite, self._says = ready, lives, polite, says
        self._said = []
        self._ends = float("inf")

    def start(self, processes, pid):
        self._processes, self.pid = processes, pid
        self._ready = None if self._ready is None else processes.now + self._ready
        if self._lives is not None:
            processes.after(self._lives, "ends", pid, 0)
        return self

    def end(self, *, was_told):
        self._ends = self._processes.now
        self._polite |= was_told

    def has_spoken(self):
        return self._ready is not None and self._ready <= min(self._processes.now, self._ends)

    def say(self, word):
        assert not self.is_closed
        self.heard.append(word)

    def hear(self):
        assert not self.is_closed
        words = [READY] * self.has_spoken()
        if self._ends <= self._processes.now:
            words += [write_reasons([reason]) for reason in self._says] + [BYE] * self._polite
        new = words[len(self._said) :]
        if new:
            self._said.append(new[0])
            return new[0]
        return GONE if self._ends <= self._processes.now else None

    def kill(self, number):
        assert not self.is_closed
        self._processes.kill_successor(self, number)

    def close(self):
        self.is_closed = True


class ScriptedCommand:
    """What gemctl asks; `answers` has (True, message or content), (False, (error, ...)) or ("accepted", message)."""

    def __init__(self, name):
        self.name = name
        self.answers = []

    def succeed(self, message="", **content):
        self._answer(True, message or content)

    def fail(self, *errors):
        assert errors
        self._answer(False, errors)

    def accept(self, message):
        self._answer("accepted", message)

    def _answer(self, *what):
        assert not self.answers, "one answer a command"
        self.answers.append(what)


class ScriptedProcessControl:
    """Time passes only in `sleep`. A worker ticks until it ends or hangs; it ends when told, unless it is `deaf`.

    `history` has (time, what, ...): ("dies", nr, code), where a third argument may name the generation, ("hangs", nr),
    ("deaf", nr), ("answers", nr, requests), ("wants recycle", nr), ("is answering", nr, URL, ...), ("boots" or "lives",
    as below), ("forks fail", times), ("out of memory",), ("signal", number), ("asks", command), ("ends", pid, code),
    ("frozen", seconds) for a master that is stopped itself.

    `done` has (time, what, ...): ("spawn", nr), ("kill", nr, signal), ("orphans", [nr of those alive, ...]); `forks`
    has (time, generation, nr) and `told` has (time, generation, nr, signal).

    `hosts_take` is how many seconds the processes beside the workers take to end.

    `boots` says when new workers serve: True at once, False never, a number after so many seconds. `lives` are the
    seconds after which they die with exit code 1, or these and the code. Both may be dicts by generation, and the
    values of these by slot. Those that end have said what it `says`.
    """

    hosts_take = 0.0

    def __init__(self, scoreboard, history=(), *, forks_fail=0, boots=True, lives=None, says=""):
        self.done, self.forks, self.told = [], [], []
        self.now = 0.0
        self.notices = None
        self.workers = {}
        self.successors = {}
        self.signals = []  # to be delivered at once
        self.forks_fail = forks_fail
        self.boots = boots
        self.lives = lives
        self.oom_kills = 0
        self.says = says
        self.hosts_told = None  # to end, at this time
        self._scoreboard = scoreboard
        self._order = itertools.count()
        self._events = [(moment, next(self._order), *what) for moment, *what in history]
        heapq.heapify(self._events)
        self._ended = []
        self._just_reaped = set()
        self._misfortunes = {
            "hangs": self._hang,
            "deaf": self._deafen,
            "answers": self._answer,
            "wants recycle": self._want_recycle,
            "is answering": self._begin_answers,
        }
        self._pids = itertools.count(100)

    # What the master asks

    def spawn(self, generation, nr, row):
        if self.forks_fail:
            self.forks_fail -= 1
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        assert row not in {worker.row for worker in self.workers.values()}
        assert self._scoreboard.row(row).last_tick is None  # what the former worker did is not this one's
        boots = _choose(self.boots, True, generation.number, nr)
        serves_from = None if boots is False else self.now + (0.0 if boots is True else boots)
        worker = ScriptedWorker(nr, next(self._pids), row, generation.number, self.now, serves_from)
        self.workers[worker.pid] = worker
        self.done.append((self.now, "spawn", nr))
        self.forks.append((self.now, generation.number, nr))
        lives = _choose(self.lives, None, generation.number, nr)
        if lives is not None:
            seconds, code = lives if isinstance(lives, tuple) else (lives, 1)
            self.after(seconds, "ends", worker.pid, code)
        return worker.pid

    def kill(self, pid, number):
        worker = self.workers.get(pid)
        if worker is not None:
            self.done.append((self.now, "kill", worker.nr, number))
            self.told.append((self.now, worker.generation, worker.nr, number))
            if number == SIGKILL or not worker.is_deaf:
                self.end(pid, -SIGKILL if number == SIGKILL else 0)
        else:
            assert pid in self._just_reaped or pid in dict(self._ended), "it may be somebody else's pid by now"
            self.done.append((self.now, "kill", None, number))

    def kill_successor(self, successor, number):
        self.done.append((self.now, "kill", "successor", number))
        if number == SIGKILL or (number == SIGTERM and not successor.is_deaf):
            self.end_successor(successor.pid, was_told=number != SIGKILL)

    def reap(self):
        ended, self._ended = self._ended, []
        self._just_reaped = {pid for pid, _ in ended}
        return ended

    def last_words(self, pid):
        return self.says

    def kill_orphans(self, keep):
        assert set(self.workers) <= set(keep)  # else one that lives would be killed
        self.done.append((self.now, "orphans", [self.workers[pid].nr for pid in keep if pid in self.workers]))

    def tell_hosts(self):
        assert not self.workers
        self.hosts_told = self.now

    def has_hosts(self):
        return self.hosts_told is not None and self.now < self.hosts_told + self.hosts_take

    def kill_hosts(self):
        assert not self.workers

    def hand_out(self, names, descriptors):
        self.done.append((self.now, "logs", *names))

    def share_memory(self):
        self.done.append((self.now, "share"))

    def count_oom_kills(self):
        return self.oom_kills

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        assert seconds >= 0
        self._tick()
        signals, self.signals = self.signals, []
        if self._ended:
            return [*signals, SIGCHLD]
        if signals:
            return signals
        until = self.now + max(seconds, 0.001)
        if not self._events or self._events[0][0] > until:
            self.now = until
            self._tick()
            return []
        moment, _, *what = heapq.heappop(self._events)
        self.now = max(self.now, moment)
        self._tick()
        return self._happen(*what)

    # What happens

    def start(self, successor):
        started = successor.start(self, next(self._pids))
        self.successors[started.pid] = started
        return started

    def after(self, seconds, *what):
        heapq.heappush(self._events, (self.now + seconds, next(self._order), *what))

    def end(self, pid, code):
        """A worker or a successor ends, if it has not ended already."""
        if self.workers.pop(pid, None) is not None:
            self._ended.append((pid, code))
        else:
            self.end_successor(pid, was_told=False)

    def end_successor(self, pid, *, was_told):
        successor = self.successors.pop(pid, None)
        if successor is not None:
            successor.end(was_told=was_told)

    def _happen(self, what, *arguments):
        if what == "signal":
            return list(arguments)
        if what == "frozen":
            self.now += arguments[0]
        elif what == "asks":
            self.notices.arriving.append(arguments[0])
        elif what == "boots":
            (self.boots,) = arguments
        elif what == "lives":
            (self.lives,) = arguments
        elif what == "forks fail":
            (self.forks_fail,) = arguments
        elif what == "out of memory":
            self.oom_kills += 1
        elif what == "ends":
            self.end(*arguments)
            return [SIGCHLD]
        elif what == "done":
            pass  # which is a reason to look
        elif what == "dies":
            nr, code, *generation = arguments
            for worker in self._in_slot(nr, *generation)[:1]:
                self.end(worker.pid, code)
            return [SIGCHLD]
        else:
            for worker in self._in_slot(arguments[0]):
                self._misfortunes[what](worker, *arguments[1:])
        return []

    def _in_slot(self, nr, generation=None):
        """Those in a slot, the oldest first."""
        return [w for w in self.workers.values() if w.nr == nr and generation in (None, w.generation)]

    def _hang(self, worker):
        worker.is_hanging = True

    def _deafen(self, worker):
        worker.is_deaf = True

    def _answer(self, worker, requests):
        for _ in range(requests):
            self._scoreboard.row(worker.row).count(100)

    def _begin_answers(self, worker, *urls):
        for url in urls:
            self._scoreboard.row(worker.row).under_way.begin(parse_url(url))

    def _want_recycle(self, worker):
        self._scoreboard.row(worker.row).request_recycle()

    def _tick(self):
        for worker in self.workers.values():
            if worker.serves_from is not None and worker.serves_from <= self.now and not worker.is_hanging:
                worker.has_ticked = True
                self._scoreboard.row(worker.row).tick()


def _choose(value, default, *keys):
    for key in keys:
        value = value.get(key, default) if isinstance(value, dict) else value
    return value


class ScriptedTask:
    """A task that `brings` something, as `take` has it. It is late by the generation's `timeouts.start`."""

    def __init__(self, processes, name, bring, take):
        self._processes = processes
        self._name = name
        self._bring = bring
        self._take = take
        self.under_way = None  # since when, what it brings, and for which generation

    def begin(self, generation, processes, now):
        assert (processes, now) == (self._processes, self._processes.now)
        assert self.under_way is None, "one at a time"
        what = self._bring(generation)
        if isinstance(what, TaskError):
            raise what
        slow = what if isinstance(what, Slow) else Slow(0.0, what)
        if slow.seconds:
            processes.after(slow.seconds, "done")
        self.under_way = now, slow, generation

    def poll(self, now):
        assert now == self._processes.now
        if self.under_way is None:
            return None
        since, slow, generation = self.under_way
        limit = generation.config.timeouts.start
        if slow.seconds is not None and since + slow.seconds <= now:
            self.under_way = None
            return self._take(slow.what, generation)
        if now >= since + limit:
            self.under_way = None
            raise TaskError(f"{slow.attempt} within {limit:g} s")
        return None

    def cancel(self):
        if self.under_way is not None:
            self.under_way = None
            self._processes.done.append((self._processes.now, f"cancel {self._name}"))


class ScriptedNotices:
    """`loads` are what the next reloads bring: a count of workers, a dict of the tables of the configuration, the
    lines of a TaskError, a TaskError for one that can't even begin, or one of these as something `Slow`; `reopenings`
    are lines or nothing, and `successors` what the next upgrades bring. `done` goes to that of the process control:
    ("begin load",), ("load", number or None), ("cancel load",), ("adopt", number), ("discard", number), ("announce",),
    ("alive", is_alive) when that changes, ...
    """

    def __init__(self, processes, loads=(), successors=(), reopenings=()):
        self._processes = processes
        processes.notices = self
        self.loading = ScriptedTask(processes, "load", self.take_load, self.load)
        self.reopening = ScriptedTask(processes, "reopening", self.take_reopening, self.reopen)
        self._is_alive = None
        self.loads = list(loads)
        self.reopenings = list(reopenings)
        self.successors = list(successors)
        self.predecessor_drains = False
        self.arriving = []  # commands

    def _do(self, *what):
        self._processes.done.append((self._processes.now, *what))

    def take_load(self, current):
        """What the next load will bring."""
        self._do("begin load")
        return self.loads.pop(0) if self.loads else current.config.workers

    def load(self, what, current):
        """What a load has brought."""
        if isinstance(what, tuple):
            self._do("load", None)
            raise TaskError(*what)
        self._do("load", current.number + 1)
        tables = what if isinstance(what, dict) else {"workers": what}
        return make_generation(current.number + 1, **tables)

    def take_reopening(self, _generation):
        """What the next reopening will bring."""
        self._do("begin reopening")
        return self.reopenings.pop(0) if self.reopenings else ()

    def reopen(self, what, _generation):
        """What a reopening has brought."""
        if what:
            raise TaskError(*what)
        return {"access": 1}

    def adopt(self, current, former):
        self._do("adopt", current.number)

    def discard(self, failed, current):
        self._do("discard", failed.number)

    def announce(self):
        self._do("announce")

    def resume(self):
        self._do("resume")

    def announce_reload(self, *, is_over):
        self._do("reload", is_over)

    def announce_stop(self, generation, reason=""):
        self._do("closed", generation.number)
        if reason:
            self._do("explained", reason)

    def report(self, text, *, is_alive):
        if is_alive != self._is_alive:
            self._is_alive = is_alive
            self._do("alive", is_alive)

    def commands(self):
        commands, self.arriving = self.arriving, []
        return commands

    def start_successor(self, generation):
        if not self.successors:
            raise OSError(errno.ENOENT, "No such file or directory", "/bin/gemd")
        successor = self._processes.start(self.successors.pop(0))
        self._do("start", successor.pid)
        return successor

    def retire(self, successor):
        self._do("retire", successor.pid)

    def reopen_predecessor(self):
        self._do("reopen predecessor")

    def has_predecessor(self):
        return self.predecessor_drains

    def close(self, *, is_succeeded):
        self._do("close", is_succeeded)


def make_generation(number, workers=2, **settings):
    """A generation that is never forked: `settings` are tables of the configuration."""
    tables = {"host": [{"name": "localhost", "root": "/"}], "workers": workers, "timeouts": {"stop": 10}, **settings}
    config = parse_config(tables, base=Path("/"), source=None, cpus=2)
    given = {"number": number, "config": config, "listeners": (), "hosts": ()}
    given |= {"host_slots": HostSlots(), "certificate_ends": {}}
    return Generation(**{name: given.get(name) for name in Generation.__struct_fields__})
