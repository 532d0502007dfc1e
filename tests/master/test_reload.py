"""Histories of reloads: the new workers serve before the old ones leave, or nothing has changed."""

from signal import SIGHUP, SIGKILL, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR2

import pytest

from gemd.exit_codes import ExitCode
from gemd.master.report import TaskError

from .scripted import ScriptedCommand, ScriptedSuccessor, Slow

HUP = (5, "signal", SIGHUP)
END = (100, "signal", SIGTERM)


def commands(*names):
    return [ScriptedCommand(name) for name in names]


def test_the_new_workers_serve_before_the_old_are_told_to_drain(play, complaints):
    story = play(HUP, boots={1: True, 2: 0.5}, until=50)
    assert story.forks == [(0, 1, 0), (0, 1, 1), (5, 2, 0), (5, 2, 1)]
    ((adopted, number),) = story.done("adopt")
    assert number == 2
    assert 5.5 <= adopted < 5.6
    assert story.told == [(adopted, 1, 0, SIGQUIT), (adopted, 1, 1, SIGQUIT)]
    assert story.workers == [(2, 0), (2, 1)]
    assert story.done("share") == [(5,)]  # what was loaded, before the forks
    assert (story.master.reload.done, story.master.reload.failed) == (1, 0)
    assert complaints() == []


def test_the_service_manager_is_told_when_it_begins_and_ends(play):
    story = play(HUP, boots={1: True, 2: 0.5}, until=50)
    (begun, begins), (over, is_over) = story.done("reload")
    assert (begun, begins) == (5, False)
    assert is_over
    assert over == story.done("adopt")[0][0]


def test_a_configuration_that_can_not_be_used_changes_nothing(play, complaints):
    (command,) = commands("reload")
    story = play((5, "asks", command), loads=[("no such root", "no such user")], until=50)
    assert story.forks == [(0, 1, 0), (0, 1, 1)]
    assert story.told == []
    assert command.answers == [(False, ("no such root", "no such user"))]
    assert complaints() == ["not reloaded: no such root", "not reloaded: no such user"]
    assert [is_over for _, is_over in story.done("reload")] == [False, True]
    assert (story.master.reload.done, story.master.reload.failed) == (0, 1)


def test_a_fault_of_gemd_itself_undoes_it_too(play, monkeypatch):
    command = ScriptedCommand("reload")
    story = play(until=5)
    monkeypatch.setattr(story.notices.loading, "poll", lambda _: [][0])
    story.notices.arriving.append(command)
    with pytest.raises(IndexError):  # which `Master.run` logs
        story.master.step()
    assert command.answers == [(False, ("a fault of gemd itself; the error log has a traceback",))]
    assert [is_over for _, is_over in story.done("reload")] == [False, True]


def test_a_new_worker_that_dies_before_it_serves_undoes_it(play, complaints):
    (command,) = commands("reload")
    history = [(5, "asks", command), (5.2, "dies", 1, 1, 2)]
    story = play(*history, boots={1: True, 2: 0.5}, until=50)
    assert story.done("discard") == [(5.2, 2)]
    assert story.done("adopt") == []
    assert story.told == [(5.2, 2, 0, SIGTERM)]
    assert story.workers == [(1, 0), (1, 1)]
    assert command.answers == [(False, ("a new worker ended with exit code 1",))]
    assert complaints() == [
        "worker 2 (pid 103) ended with exit code 1 after 0.2 s",
        "not reloaded: a new worker ended with exit code 1",
    ]


def test_why_a_new_worker_has_died_is_told(play):
    (command,) = commands("reload")
    play((5, "asks", command), (5.2, "dies", 1, 1, 2), boots={1: True, 2: 0.5}, says="no such user", until=50)
    assert command.answers == [(False, ("a new worker ended with exit code 1: no such user",))]


@pytest.mark.parametrize("code", [0, 1, ExitCode.PRIVILEGES, ExitCode.APPLICATION, -SIGKILL])
def test_however_it_dies(play, code):
    story = play(HUP, (5.2, "dies", 0, int(code), 2), boots={1: True, 2: 0.5}, until=50)
    assert story.done("discard") == [(5.2, 2)]
    assert story.workers == [(1, 0), (1, 1)]
    assert story.code is None


def test_one_that_has_served_and_dies_before_the_others_serve_undoes_it_too(play):
    story = play(HUP, (6, "dies", 0, -11, 2), boots={1: True, 2: {0: True, 1: 2.0}}, until=50)
    assert story.done("discard") == [(6, 2)]
    assert story.told == [(6, 2, 1, SIGTERM)]
    assert story.workers == [(1, 0), (1, 1)]


def test_new_workers_that_never_serve_are_given_up(play, complaints):
    (command,) = commands("reload")
    story = play((5, "asks", command), boots={1: True, 2: False}, settings={"timeouts": {"worker": 60}}, until=50)
    ((moment, number),) = story.done("discard")
    assert number == 2
    assert 35 <= moment < 35.1
    assert story.told == [(moment, 2, 0, SIGTERM), (moment, 2, 1, SIGTERM)]
    assert story.workers == [(1, 0), (1, 1)]
    assert command.answers == [(False, ("the new workers did not serve within 30 s",))]
    assert complaints() == ["not reloaded: the new workers did not serve within 30 s"]


def test_new_workers_that_hang_and_hear_nothing_are_killed(play):
    story = play(HUP, (6, "deaf", 0), (6, "deaf", 1), boots={1: True, 2: False}, until=80)
    assert story.workers == [(1, 0), (1, 1)]
    assert {(generation, number) for _, generation, _, number in story.told} <= {(2, SIGTERM), (2, SIGKILL)}


@pytest.mark.parametrize("count", [1, 3, 4])
def test_another_number_of_workers(play, count):
    story = play(HUP, loads=[count], until=50)
    assert story.workers == [(2, nr) for nr in range(count)]
    assert story.master.slots == count


def test_the_configured_number_holds_again_after_a_reload(play):
    story = play((2, "signal", SIGTTIN), (3, "signal", SIGTTIN), HUP, until=50)
    assert story.workers == [(2, 0), (2, 1)]
    story = play((2, "signal", SIGTTOU), HUP, until=50)
    assert story.workers == [(2, 0), (2, 1)]


def test_one_more_worker_during_a_reload_is_one_of_the_old(play):
    story = play(HUP, (5.1, "signal", SIGTTIN), boots={1: True, 2: 0.5}, until=5.3)
    assert story.workers == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]


def test_one_fewer_during_a_reload_is_none_of_the_new(play):
    story = play(HUP, (5.1, "signal", SIGTTOU), loads=[4], boots={1: True, 2: 0.5}, until=20)
    assert story.told == [(5.1, 1, 1, SIGQUIT), (5.52, 1, 0, SIGQUIT)]
    assert story.workers == [(2, nr) for nr in range(4)]


def test_the_deaths_of_new_workers_do_not_hold_up_the_old(play):
    history = [HUP, (5.2, "dies", 0, 1, 2), (5.22, "dies", 1, -11, 1)]
    story = play(*history, boots={1: True, 2: 0.5}, until=20)
    assert story.forks[-1] == (5.22, 1, 1)


def test_whatever_is_asked_during_a_reload_is_one_more(play):
    first, second, third = commands("reload", "reload", "reload")
    history = [(5, "asks", first), (5.1, "asks", second), (5.2, "signal", SIGHUP), (5.3, "asks", third)]
    story = play(*history, loads=[2, ("a bad line",)], boots={1: True, 2: 0.5}, until=50)
    assert [number for _, number in story.done("load")] == [2, None]
    assert first.answers == [(True, "generation 2 serves with 2 workers")]
    assert second.answers == third.answers == [(False, ("a bad line",))]


def test_one_that_was_asked_for_during_a_failing_reload_follows(play):
    story = play(HUP, (5.1, "signal", SIGHUP), (5.2, "dies", 0, 1, 2), boots={1: True, 2: 0.5}, until=50)
    assert [number for _, number in story.done("load")] == [2, 2]
    assert story.workers == [(2, 0), (2, 1)]


def test_a_storm_of_reloads_ends_with_the_last_generation(play):
    storm = [(5 + i * 0.02, "signal", SIGHUP) for i in range(50)]
    story = play(*storm, boots=dict.fromkeys(range(60), 0.1), until=50)
    loads = [number for _, number in story.done("load")]
    assert len(loads) < 20
    assert story.done("load")[-1][0] >= 5.9  # after the last signal, or with it
    assert story.workers == [(loads[-1], 0), (loads[-1], 1)]


def test_an_old_worker_that_dies_during_a_reload_does_not_undo_it(play):
    story = play(HUP, (5.1, "dies", 0, -11, 1), boots={1: True, 2: 0.5}, until=50)
    assert (5.1, 1, 0) in story.forks  # and is replaced meanwhile
    assert story.done("discard") == []
    assert story.workers == [(2, 0), (2, 1)]


def test_old_workers_that_take_their_time_do_not_hold_anything_up(play, complaints):
    history = [(4, "deaf", 0), (4, "deaf", 1), HUP, (60, "dies", 0, 0, 1), (70, "dies", 1, 0, 1)]
    story = play(*history, until=80)
    assert story.done("reload")[-1] == (5.02, True)
    assert story.workers == [(2, 0), (2, 1)]
    assert len(story.forks) == 4
    assert complaints() == []


def test_a_draining_worker_that_crashes_is_not_replaced(play, complaints):
    story = play((4, "deaf", 0), HUP, (60, "dies", 0, -11, 1), until=80)
    assert story.workers == [(2, 0), (2, 1)]
    assert len(story.forks) == 4
    assert complaints() == ["worker 1 (pid 100) was killed by SIGSEGV after 60.0 s"]


def test_forks_that_fail_hold_a_reload_up_and_no_more(play):
    story = play((4.9, "forks fail", 3), HUP, until=50)
    ((moment, number),) = story.done("adopt")
    assert number == 2
    assert 5.7 <= moment < 6
    assert story.workers == [(2, 0), (2, 1)]


def test_a_crash_storm_does_not_hold_up_the_reload_that_mends_it(play):
    story = play((200, "signal", SIGHUP), lives={1: 0.01}, boots={1: True}, until=260)
    forks = [moment for moment, generation, _ in story.forks if generation == 2]
    assert forks == [200, 200]
    assert story.workers == [(2, 0), (2, 1)]


def test_a_reload_before_anything_serves(play):
    story = play((0.5, "signal", SIGHUP), boots={1: False, 2: 0.1}, until=20)
    assert story.workers == [(2, 0), (2, 1)]
    assert len(story.done("announce")) == 1


def test_a_stop_during_a_reload_ends_both_generations(play):
    (command,) = commands("reload")
    story = play((5, "asks", command), (5.1, "signal", SIGTERM), boots={1: True, 2: 0.5})
    assert sorted(story.told) == [(5.1, g, nr, SIGTERM) for g in (1, 2) for nr in (0, 1)]
    assert story.code == ExitCode.OK
    assert command.answers == []  # its connection is cut with the master's end


def test_a_reload_that_is_asked_for_while_all_ends_is_refused(play):
    (command,) = commands("reload")
    story = play((3, "deaf", 0), (5, "signal", SIGTERM), (6, "asks", command), (7, "signal", SIGHUP))
    assert command.answers == [(False, ("gemd is stopping",))]
    assert story.done("load") == []


def test_a_worker_that_was_leaving_stays_until_the_reload_is_done(play):
    """Its own successor does not serve yet, and the new generation's may not be the one."""
    history = [
        (4, "boots", {1: False, 2: {0: True, 1: 0.5}}),
        (5, "answers", 0, 12),
        (6, "signal", SIGHUP),
        (6.2, "dies", 1, 1, 2),
    ]
    story = play(*history, settings={"max-requests": 10}, until=8)
    assert story.done("discard") == [(6.2, 2)]
    assert story.told == [(6.2, 2, 0, SIGTERM)]
    assert story.workers == [(1, 0), (1, 0), (1, 1)]


def test_generations_are_counted_by_what_serves(play):
    story = play(HUP, (10, "signal", SIGHUP), (15, "signal", SIGHUP), loads=[2, ("bad",), 2], until=50)
    assert [number for _, number in story.done("load")] == [2, None, 3]
    assert story.master.generation.number == 3


# What is loaded takes its time


def test_all_goes_on_while_something_is_loaded(play):
    status = ScriptedCommand("status")
    history = [HUP, (6, "dies", 0, -11), (7, "asks", status), (8, "signal", SIGTTIN)]
    story = play(*history, loads=[Slow(10, 3)], until=50)
    assert (6, 1, 0) in story.forks
    assert status.answers[0][1]["status"]["state"] == "reloading"
    assert (8, 1, 2) in story.forks
    assert story.done("load") == [(15, 2)]
    assert story.workers == [(2, 0), (2, 1), (2, 2)]


def test_new_workers_have_their_own_time_after_a_load(play):
    story = play(HUP, loads=[Slow(29)], boots={1: True, 2: 29}, until=100)
    assert story.master.generation.number == 2


def test_what_is_late_is_refused_by_name(play, complaints):
    (command,) = commands("reload")
    settings = {"timeouts": {"start": 7}}
    story = play((5, "asks", command), loads=[Slow(None, attempt="x could not be read")], settings=settings, until=50)
    assert story.done("reload") == [(5, False), (12, True)]
    assert command.answers == [(False, ("x could not be read within 7 s",))]
    assert complaints() == ["not reloaded: x could not be read within 7 s"]
    assert story.workers == [(1, 0), (1, 1)]
    assert (story.master.reload.failed, story.master.reload.is_under_way) == (1, False)


def test_a_load_that_can_not_even_begin_is_refused(play, complaints):
    (command,) = commands("reload")
    story = play((5, "asks", command), (6, "signal", SIGHUP), loads=[TaskError("no process")], until=50)
    assert command.answers == [(False, ("no process",))]
    assert story.done("cancel load") == []
    assert complaints() == ["not reloaded: no process"]
    assert story.workers == [(2, 0), (2, 1)]


def test_a_master_that_was_frozen_takes_what_was_loaded_meanwhile(play):
    story = play(HUP, (6, "frozen", 100), loads=[Slow(2)], until=150)
    assert story.done("cancel load") == []
    assert story.workers == [(2, 0), (2, 1)]


def test_whatever_is_asked_during_a_load_is_one_more(play):
    first, second = commands("reload", "reload")
    history = [(5, "asks", first), (6, "asks", second), (6, "signal", SIGHUP)]
    story = play(*history, loads=[Slow(3), Slow(3, 4)], until=50)
    assert [number for _, number in story.done("load")] == [2, 3]
    assert first.answers == [(True, "generation 2 serves with 2 workers")]
    assert second.answers == [(True, "generation 3 serves with 4 workers")]


def test_a_stop_ends_a_load(play):
    (command,) = commands("reload")
    story = play((5, "asks", command), (6, "signal", SIGTERM), loads=[Slow(None)])
    assert story.done("cancel load") == [(6,)]
    assert (story.code, story.processes.now) == (ExitCode.OK, 6)
    assert command.answers == []
    assert story.done("reload", "closed") == [(5, "reload", False), (6, "reload", True), (6, "closed", 1)]


def test_an_upgrade_ends_a_load(play):
    story = play(HUP, (6, "signal", SIGUSR2), loads=[Slow(None)], successors=[ScriptedSuccessor(ready=1)], until=50)
    assert story.done("cancel load") == [(6,)]
    assert story.done("begin load") == [(5,)]
    assert story.code == ExitCode.OK


def test_one_that_gave_way_to_an_upgrade_follows_when_that_fails(play, complaints):
    first, second = commands("reload", "reload")
    history = [(5, "asks", first), (5.5, "asks", second), (6, "signal", SIGUSR2)]
    story = play(*history, loads=[Slow(None), Slow(2, 3)], successors=[ScriptedSuccessor(lives=4)], until=50)
    assert [round(moment) for (moment,) in story.done("begin load")] == [5, 10]
    assert [is_over for _, is_over in story.done("reload")] == [False, True, False, True]
    assert first.answers == second.answers == [(True, "generation 2 serves with 3 workers")]
    assert len(complaints()) == 1  # of the upgrade
