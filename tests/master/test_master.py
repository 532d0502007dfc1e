"""Histories: what happens to a master, as data, and what it did. No process is forked."""

import itertools
from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGWINCH

import pytest

from gemd.exit_codes import ExitCode
from gemd.master.master import MAX_SLOTS, Master
from gemd.master.status import summarise
from gemd.shared.scoreboard import Scoreboard

from .scripted import ScriptedCommand, ScriptedNotices, ScriptedProcessControl, ScriptedSuccessor, make_generation

SEGV = -11


@pytest.fixture
def run(play):
    """Play a history; the processes with what was done, and the exit code."""

    def run(*history, **options):
        story = play(*history, **options)
        return story.processes, story.code

    return run


def done(processes, what):
    """When, and to whom, it was done."""
    return [(round(moment, 3), *rest) for moment, kind, *rest in processes.done if kind == what]


def test_every_slot_is_filled_and_emptied(run):
    processes, code = run((5, "signal", SIGTERM))
    assert done(processes, "closed") == [(5, 1)]  # so that new connections are refused, and not queued for nobody
    assert done(processes, "spawn") == [(0, 0), (0, 1)]
    assert done(processes, "kill") == [(5, 0, SIGTERM), (5, 1, SIGTERM)]
    assert (code, processes.now) == (ExitCode.OK, 5)


def test_ctrl_c_stops_as_term_does(run):
    processes, code = run((5, "signal", SIGINT))
    assert done(processes, "kill") == [(5, 0, SIGTERM), (5, 1, SIGTERM)]
    assert code == ExitCode.OK


def test_a_worker_that_dies_is_replaced_at_once(run):
    processes, code = run((5, "dies", 1, SEGV), (9, "signal", SIGTERM))
    assert done(processes, "spawn") == [(0, 0), (0, 1), (5, 1)]
    assert code == ExitCode.OK


def test_one_that_dies_young_is_replaced_a_little_later(run):
    processes, _ = run((0.5, "dies", 1, SEGV), (9, "signal", SIGTERM))
    assert done(processes, "spawn") == [(0, 0), (0, 1), (0.6, 1)]


def test_the_scripts_of_a_dead_worker_end_with_it(run):
    processes, _ = run((5, "dies", 0, SEGV), (9, "signal", SIGTERM))
    assert done(processes, "orphans") == [(5, [1]), (9, [])]


def test_a_late_worker_is_killed_and_replaced(run):
    processes, _ = run((5, "hangs", 1), (60, "signal", SIGTERM))
    ((moment, nr, number),) = done(processes, "kill")[:1]
    assert (nr, number) == (1, SIGKILL)
    assert 34 < moment < 37
    assert done(processes, "spawn")[-1] == (moment, 1)


def test_nobody_is_killed_because_the_master_was_stopped(run):
    processes, _ = run((5, "frozen", 3600), (3700, "signal", SIGTERM))
    assert all(number == SIGTERM for _, _, number in done(processes, "kill"))


def test_a_worker_that_never_boots_is_killed_in_the_end(run):
    processes, _ = run(boots=False, turns=2000)
    assert done(processes, "kill")[0][2] == SIGKILL
    assert 30 < done(processes, "kill")[0][0] < 32


def test_workers_that_die_before_they_serve_end_the_master(run):
    processes, code = run(boots=False, lives=0.01)
    assert code == ExitCode.WORKERS
    assert len(done(processes, "spawn")) <= 6
    assert processes.now < 5


@pytest.mark.parametrize(("count", "deaths"), [(1, 3), (2, 3), (3, 3), (4, 4), (8, 8)])
def test_it_gives_up_within_five_seconds_however_many_there_are(play, count, deaths):
    story = play(count=count, boots=False, lives=0.5)
    assert (story.code, len(story.forks)) == (ExitCode.WORKERS, deaths)
    assert story.processes.now < 5


def test_those_that_never_serve_do_not_end_a_master_that_has_served(play):
    story = play((5, "boots", False), (5, "lives", 0.01), (5, "dies", 0, 1), (5, "dies", 1, 1), until=100)
    assert len(story.forks) > 6
    assert story.code is None


def test_workers_that_die_after_one_has_served_do_not_end_it(run):
    _, code = run(lives=0.01, turns=400)
    assert code is None


NEVER_AGAIN = [(5, "boots", False), (5, "lives", 0.01), (5, "dies", 0, SEGV)]  # whoever comes from now on dies at once


def test_a_storm_of_those_that_never_serve_slows_down_to_one_in_half_a_minute(run):
    processes, _ = run(*NEVER_AGAIN, turns=1000)
    moments = [moment for moment, _ in done(processes, "spawn")]
    assert moments[-1] > 300
    assert 29 < moments[-1] - moments[-2] < 32


def test_a_fork_that_fails_is_tried_again(run):
    processes, code = run((60, "signal", SIGTERM), forks_fail=5)
    assert [nr for _, nr in done(processes, "spawn")] == [0, 1]
    assert 0.1 + 0.2 + 0.4 + 0.8 + 1.6 <= done(processes, "spawn")[0][0] < 5
    assert code == ExitCode.OK


def test_forks_that_always_fail_make_no_hot_loop(run):
    processes, code = run(forks_fail=10**6, turns=500)
    assert code is None
    assert processes.now > 300


def test_a_worker_that_does_not_stop_is_killed(run):
    processes, code = run((3, "deaf", 1), (5, "signal", SIGTERM))
    assert done(processes, "kill") == [(5, 0, SIGTERM), (5, 1, SIGTERM), (15, 1, SIGKILL)]
    assert (code, processes.now) == (ExitCode.OK, 15)


def test_quit_waits_without_a_limit(run):
    processes, code = run((3, "deaf", 1), (5, "signal", SIGQUIT), (5000, "dies", 1, 0), turns=6000)
    assert done(processes, "kill") == [(5, 0, SIGQUIT), (5, 1, SIGQUIT)]
    assert (code, processes.now) == (ExitCode.OK, 5000)


def test_term_after_quit_sets_a_limit(run):
    processes, _ = run((3, "deaf", 1), (5, "signal", SIGQUIT), (20, "signal", SIGTERM))
    assert done(processes, "kill")[2:] == [(20, 1, SIGTERM), (30, 1, SIGKILL)]


def test_a_second_term_does_not_move_the_limit(run):
    processes, _ = run((3, "deaf", 1), (5, "signal", SIGTERM), (14, "signal", SIGTERM))
    assert done(processes, "kill")[-1] == (15, 1, SIGKILL)


def test_nobody_is_replaced_while_stopping(run):
    processes, _ = run((3, "deaf", 1), (5, "signal", SIGTERM), (6, "dies", 1, SEGV))
    assert len(done(processes, "spawn")) == 2
    assert processes.now == 6


def test_a_worker_that_ended_as_the_signal_came_is_not_killed(run):
    processes, code = run((5, "dies", 0, 0), (5, "signal", SIGTERM), (5, "dies", 1, 0))
    assert None not in [nr for _, nr, _ in done(processes, "kill")]
    assert code == ExitCode.OK


def test_a_fault_of_the_master_is_logged_and_does_not_end_it(run, monkeypatch, caplog):
    scoreboard = Scoreboard(4)
    processes = ScriptedProcessControl(scoreboard, [(5, "signal", SIGTERM)])
    faults = iter([RuntimeError("a fault"), RuntimeError("a fault")])
    reap = processes.reap
    monkeypatch.setattr(processes, "reap", lambda: raise_next(faults) or reap())
    master = Master(processes, ScriptedNotices(processes), scoreboard, make_generation(1, 1))
    assert master.run() == ExitCode.OK
    assert caplog.text.count("RuntimeError: a fault") == 2


def raise_next(faults):
    for fault in faults:
        raise fault


def test_a_signal_that_comes_while_the_master_recovers_is_obeyed(monkeypatch):
    scoreboard = Scoreboard(4)
    processes = ScriptedProcessControl(scoreboard, [(0.5, "signal", SIGTERM)])
    faults = iter([RuntimeError("a fault")])
    reap = processes.reap
    monkeypatch.setattr(processes, "reap", lambda: raise_next(faults) or reap())
    assert Master(processes, ScriptedNotices(processes), scoreboard, make_generation(1, 1)).run() == ExitCode.OK
    assert processes.now < 2


def test_more_workers_than_the_scoreboard_has_rows_wait(monkeypatch):
    scoreboard = Scoreboard(3)
    processes = ScriptedProcessControl(scoreboard, [(5, "signal", SIGHUP)])
    monkeypatch.setattr("gemd.shared.scoreboard.time.monotonic_ns", lambda: int(processes.now * 1e9) or 1)
    master = Master(processes, ScriptedNotices(processes), scoreboard, make_generation(1, 2))
    while processes.now < 8:
        master.step()
    assert [worker.generation for worker in processes.workers.values()] == [1, 1, 2]
    while processes.now < 40:
        master.step()
    assert [worker.generation for worker in processes.workers.values()] == [1, 1]  # the reload has failed


# A storm of deaths


@pytest.mark.parametrize("count", [1, 2, 4, 8])
@pytest.mark.parametrize("lives", [0.01, 0.5])
def test_a_storm_of_those_that_never_serve_is_ten_forks_in_a_minute(play, count, lives):
    """Of all workers."""
    history = [(5, "dies", nr, SEGV) for nr in range(count)]
    story = play((5, "boots", False), (5, "lives", lives), *history, count=count, until=120)
    assert story.code is None
    first = [moment for moment, *_ in story.forks if 5 < moment < 65]
    assert 0 < len(first) <= 10


@pytest.mark.parametrize("count", [1, 2, 4, 8])
@pytest.mark.parametrize("lives", [0.01, 0.5])
def test_who_serves_for_a_moment_is_replaced_within_a_second_always(play, count, lives):
    story = play(count=count, lives=lives, until=60)
    assert story.code is None
    for slot in range(count):
        moments = [moment for moment, _, nr in story.forks if nr == slot]
        gaps = [later - earlier - lives for earlier, later in itertools.pairwise(moments)]
        assert 50 < len(moments) <= 120
        assert max(gaps) < 0.55


@pytest.mark.parametrize("count", [2, 4, 8])
def test_a_storm_in_one_slot_leaves_the_others_alone(play, count):
    story = play(count=count, lives={1: {0: 0.01}}, until=120)
    assert len([nr for _, _, nr in story.forks if nr != 0]) == count - 1


def test_a_slot_that_can_not_be_filled_keeps_nobody_waiting_that_had_served(play):
    """At 20 one new worker in 13 s is tried, and it may take longer."""
    history = [*NEVER_AGAIN, (20, "boots", True), (20, "lives", None), (20, "dies", 1, SEGV)]
    story = play(*history, until=22)
    assert [moment for moment, _, nr in story.forks if nr == 1] == [0, 20]


def test_a_worker_that_drains_beside_it_makes_a_storm_no_worse(play):
    """It is as many as the slots, and old: that does not make the others grown up."""
    history = [(1.9, "deaf", 0), (1.9, "deaf", 1), (2, "signal", SIGHUP), (3, "boots", False), (3, "dies", 0, SEGV, 2)]
    story = play(*history, (3, "lives", 0.01), until=66)
    assert len([moment for moment, generation, nr in story.forks if generation == 2 and nr == 0]) <= 11


def test_workers_that_start_beside_it_make_a_storm_no_worse(play):
    history = [(2, "boots", {1: False, 2: False}), (2, "lives", {1: 0.01}), (2, "dies", 0, SEGV), (2, "signal", SIGHUP)]
    story = play(*history, until=30)
    assert len([moment for moment, generation, nr in story.forks if (generation, nr) == (1, 0) and moment > 2]) <= 9


def test_after_a_storm_one_death_is_nothing_special(play):
    history = [(100, "dies", 0, SEGV), (100.5, "dies", 0, SEGV)]
    lives = {1: {0: 0.01}}
    story = play((20, "lives", None), *history, lives=lives, until=150)
    moments = [moment for moment, _, nr in story.forks if nr == 0 and moment >= 100]
    assert moments == [100, 100.6]


def test_forks_that_fail_during_a_reload_are_tried_less_and_less_often(play):
    story = play((5, "forks fail", 10**6), (5, "signal", SIGHUP), until=35)
    assert 10**6 - story.processes.forks_fail < 30


# What they died of


def test_what_a_worker_died_of_is_said_in_words(play, complaints):
    history = [
        (5, "is answering", 0, b"gemini://localhost/a?secret"),
        (5, "dies", 0, SEGV),
        (9, "dies", 1, 3),
        (10, "out of memory"),
        (10, "dies", 0, -9),
    ]
    play(*history, until=12)
    assert complaints() == [
        'worker 1 (pid 100) was killed by SIGSEGV after 5.0 s, while it was answering "localhost/a"',
        "worker 2 (pid 101) ended with exit code 3 after 9.0 s",
        "worker 1 (pid 102) was killed by SIGKILL (perhaps by the kernel for want of memory: its counter oom_kill "
        "rose) after 5.0 s",
    ]


def test_a_late_worker_was_answering_something(play, complaints):
    play((5, "is answering", 1, b"gemini://localhost/slow"), (5, "hangs", 1), until=40)
    assert complaints()[0] == (
        'killing worker 2 (pid 101): no sign of life for 30 s, while it was answering "localhost/slow"'
    )


# One worker more or fewer


def test_one_more_and_one_fewer(play):
    story = play((5, "signal", SIGTTIN), (10, "signal", SIGTTOU), (15, "signal", SIGTTOU), until=50)
    assert story.forks[2:] == [(5, 1, 2)]
    assert story.told == [(10, 1, 2, SIGQUIT), (15, 1, 1, SIGQUIT)]
    assert story.workers == [(1, 0)]


def test_one_is_the_fewest(play):
    story = play(*[(5 + i, "signal", SIGTTOU) for i in range(5)], until=50)
    assert story.workers == [(1, 0)]
    assert story.master.slots == 1
    assert len(story.told) == 1


@pytest.mark.timeout(120)
def test_512_are_the_most(play):
    story = play((1, "signal", SIGTTIN), (2, "signal", SIGTTIN), (3, "signal", SIGTTIN), count=511, until=4)
    assert story.master.slots == MAX_SLOTS == 512
    assert len(story.forks) == 512


def test_one_more_comes_at_once_even_in_a_storm(play):
    story = play(*NEVER_AGAIN, (100, "signal", SIGTTIN), until=101)
    assert (100, 1, 2) in story.forks


def test_one_fewer_counts_those_who_start(play):
    story = play((1, "signal", SIGTTOU), boots=5.0, until=20)
    assert story.told == [(1, 1, 1, SIGQUIT)]
    assert story.workers == [(1, 0)]


# Log files


def test_usr1_hands_the_new_files_out(play):
    story = play((5, "signal", SIGUSR1), until=10)
    assert story.done("logs") == [(5, "access")]


def test_log_files_that_can_not_be_opened_stay(play, complaints):
    command = ScriptedCommand("reopen")
    error = "can't open the log /var/log/a: No space left on device"
    story = play((5, "signal", SIGUSR1), (6, "asks", command), reopenings=[(error,), (error,)], until=10)
    assert story.done("logs") == []
    assert command.answers == [(False, (error,))]
    assert complaints() == [f"the log files stay as they are: {error}"] * 2


def test_the_predecessor_hears_of_it_once_this_one_serves(play):
    story = play((0.5, "signal", SIGUSR1), (5, "signal", SIGUSR1), boots=2.0, until=10)
    assert story.done("reopen predecessor") == [(5,)]


def test_log_files_are_opened_anew_while_all_ends(play):
    story = play((3, "deaf", 1), (5, "signal", SIGTERM), (6, "signal", SIGUSR1))
    assert story.done("logs") == [(6, "access")]


# What gemctl asks


def test_status(play):
    command = ScriptedCommand("status")
    play((5, "answers", 0, 3), (6, "dies", 0, SEGV), (7, "answers", 0, 1), (8, "asks", command), until=10)
    ((is_ok, content),) = command.answers
    status = content["status"]
    assert is_ok
    assert (status["state"], status["slots"], status["generation"], status["uptime"]) == ("serving", 2, 1, 8.0)
    assert (status["requests"], status["bytes"], status["deaths"]) == (4, 400, 1)
    assert [(worker["nr"], worker["requests"], worker["state"]) for worker in status["workers"]] == [
        (1, 1, "serving"),
        (2, 0, "serving"),
    ]


STATES = {
    "serving": [],
    "reloading": [(5, "signal", SIGHUP)],
    "upgrading": [(5, "signal", SIGUSR2)],
    "stopping": [(3, "deaf", 0), (5, "signal", SIGTERM)],
}


@pytest.mark.parametrize(("state", "history"), STATES.items(), ids=STATES)
def test_states(play, state, history):
    command = ScriptedCommand("status")
    story = play(*history, (6, "asks", command), boots={1: True, 2: False}, successors=[ScriptedSuccessor()], until=7)
    assert command.answers[0][1]["status"]["state"] == state
    assert summarise(story.master.look(7.0)).startswith(f"{state}: ")


def test_reopen(play):
    command = ScriptedCommand("reopen")
    story = play((5, "asks", command), until=10)
    assert command.answers == [(True, "the log files are open anew")]
    assert story.done("logs") == [(5, "access")]


def test_stop(play):
    command = ScriptedCommand("stop")
    story = play((5, "asks", command))
    assert command.answers == [("accepted", "stopping")]
    assert done(story.processes, "kill") == [(5, 0, SIGTERM), (5, 1, SIGTERM)]
    assert (story.code, story.processes.now) == (ExitCode.OK, 5)


@pytest.mark.parametrize("name", ["reload", "upgrade"])
def test_nothing_new_begins_while_all_ends(play, name):
    command = ScriptedCommand(name)
    play((3, "deaf", 0), (5, "signal", SIGTERM), (6, "asks", command), successors=[ScriptedSuccessor()])
    assert command.answers == [(False, ("gemd is stopping",))]


@pytest.mark.parametrize("number", [SIGHUP, SIGUSR2, SIGTTIN])
def test_nor_by_a_signal(play, number):
    story = play((3, "deaf", 0), (5, "signal", SIGTERM), (6, "signal", number), successors=[ScriptedSuccessor()])
    assert story.done("load", "start") == []
    assert len(story.forks) == 2


def test_a_second_stop_is_accepted_too(play):
    first, second = ScriptedCommand("stop"), ScriptedCommand("stop")
    play((3, "deaf", 0), (5, "asks", first), (6, "asks", second))
    assert first.answers == second.answers == [("accepted", "stopping")]


# What nobody knows


def test_an_unknown_signal_changes_nothing(play, complaints):
    story = play((5, "signal", SIGWINCH), until=10)
    assert complaints() == ["SIGWINCH has no meaning here: nothing is done"]
    assert (story.master.slots, story.told, len(story.forks)) == (2, [], 2)


def test_an_unknown_command_is_refused(play, complaints, caplog):
    command = ScriptedCommand("dance\n" + "x" * 4000)
    story = play((5, "asks", command), successors=[ScriptedSuccessor(ready=1)], until=10)
    assert command.answers == [(False, ("unknown command; there are status, reload, reopen, upgrade, stop",))]
    assert complaints() == []  # gemctl may be newer
    (line,) = [record.getMessage() for record in caplog.records if "unknown" in record.getMessage()]
    assert line.startswith("gemctl: unknown command 'dance\\nxxx")
    assert len(line) < 120
    assert story.done("start", "load", "logs") == []


# Exit codes and the watchdog


@pytest.mark.parametrize("code", [ExitCode.PRIVILEGES, ExitCode.APPLICATION])
def test_a_worker_that_must_not_serve_ends_the_master_before_anything_is_served(play, code):
    story = play((0.01, "dies", 0, int(code)), boots=2.0, says="no such user")
    assert story.code == code
    reason = f"a worker ended with exit code {int(code)}: no such user"
    assert story.done("explained") == [(0.01, reason)]
    assert story.told == [(0.01, 1, 1, SIGTERM)]
    assert story.done("announce") == []
    assert story.done("close") == [(0.01, False)]


def test_workers_that_never_serve_end_the_master_and_why_is_told(play):
    story = play(boots=False, lives=0.1, says="broken")
    assert story.code == ExitCode.WORKERS
    reason = "the workers end before they serve; the last ended with exit code 1: broken"
    assert [why for _, why in story.done("explained")] == [reason]


@pytest.mark.parametrize("code", [ExitCode.PRIVILEGES, ExitCode.APPLICATION])
def test_later_it_is_a_death_like_any_other(play, code):
    story = play((5, "dies", 0, int(code)), until=20)
    assert story.workers == [(1, 0), (1, 1)]


def test_deaths_of_a_failed_reload_do_not_end_a_master_that_has_begun_to_serve(play):
    story = play(*[(5 + i, "signal", SIGHUP) for i in range(20)], boots={1: True, 2: False}, lives={2: 0.1}, until=60)
    assert story.code is None
    assert story.workers == [(1, 0), (1, 1)]


def test_the_watchdog_is_reassured_while_a_worker_serves(play):
    history = [
        (3, "dies", 0, SEGV),
        (5, "boots", False),
        (5, "dies", 1, SEGV),
        (6, "dies", 0, SEGV),
        (9, "boots", True),
    ]
    story = play(*history, (9, "signal", SIGTTIN), until=20)
    assert story.done("alive") == [(0, False), (0.02, True), (6, False), (9.02, True)]


def test_the_watchdog_is_reassured_by_workers_that_are_to_leave(play):
    story = play(
        (4, "boots", False), (5, "answers", 0, 12), (5, "answers", 1, 12), settings={"max-requests": 10}, until=20
    )
    assert story.done("alive") == [(0, False), (0.02, True)]


def test_it_is_announced_once_when_the_first_worker_serves(play):
    story = play(boots={1: {0: False, 1: 2.0}}, until=20)
    assert [round(moment) for (moment,) in story.done("announce")] == [2]
