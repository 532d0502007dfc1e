"""Whatever happens to a master, in whatever order: what it does has a cause, and it ends up as it should.

A machine of hypothesis lets things happen; between them the master takes its turns. `Watch` sees all that the master
does, allows each deed only for a cause, and knows what should be in the end.
"""

from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGWINCH

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gemd.exit_codes import ExitCode
from gemd.master.handover import BYE, GO, GONE
from gemd.master.master import MAX_SLOTS, Master
from gemd.master.succession import Role
from gemd.shared.scoreboard import Scoreboard

from .scripted import (
    ScriptedCommand,
    ScriptedNotices,
    ScriptedProcessControl,
    ScriptedSuccessor,
    ScriptedTask,
    Slow,
    make_generation,
)

START, STOP, WORKER = 3.0, 4.0, 6.0  # time-outs in seconds
UPGRADE = 2 * START
GRACE = 5.0  # of a successor, between TERM and KILL
MAX_REQUESTS = 20
FEWEST_REQUESTS = 18  # a worker may be recycled after
QUIET = 75.0  # seconds after which nothing is under way any more: the longest delay of a fork is 30
STOP_SIGNALS = (SIGTERM, SIGINT, SIGQUIT)


pytestmark = pytest.mark.timeout(900)  # for shrinking what was found


def tables(workers, max_requests=0):
    timeouts = {"start": START, "stop": STOP, "worker": WORKER}
    return {"workers": workers, "max-requests": max_requests, "timeouts": timeouts}


class Watch:
    """What should be: the slots, the generation, and whether there is a successor or an end."""

    def __init__(self, slots):
        self.slots = self.fewest_slots = slots  # now, and in this turn
        self.generation = 1
        self.is_loading = False
        self.was_put_off = False  # a load, in this turn
        self.is_upgrade_asked = False  # in this turn
        self.loaded = None  # the generation that a reload starts
        self.is_blameless = True  # nothing has happened to `loaded` that could make it fail
        self.wants_reload = False
        self.is_announced = False
        self.is_retired = False
        self.is_pid_file_ours = False
        self.successor = None  # and since when, and when it was told to end
        self.stop_code = None
        self.stop_limit = None  # when workers may be killed
        self.told = set()  # pids that were told to end
        self.never_served = [0]  # deaths in a row, after each death

    @property
    def role(self):
        """What the master should be."""
        if self.is_retired:
            return Role.RETIRED  # even if it was told to stop
        if self.stop_code is not None:
            return Role.STOPPING
        if self.successor is not None:
            return Role.UPGRADING
        return Role.SERVING if self.is_announced else Role.STARTING


class WatchedProcessControl(ScriptedProcessControl):
    """Checks each deed against the watch."""

    def __init__(self, scoreboard, watch, **options):
        super().__init__(scoreboard, **options)
        self.watch = watch
        self.heard = []
        self.dead = {}

    def serving(self, generation, nr):
        """Those who serve in a slot and were not told to end."""
        return [
            w
            for w in self.workers.values()
            if (w.generation, w.nr) == (generation, nr) and w.has_ticked and w.pid not in self.watch.told
        ]

    def has_done_enough(self, worker):
        row = self._scoreboard.row(worker.row)
        return row.requests >= FEWEST_REQUESTS or row.wants_recycle

    def sleep(self, seconds):
        self.heard = super().sleep(seconds)
        return self.heard

    def end(self, pid, code):
        watch, worker = self.watch, self.workers.get(pid)
        if worker is not None:
            if worker.generation == watch.loaded:
                watch.is_blameless = False
            self.dead[pid] = worker
            if not watch.is_announced and code == ExitCode.PRIVILEGES and worker.generation != watch.loaded:
                self.allow_stop(ExitCode.PRIVILEGES)
        super().end(pid, code)

    def allow_stop(self, code, number=SIGTERM):
        watch = self.watch
        if watch.stop_code is None:
            watch.stop_code = code
        if number != SIGQUIT and watch.stop_limit is None:
            watch.stop_limit = self.now + STOP

    def reap(self):
        """The first thing in a turn; the signals that were heard are obeyed right after it."""
        ended = super().reap()
        watch = self.watch
        for pid, _ in ended:
            watch.never_served.append(0 if self.dead[pid].has_ticked else watch.never_served[-1] + 1)
        watch.fewest_slots = watch.slots
        watch.was_put_off = False
        watch.is_upgrade_asked = SIGUSR2 in self.heard
        for number in self.heard:
            if number in STOP_SIGNALS:
                self.allow_stop(ExitCode.OK, number)
            elif watch.stop_code is None and not watch.is_retired:
                self.obey(number)
        self.heard = []
        return ended

    def obey(self, number):
        watch = self.watch
        if number == SIGHUP:
            watch.wants_reload = True
        elif number == SIGTTIN:
            watch.slots = min(MAX_SLOTS, watch.slots + 1)
        elif number == SIGTTOU:
            watch.slots = max(1, watch.slots - 1)
            watch.fewest_slots = min(watch.slots, watch.fewest_slots)

    def spawn(self, generation, nr, row):
        watch = self.watch
        assert watch.stop_code is None, "nobody is forked while all ends"
        assert not watch.is_retired, "nobody is forked beside a successor that serves"
        assert generation.number in (watch.generation, watch.loaded)
        assert nr < (watch.slots if generation.number == watch.generation else generation.config.workers)
        for other in self.workers.values():
            if (other.generation, other.nr) == (generation.number, nr) and other.pid not in watch.told:
                assert self.has_done_enough(other), "the slot is taken"
        if self.forks_fail or self.boots is not True:
            watch.is_blameless = False
        return super().spawn(generation, nr, row)

    def kill(self, pid, number):
        worker = self.workers.get(pid)
        if worker is not None:
            self.check_kill(worker, number)
            self.watch.told.add(pid)
        super().kill(pid, number)

    def check_kill(self, worker, number):
        watch = self.watch
        if number == SIGKILL:
            last = max(worker.born, self._scoreboard.row(worker.row).last_tick or 0.0)
            is_silent = worker.is_hanging or not worker.has_ticked
            is_too_long = watch.stop_limit is not None and self.now >= watch.stop_limit
            assert (is_silent and self.now - last > WORKER) or is_too_long
            if worker.generation == watch.loaded:
                watch.is_blameless = False
        elif watch.stop_code is None and number == SIGTERM:
            assert worker.generation > watch.generation
            assert watch.loaded is None, "those of a failed reload alone"
        elif watch.stop_code is None:
            assert number == SIGQUIT
            assert (
                watch.is_retired
                or worker.generation < watch.generation
                or worker.nr >= watch.fewest_slots
                or [w for w in self.serving(worker.generation, worker.nr) if w is not worker]
            ), "another one must serve in its place"

    def hand_out(self, names, descriptors):
        watch = self.watch
        if watch.successor is not None and not watch.is_retired:
            watch.successor.has_old_logs = True
        super().hand_out(names, descriptors)

    def kill_successor(self, successor, number):
        self.check_kill_of_successor(number)
        super().kill_successor(successor, number)

    def check_kill_of_successor(self, number):
        watch = self.watch
        if number == SIGUSR1:
            assert watch.is_retired
            assert watch.successor.has_old_logs
            watch.successor.has_old_logs = False
            return
        if watch.stop_code is not None:
            assert number == SIGTERM
            return
        assert not watch.successor.has_spoken()
        if number == SIGTERM:
            assert self.now >= watch.successor.since + UPGRADE  # as the master adds, whatever is rounded
            watch.successor.told = self.now
        else:
            assert number == SIGKILL
            assert self.now >= watch.successor.told + GRACE


class WatchedSuccessor(ScriptedSuccessor):
    """Tells the watch what the master has heard of it."""

    def hear(self):
        word, watch = super().hear(), self._processes.watch
        if word == BYE and watch.is_retired:
            self._processes.allow_stop(ExitCode.OK)
        elif word in (BYE, GONE) and watch.is_retired:
            watch.is_retired = False
        if word in (BYE, GONE):
            watch.successor = None
        return word


class WatchedLoading(ScriptedTask):
    """Tells the watch when a load is put off, or late."""

    def __init__(self, watch, *what):
        super().__init__(*what)
        self.watch = watch

    def poll(self, now):
        try:
            return super().poll(now)
        finally:
            self.watch.is_loading = self.under_way is not None

    def cancel(self):
        if self.under_way is not None:
            self.watch.is_loading = False
            self.watch.was_put_off = self.watch.wants_reload = True
        super().cancel()


class WatchedNotices(ScriptedNotices):
    """Tells the watch what the master has announced."""

    def __init__(self, processes, watch):
        super().__init__(processes)
        self.loading = WatchedLoading(watch, processes, "load", self.take_load, self.load)
        self.watch = watch
        self.processes = processes
        self.workers = {}
        self.program = None  # what the next successors will be

    def commands(self):
        commands = super().commands()
        self.watch.is_upgrade_asked |= "upgrade" in [command.name for command in commands]
        return commands

    def take_load(self, current):
        watch = self.watch
        assert watch.wants_reload
        assert watch.loaded is None, "one at a time"
        assert watch.successor is None, "the successor will read it anyway"
        watch.wants_reload, watch.is_loading = False, True
        self.loads = self.loads or [tables(current.config.workers, current.config.service.max_requests)]
        return super().take_load(current)

    def load(self, what, current):
        watch = self.watch
        assert watch.stop_code is None
        watch.is_loading = False
        generation = super().load(what, current)
        assert generation.number == watch.generation + 1
        watch.loaded, self.workers[generation.number] = generation.number, generation.config.workers
        watch.is_blameless = True
        return generation

    def adopt(self, current, former):
        watch = self.watch
        assert (former.number, current.number) == (watch.generation, watch.loaded)
        watch.generation, watch.loaded = current.number, None
        watch.slots = watch.fewest_slots = current.config.workers
        for nr in range(watch.slots):
            assert self.processes.serving(current.number, nr), "the new ones serve before the old are told"
        super().adopt(current, former)

    def discard(self, failed, current):
        watch = self.watch
        assert (failed.number, current.number) == (watch.loaded, watch.generation)
        assert not watch.is_blameless, "a reload fails for a cause"
        watch.loaded = None
        super().discard(failed, current)

    def announce(self):
        assert not self.watch.is_announced, "once"
        self.watch.is_announced = self.watch.is_pid_file_ours = True
        super().announce()

    def resume(self):
        assert not self.watch.is_pid_file_ours, "it has retired"
        assert not self.watch.is_retired, "its successor has failed"
        self.watch.is_pid_file_ours = True
        super().resume()

    def announce_stop(self, generation, reason=""):
        watch = self.watch
        if watch.stop_code is None:
            assert not watch.is_announced, "one of them has served"
            assert max(watch.never_served) >= max(3, watch.fewest_slots)
            watch.stop_code, watch.stop_limit = ExitCode.WORKERS, self.processes.now + STOP
        super().announce_stop(generation, reason)

    def start_successor(self, generation):
        assert self.watch.role is Role.SERVING
        self.successors = [WatchedSuccessor(**self.program)] if self.program is not None else []
        successor = super().start_successor(generation)
        successor.since, successor.told, successor.has_old_logs = self.processes.now, float("inf"), False
        self.watch.successor = successor
        return successor

    def retire(self, successor):
        assert successor.has_spoken()
        self.watch.is_retired, self.watch.is_pid_file_ours = True, False
        successor.say(GO)
        super().retire(successor)

    def close(self, *, is_succeeded):
        assert not (self.predecessor_drains and self.watch.stop_code is None), "it would end with this one"
        super().close(is_succeeded=is_succeeded)


NR = st.integers(0, 99)
CODES = st.sampled_from([0, 1, 5, -9, -11])
MOMENTS = st.sampled_from([0.0, 0.01, 0.05, 0.5, 2.0, 7.0])
OFTEN = st.sampled_from([True, True, False])
OR_NEVER = st.one_of(st.none(), MOMENTS)
LOADS = st.sampled_from([0.0, 0.0, 0.5, 2.0, None])  # seconds, or for ever
BOOTS = st.sampled_from([True, True, False, 0.05, 2.0])


class MasterMachine(RuleBasedStateMachine):
    """The master is stepped after each event, a few times or until some time has passed."""

    @initialize(workers=st.integers(1, 3), boots=BOOTS, recycles=st.booleans(), succeeds=st.booleans())
    def begin(self, workers, boots, recycles, succeeds):
        self.max_requests = MAX_REQUESTS if recycles else 0
        self.commands = []
        self.watch = Watch(workers)
        scoreboard = Scoreboard(512)
        self.processes = WatchedProcessControl(scoreboard, self.watch, boots=boots)
        self.clock = pytest.MonkeyPatch()
        self.clock.setattr("gemd.system.log.error_log.emit", lambda *_: None)
        self.clock.setattr("gemd.shared.scoreboard.time.monotonic_ns", lambda: int(self.processes.now * 1e9) or 1)
        self.notices = WatchedNotices(self.processes, self.watch)
        self.notices.predecessor_drains = succeeds
        generation = make_generation(1, **tables(workers, self.max_requests))
        self.master = Master(self.processes, self.notices, scoreboard, generation)
        self.step()

    def step(self):
        self.is_sound = False
        self.master.step()
        assert self.master.role is self.watch.role
        watch = self.watch
        assert not watch.was_put_off or watch.is_upgrade_asked or self.master.role is Role.STOPPING
        assert not watch.is_loading or self.master.role in (Role.STARTING, Role.SERVING)
        self.is_sound = True

    # Time

    @rule(turns=st.integers(1, 4))
    def turn(self, turns=1):
        for _ in range(turns):
            if self.master.exit_code is None:
                self.step()

    @rule(seconds=st.sampled_from([0.1, 1.5, 4.0, 8.0, 20.0]))
    def wait(self, seconds):
        end = self.processes.now + seconds
        while self.processes.now < end and self.master.exit_code is None:
            self.step()

    @rule(seconds=st.sampled_from([1.0, 10.0, 3600.0]))
    def freeze(self, seconds):
        self.watch.is_blameless = False
        self.processes.after(0, "frozen", seconds)
        self.turn()

    # Signals and commands

    @rule(numbers=st.lists(st.sampled_from([SIGHUP, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH]), max_size=4))
    def signal(self, numbers):
        self.processes.signals += numbers
        self.turn()

    @precondition(lambda self: not self.watch.is_retired)  # else nobody listens
    @rule(name=st.sampled_from(["status", "reload", "reopen", "upgrade", "dance"]))
    def command(self, name):
        self.watch.wants_reload |= name == "reload" and self.watch.stop_code is None
        self.commands.append(ScriptedCommand(name))
        self.notices.arriving.append(self.commands[-1])
        self.turn(2)

    @rule(number=st.sampled_from(STOP_SIGNALS))
    def stop(self, number):
        if len(self.processes.done) > 40:  # a story that has just begun does not end yet
            self.processes.signals.append(number)
            self.turn(2)

    # What the operator has prepared, and mostly asks for at once

    @rule(workers=st.integers(1, 4), boots=BOOTS, loads=LOADS, is_asked=OFTEN)
    def change_configuration(self, workers, boots, loads, is_asked):
        self.processes.boots = boots
        self.notices.loads = [Slow(loads, tables(workers, self.max_requests))]
        if is_asked:
            self.signal([SIGHUP])

    @rule(loads=LOADS, is_asked=OFTEN)
    def break_configuration(self, loads, is_asked):
        self.notices.loads = [Slow(loads, ("a line", "another"))]
        if is_asked:
            self.signal([SIGHUP])

    @rule(ready=OR_NEVER, lives=OR_NEVER, polite=st.booleans(), deaf=st.booleans(), is_asked=OFTEN)
    def change_program(self, is_asked, **what):
        self.notices.program = what
        if is_asked:
            self.signal([SIGUSR2])

    # Misfortune

    def worker(self, nr):
        workers = list(self.processes.workers.values())
        return workers[nr % len(workers)] if workers else None

    @rule(nr=NR, code=CODES)
    def worker_ends(self, nr, code):
        if worker := self.worker(nr):
            self.processes.end(worker.pid, code)
            self.turn()

    @rule(nr=NR)
    def worker_hangs(self, nr):
        if worker := self.worker(nr):
            worker.is_hanging = worker.is_deaf = True
            self.watch.is_blameless = False

    @rule(nr=NR)
    def worker_is_busy(self, nr):
        if worker := self.worker(nr):
            worker.is_deaf = True

    @rule(nr=NR)
    def worker_answers(self, nr):
        if worker := self.worker(nr):
            for _ in range(MAX_REQUESTS + 2):
                self.processes._scoreboard.row(worker.row).count(100)

    @rule(nr=NR)
    def worker_wants_rest(self, nr):
        if worker := self.worker(nr):
            self.processes._scoreboard.row(worker.row).request_recycle()

    @rule()
    def all_workers_end(self):
        for pid in list(self.processes.workers):
            self.processes.end(pid, -9)
        self.turn()

    @rule(times=st.integers(1, 5))
    def forks_fail(self, times):
        self.watch.is_blameless = False
        self.processes.forks_fail = times

    @rule(boots=BOOTS)
    def workers_boot_otherwise(self, boots):
        self.processes.boots = boots

    @rule(was_told=st.booleans())
    def successor_ends(self, was_told):
        for pid in list(self.processes.successors):
            self.processes.end_successor(pid, was_told=was_told)
            self.turn()

    @rule()
    def predecessor_leaves(self):
        self.notices.predecessor_drains = False

    # What should be

    @rule()
    def be_quiet(self):
        """All misfortune is over, and those who were busy are done."""
        self.processes.forks_fail = 0
        self.processes.boots = True
        self.notices.predecessor_drains = False
        for part in range(2):
            end = self.processes.now + QUIET / 2
            while self.processes.now < end and self.master.exit_code is None:
                if part and self.watch.stop_limit is None:
                    for pid in self.watch.told & set(self.processes.workers):
                        self.processes.end(pid, 0)
                self.step()
        if self.master.exit_code is None:
            self.check_rest()
        else:
            self.check_end()

    def check_rest(self):
        watch, processes = self.watch, self.processes
        assert watch.stop_code is None
        assert not watch.is_retired
        assert watch.is_announced
        assert watch.is_pid_file_ours
        assert (self.master.generation.number, self.master.slots) == (watch.generation, watch.slots)
        assert sorted((w.generation, w.nr) for w in processes.workers.values()) == [
            (watch.generation, nr) for nr in range(watch.slots)
        ]
        assert all(processes.serving(watch.generation, nr) for nr in range(watch.slots))
        assert watch.loaded is None
        assert not watch.is_loading
        assert not (watch.wants_reload and watch.successor is None)
        reloads = [is_over for _, what, *is_over in processes.done if what == "reload"]
        assert reloads == [[False], [True]] * (len(reloads) // 2)
        assert next(what[0] for _, kind, *what in reversed(processes.done) if kind == "alive")
        for command in self.commands:
            assert command.answers or (command.name in ("reload", "upgrade") and watch.successor is not None)

    def check_end(self):
        watch, processes = self.watch, self.processes
        assert not processes.workers
        assert processes.done[-1][1] in ("close", "alive")
        closed = [is_succeeded for _, what, *is_succeeded in processes.done if what == "close"]
        assert closed == [[watch.is_retired]]
        assert self.master.exit_code == (ExitCode.OK if watch.stop_code is None else watch.stop_code)
        assert watch.stop_code is not None or watch.is_retired
        if watch.successor is not None:
            assert watch.is_retired == (GO in watch.successor.heard)
            assert not (watch.is_retired and watch.successor.has_old_logs)
            assert watch.is_retired or watch.successor.is_deaf or watch.successor.pid not in processes.successors

    def teardown(self):
        if not hasattr(self, "clock"):
            return
        try:
            if self.is_sound:
                self.processes.signals.append(SIGTERM)
                self.turn(2)
                self.be_quiet()
                assert self.master.exit_code is not None
        finally:
            self.clock.undo()


MasterMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestMasterModel = MasterMachine.TestCase
