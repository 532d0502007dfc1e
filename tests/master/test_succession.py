"""The roles of a master, and histories of upgrades: the new one serves before the old one drains, and that one can take
its place back."""

from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGTTIN, SIGUSR1, SIGUSR2

import pytest

from gemd.exit_codes import ExitCode
from gemd.master.succession import CHANGES, ImpossibleChange, Role, Succession

from .scripted import ScriptedCommand, ScriptedSuccessor

USR2 = (5, "signal", SIGUSR2)
QUIT_ALL = [(0, SIGQUIT), (1, SIGQUIT)]


def to_successor(story):
    """When, and which signals it was sent."""
    return [(moment, number) for moment, who, number in story.done("kill") if who == "successor"]


def to_workers(story):
    return [(nr, number) for _, _, nr, number in story.told]


@pytest.mark.parametrize("old", Role)
@pytest.mark.parametrize("new", Role)
def test_a_change_that_the_table_lacks_is_refused(old, new):
    succession = Succession(None)
    succession.role = old
    if new in CHANGES[old]:
        succession.become(new)
        assert succession.role is new
    else:
        with pytest.raises(ImpossibleChange, match=f"{old.value} can't become one that is {new.value}"):
            succession.become(new)
        assert succession.role is old


def test_nothing_becomes_of_one_that_stops_and_nobody_starts_again():
    assert CHANGES[Role.STOPPING] == set()
    assert not [role for role in Role if Role.STARTING in CHANGES[role]]


def test_a_fault_that_changes_the_role_is_logged_and_the_master_goes_on(play, caplog, complaints, monkeypatch):
    story = play(until=4)
    step = story.master.step
    faults = iter([lambda: story.master.succession.become(Role.STARTING)])
    monkeypatch.setattr(story.master, "step", lambda: next(faults, step)())
    story.processes.after(5, "signal", SIGTERM)
    assert story.master.run() == ExitCode.OK
    assert complaints() == ["a fault in the master, which goes on"]
    assert "ImpossibleChange: a master that is serving can't become one that is starting" in caplog.text


ROLES = {
    Role.STARTING: ([], {"boots": 5.0}),
    Role.SERVING: ([], {}),
    Role.UPGRADING: ([USR2], {}),
    Role.RETIRED: ([(4, "deaf", 0), USR2], {"successors": [ScriptedSuccessor(ready=1)]}),
    Role.STOPPING: ([(3, "deaf", 0), (4, "signal", SIGTERM)], {}),
}


@pytest.mark.parametrize(("role", "how"), ROLES.items())
def test_roles(play, role, how):
    history, options = how
    story = play(*history, until=4 if role is Role.STARTING else 7, **{"successors": [ScriptedSuccessor()], **options})
    assert story.master.role is role
    assert story.master.look(7.0).state == role.value


def test_a_retired_one_that_is_told_to_stop_stays_retired(play):
    history = [(4, "deaf", 0), USR2, (20, "signal", SIGTERM)]
    story = play(*history, successors=[ScriptedSuccessor(ready=1, lives=17)], until=25)  # which fails, too late
    assert story.master.role is Role.RETIRED
    assert story.master.shutdown.is_begun
    assert story.done("resume") == []


def test_the_new_master_serves_before_the_workers_are_told_to_drain(play, complaints):
    successor = ScriptedSuccessor(ready=1.5)
    story = play(USR2, successors=[successor])
    ((retired, pid),) = story.done("retire")
    assert pid == successor.pid
    assert 6.5 <= retired < 6.6
    assert story.told == [(retired, 1, 0, SIGQUIT), (retired, 1, 1, SIGQUIT)]
    assert to_successor(story) == []
    assert complaints() == []


def test_the_old_one_ends_when_it_has_drained_and_leaves_what_is_not_its_own_any_more(play):
    history = [(4, "deaf", 0), USR2, (500, "dies", 0, 0)]
    story = play(*history, successors=[ScriptedSuccessor(ready=2)])
    assert story.code == ExitCode.OK
    assert story.processes.now == 500
    assert story.done("close") == [(500, True)]
    assert story.done("closed") == []  # its listeners are the new one's too


def test_draining_has_no_limit(play):
    story = play((4, "deaf", 0), USR2, successors=[ScriptedSuccessor(ready=2)], until=3000)
    assert story.code is None
    assert to_workers(story) == QUIT_ALL


def test_one_that_ends_before_it_serves_changes_nothing(play, complaints):
    command = ScriptedCommand("upgrade")
    story = play((5, "asks", command), successors=[ScriptedSuccessor(lives=1)], until=50)
    assert story.told == []
    assert story.workers == [(1, 0), (1, 1)]
    assert [what for _, what in story.done("announce", "retire")] == ["announce"]
    assert command.answers == [(False, ("the new master has ended and has not said why; the error log may, stderr",))]
    assert complaints() == ["not upgraded: the new master (pid 102) has ended; this one goes on"]


def test_why_it_ends_is_told_to_who_waits_and_logged(play, complaints):
    command = ScriptedCommand("upgrade")
    successors = [ScriptedSuccessor(lives=1, says=["a: no such key", "b: neither"]), ScriptedSuccessor(ready=1)]
    story = play((5, "asks", command), (20, "signal", SIGUSR2), successors=successors, until=50)
    assert command.answers == [(False, ("a: no such key", "b: neither"))]
    assert complaints() == [
        "not upgraded: a: no such key",
        "not upgraded: b: neither",
        "not upgraded: the new master (pid 102) has ended; this one goes on",
    ]
    assert [what for _, what, *_ in story.done("announce", "retire")] == ["announce", "retire"]


def test_one_that_is_told_to_end_before_it_serves_changes_nothing(play):
    story = play(USR2, successors=[ScriptedSuccessor(lives=1, polite=True)], until=50)
    assert story.told == []
    assert story.workers == [(1, 0), (1, 1)]


def test_one_that_fails_after_it_served_is_replaced_by_the_old_one_while_that_drains(play, complaints):
    history = [(4, "deaf", 0), USR2, (20, "dies", 0, 0, 1)]
    story = play(*history, successors=[ScriptedSuccessor(ready=1, lives=3)], until=50)
    ((failed,),) = story.done("resume")
    assert 8 <= failed <= 9.1
    assert story.workers == [(1, 0), (1, 1)]
    assert [moment for moment, _, _ in story.forks][2:] == [failed, failed]
    assert complaints() == ["not upgraded: the new master (pid 102) has ended; this one goes on"]


def test_it_serves_again_at_once_even_after_a_storm(play):
    history = [(31.9, "deaf", 1), (32, "signal", SIGUSR2)]
    story = play(*history, lives={1: {0: 0.01}}, successors=[ScriptedSuccessor(ready=1, lives=3)], until=37)
    (announced,) = story.done("resume")[-1]
    assert 35 <= announced <= 36.1
    assert [nr for moment, _, nr in story.forks if moment == announced] == [0, 1]


def test_it_may_be_upgraded_again_after_that(play):
    successors = [ScriptedSuccessor(ready=1, lives=2), ScriptedSuccessor(ready=1)]
    history = [(4, "deaf", 0), USR2, (20, "signal", SIGUSR2), (30, "dies", 0, 0, 1)]
    story = play(*history, successors=successors)
    assert story.code == ExitCode.OK
    assert story.processes.now == 30
    assert len(story.done("retire")) == 2
    assert successors[0].is_closed


def test_when_the_new_one_is_told_to_stop_so_is_the_old_one(play):
    history = [(4, "deaf", 0), USR2]
    story = play(*history, successors=[ScriptedSuccessor(ready=1, lives=20, polite=True)])
    assert to_workers(story) == [*QUIT_ALL, (0, SIGTERM), (0, SIGKILL)]
    moments = [moment for moment, _, _, _ in story.told]
    assert 25 <= moments[2] <= 26.1
    assert moments[3] - moments[2] == pytest.approx(10, abs=0.1)
    assert story.code == ExitCode.OK
    assert story.done("close")[0][1] is True


def test_a_second_usr2_changes_nothing(play, complaints):
    first, second = ScriptedCommand("upgrade"), ScriptedCommand("upgrade")
    history = [(5, "asks", first), (5.5, "asks", second), (5.6, "signal", SIGUSR2)]
    story = play(*history, successors=[ScriptedSuccessor(ready=1), ScriptedSuccessor(ready=1)])
    assert len(story.done("start")) == 1
    assert second.answers == [(False, ("an upgrade is under way already",))]
    assert first.answers == [(True, "the master with pid 102 serves")]
    assert complaints() == ["not upgraded: an upgrade is under way already"] * 2


def test_one_that_never_serves_is_told_to_end_and_then_killed(play, complaints):
    successor = ScriptedSuccessor(deaf=True)
    story = play(USR2, successors=[successor], settings={"timeouts": {"start": 10}}, until=60)
    (told, first), (killed, second) = to_successor(story)
    assert (first, second) == (SIGTERM, SIGKILL)
    assert told == pytest.approx(25, abs=0.1)
    assert killed == pytest.approx(30, abs=0.1)
    assert story.workers == [(1, 0), (1, 1)]
    assert complaints() == ["not upgraded: the new master (pid 102) did not serve in time; this one goes on"]


def test_one_that_heeds_term_is_not_killed(play):
    story = play(USR2, successors=[ScriptedSuccessor()], settings={"timeouts": {"start": 10}}, until=60)
    assert [number for _, number in to_successor(story)] == [SIGTERM]


def test_one_that_serves_in_the_last_moment_is_not_killed(play):
    successor = ScriptedSuccessor(ready=22, deaf=True)
    story = play(USR2, (4, "deaf", 0), successors=[successor], settings={"timeouts": {"start": 10}}, until=60)
    assert [number for _, number in to_successor(story)] == [SIGTERM]
    assert len(story.done("retire")) == 1


def test_a_program_that_is_gone_is_named(play, complaints):
    command = ScriptedCommand("upgrade")
    story = play((5, "asks", command), (10, "signal", SIGUSR2), until=20)
    reason = "the program can't be started again: No such file or directory: /bin/gemd"
    assert command.answers == [(False, (reason,))]
    assert complaints() == [f"not upgraded: {reason}"] * 2
    assert story.workers == [(1, 0), (1, 1)]


def test_nothing_takes_the_place_of_what_does_not_serve_yet(play, complaints):
    story = play((1, "signal", SIGUSR2), boots=5.0, successors=[ScriptedSuccessor(ready=1)], until=20)
    assert story.done("start") == []
    assert complaints() == ["not upgraded: no worker serves yet"]


def test_process_1_is_not_replaced(play, complaints, monkeypatch):
    monkeypatch.setattr("gemd.master.succession.os.getpid", lambda: 1)
    story = play(USR2, successors=[ScriptedSuccessor(ready=1)], until=20)
    assert story.done("start") == []
    assert "ends the container" in complaints()[0]


def test_a_reload_that_is_asked_for_meanwhile_waits_for_the_outcome(play):
    command = ScriptedCommand("reload")
    history = [USR2, (6, "asks", command)]
    story = play(*history, successors=[ScriptedSuccessor(lives=10)], until=50)
    ((loaded, number),) = story.done("load")
    assert number == 2
    assert 15 <= loaded < 15.1
    assert command.answers == [(True, "generation 2 serves with 2 workers")]


def test_a_reload_that_is_under_way_goes_on_afterwards(play):
    history = [(4.9, "signal", SIGHUP), USR2]
    story = play(*history, boots={1: True, 2: 1.0}, successors=[ScriptedSuccessor(lives=3)], until=50)
    ((adopted, _),) = story.done("adopt")
    assert 8 <= adopted < 8.1
    assert story.workers == [(2, 0), (2, 1)]


def test_a_new_worker_of_a_reload_that_dies_during_an_upgrade_undoes_the_reload_alone(play):
    history = [(4.9, "signal", SIGHUP), USR2, (5.5, "dies", 0, 1, 2)]
    story = play(*history, boots={1: True, 2: 1.0}, successors=[ScriptedSuccessor(ready=2)], turns=200)
    assert [number for _, number in story.done("discard")] == [2]
    assert len(story.done("retire")) == 1


@pytest.mark.parametrize("number", [SIGHUP, SIGTTIN, SIGUSR2])
def test_what_is_asked_of_one_that_drains_is_the_new_ones_business(play, number):
    story = play((4, "deaf", 0), USR2, (20, "signal", number), successors=[ScriptedSuccessor(ready=1)], until=50)
    assert len(story.forks) == 2
    assert story.done("load") == []
    assert story.master.slots == 2


def test_a_worker_that_dies_while_it_drains_is_not_replaced(play):
    history = [(4, "deaf", 0), (4, "deaf", 1), USR2, (20, "dies", 0, -11), (30, "dies", 1, 0)]
    story = play(*history, successors=[ScriptedSuccessor(ready=1)])
    assert len(story.forks) == 2
    assert (story.code, story.processes.now) == (ExitCode.OK, 30)


@pytest.mark.parametrize("number", [SIGTERM, SIGINT, SIGQUIT])
def test_a_stop_during_the_start_of_the_new_one_stops_both(play, number):
    story = play(USR2, (5.5, "signal", number), successors=[ScriptedSuccessor(ready=20)])
    assert to_successor(story) == [(5.5, SIGTERM)]
    assert story.code == ExitCode.OK
    assert story.done("close") == [(5.5, False)]


def test_an_old_one_that_is_told_to_stop_ends_alone(play):
    history = [(4, "deaf", 0), USR2, (20, "signal", SIGTERM)]
    story = play(*history, successors=[ScriptedSuccessor(ready=1)])
    assert to_successor(story) == []
    assert to_workers(story) == [*QUIT_ALL, (0, SIGTERM), (0, SIGKILL)]
    assert story.done("close") == [(30, True)]


def test_a_frozen_master_notices_what_it_missed(play):
    history = [(4, "deaf", 0), USR2, (5.1, "frozen", 100)]
    story = play(*history, successors=[ScriptedSuccessor(ready=1, lives=50)], until=200)
    assert [what for _, what, *_ in story.done("announce", "retire", "resume")] == ["announce", "retire", "resume"]
    assert (1, 1) in story.workers


def test_the_new_one_hears_of_logs_that_were_opened_anew_before_it_could(play):
    history = [(4, "deaf", 0), USR2, (6, "signal", SIGUSR1), (30, "signal", SIGUSR1)]
    story = play(*history, successors=[ScriptedSuccessor(ready=2)], until=50)
    ((told, number),) = to_successor(story)
    assert number == SIGUSR1
    assert told == story.done("retire")[0][0]


def test_it_is_not_told_of_what_was_before(play):
    history = [(4, "deaf", 0), (4.5, "signal", SIGUSR1), USR2]
    story = play(*history, successors=[ScriptedSuccessor(ready=2)], until=50)
    assert to_successor(story) == []
    assert story.notices.successors == []


def test_one_that_is_succeeded_waits_for_its_own_predecessor(play):
    """Which would take its end for the end of everything, and has downloads to finish."""
    story = play(USR2, successors=[ScriptedSuccessor(ready=1)], until=4)
    story.notices.predecessor_drains = True
    while story.processes.now < 100:
        story.master.step()
        assert story.master.exit_code is None
    assert story.workers == []
    story.notices.predecessor_drains = False
    story.master.step()
    assert story.master.exit_code == ExitCode.OK


def test_one_that_is_told_to_stop_does_not_wait_for_its_predecessor(play):
    story = play((5, "signal", SIGTERM), until=4)
    story.notices.predecessor_drains = True
    while story.master.exit_code is None:
        story.master.step()
    assert story.processes.now == 5
