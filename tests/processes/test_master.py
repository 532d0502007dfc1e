"""Histories: what happens to a master, as data, and what it did. No process is forked."""

from signal import SIGINT, SIGKILL, SIGQUIT, SIGTERM

import pytest

from gemd.exit_codes import ExitCode
from gemd.processes.master import Master
from gemd.processes.scoreboard import Scoreboard

from .scripted import ScriptedKernel, ScriptedService, make_generation

SEGV = -11


@pytest.fixture
def run(monkeypatch):
    """Run a history of two workers to its end; the kernel with what was done, and the exit code."""

    def run(*history, count=2, turns=5000, **kernel_options):
        scoreboard = Scoreboard(4 * count)
        kernel = ScriptedKernel(scoreboard, history, **kernel_options)
        monkeypatch.setattr("gemd.processes.scoreboard.time.monotonic_ns", lambda: int(kernel.now * 1e9) or 1)
        master = Master(kernel, ScriptedService(kernel), scoreboard, make_generation(1, count))
        for _ in range(turns):
            master.step()
            if master.exit_code is not None:
                return kernel, master.exit_code
        return kernel, None

    return run


def done(kernel, what):
    """When, and to whom, it was done."""
    return [(round(moment, 3), *rest) for moment, kind, *rest in kernel.done if kind == what]


def test_every_slot_is_filled_and_emptied(run):
    kernel, code = run((5, "signal", SIGTERM))
    assert done(kernel, "spawn") == [(0, 0), (0, 1)]
    assert done(kernel, "kill") == [(5, 0, SIGTERM), (5, 1, SIGTERM)]
    assert (code, kernel.now) == (ExitCode.OK, 5)


def test_ctrl_c_stops_as_term_does(run):
    kernel, code = run((5, "signal", SIGINT))
    assert done(kernel, "kill") == [(5, 0, SIGTERM), (5, 1, SIGTERM)]
    assert code == ExitCode.OK


def test_a_worker_that_dies_is_replaced_at_once(run):
    kernel, code = run((5, "dies", 1, SEGV), (9, "signal", SIGTERM))
    assert done(kernel, "spawn") == [(0, 0), (0, 1), (5, 1)]
    assert code == ExitCode.OK


def test_one_that_dies_young_is_replaced_a_little_later(run):
    kernel, _ = run((0.5, "dies", 1, SEGV), (9, "signal", SIGTERM))
    assert done(kernel, "spawn") == [(0, 0), (0, 1), (0.6, 1)]


def test_the_scripts_of_a_dead_worker_end_with_it(run):
    kernel, _ = run((5, "dies", 0, SEGV), (9, "signal", SIGTERM))
    assert done(kernel, "orphans") == [(5, [1]), (9, [])]


def test_a_late_worker_is_killed_and_replaced(run):
    kernel, _ = run((5, "hangs", 1), (60, "signal", SIGTERM))
    ((moment, nr, number),) = done(kernel, "kill")[:1]
    assert (nr, number) == (1, SIGKILL)
    assert 34 < moment < 37
    assert done(kernel, "spawn")[-1] == (moment, 1)


def test_nobody_is_killed_because_the_master_was_stopped(run):
    kernel, _ = run((5, "frozen", 3600), (3700, "signal", SIGTERM))
    assert all(number == SIGTERM for _, _, number in done(kernel, "kill"))


def test_a_worker_that_never_boots_is_killed_in_the_end(run):
    kernel, _ = run(boots=False, turns=2000)
    assert done(kernel, "kill")[0][2] == SIGKILL
    assert 30 < done(kernel, "kill")[0][0] < 32


def test_workers_that_die_before_they_serve_end_the_master(run):
    kernel, code = run(boots=False, lives=0.01)
    assert code == ExitCode.WORKERS
    assert len(done(kernel, "spawn")) <= 6
    assert kernel.now < 5


def test_workers_that_die_after_one_has_served_do_not_end_it(run):
    kernel, code = run(lives=0.01, turns=400)
    assert code is None
    assert sum(moment < 60 for moment, _ in done(kernel, "spawn")) <= 10


def test_a_storm_of_deaths_slows_down_to_one_in_half_a_minute(run):
    kernel, _ = run(lives=0.01, turns=1000)
    moments = [moment for moment, _ in done(kernel, "spawn")]
    assert moments[-1] > 300
    assert 29 < moments[-1] - moments[-2] < 32


def test_a_fork_that_fails_is_tried_again(run):
    kernel, code = run((60, "signal", SIGTERM), forks_fail=5)
    assert [nr for _, nr in done(kernel, "spawn")] == [0, 1]
    assert 0.1 + 0.2 + 0.4 + 0.8 + 1.6 <= done(kernel, "spawn")[0][0] < 5
    assert code == ExitCode.OK


def test_forks_that_always_fail_make_no_hot_loop(run):
    kernel, code = run(forks_fail=10**6, turns=500)
    assert code is None
    assert kernel.now > 300


def test_a_worker_that_does_not_stop_is_killed(run):
    kernel, code = run((3, "deaf", 1), (5, "signal", SIGTERM))
    assert done(kernel, "kill") == [(5, 0, SIGTERM), (5, 1, SIGTERM), (15, 1, SIGKILL)]
    assert (code, kernel.now) == (ExitCode.OK, 15)


def test_quit_waits_without_a_limit(run):
    kernel, code = run((3, "deaf", 1), (5, "signal", SIGQUIT), (5000, "dies", 1, 0), turns=6000)
    assert done(kernel, "kill") == [(5, 0, SIGQUIT), (5, 1, SIGQUIT)]
    assert (code, kernel.now) == (ExitCode.OK, 5000)


def test_term_after_quit_sets_a_limit(run):
    kernel, _ = run((3, "deaf", 1), (5, "signal", SIGQUIT), (20, "signal", SIGTERM))
    assert done(kernel, "kill")[2:] == [(20, 1, SIGTERM), (30, 1, SIGKILL)]


def test_a_second_term_does_not_move_the_limit(run):
    kernel, _ = run((3, "deaf", 1), (5, "signal", SIGTERM), (14, "signal", SIGTERM))
    assert done(kernel, "kill")[-1] == (15, 1, SIGKILL)


def test_nobody_is_replaced_while_stopping(run):
    kernel, _ = run((3, "deaf", 1), (5, "signal", SIGTERM), (6, "dies", 1, SEGV))
    assert len(done(kernel, "spawn")) == 2
    assert kernel.now == 6


def test_a_worker_that_ended_as_the_signal_came_is_not_killed(run):
    kernel, code = run((5, "dies", 0, 0), (5, "signal", SIGTERM), (5, "dies", 1, 0))
    assert None not in [nr for _, nr, _ in done(kernel, "kill")]
    assert code == ExitCode.OK


def test_a_fault_of_the_master_is_logged_and_does_not_end_it(run, monkeypatch, caplog):
    scoreboard = Scoreboard(4)
    kernel = ScriptedKernel(scoreboard, [(5, "signal", SIGTERM)])
    faults = iter([RuntimeError("a fault"), RuntimeError("a fault")])
    reap = kernel.reap
    monkeypatch.setattr(kernel, "reap", lambda: raise_next(faults) or reap())
    master = Master(kernel, ScriptedService(kernel), scoreboard, make_generation(1, 1))
    assert master.run() == ExitCode.OK
    assert caplog.text.count("RuntimeError: a fault") == 2


def raise_next(faults):
    for fault in faults:
        raise fault
