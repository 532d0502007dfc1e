"""Histories of log files that are opened anew."""

from signal import SIGHUP, SIGTERM, SIGUSR1

import pytest

from gemd.exit_codes import ExitCode
from gemd.master.report import TaskError

from .scripted import ScriptedCommand, Slow

NOT_OPENED = "the log /mnt/access could not be opened"


def reopen():
    return ScriptedCommand("reopen")


def test_files_are_handed_out_when_they_are_open(play, complaints):
    command = reopen()
    story = play((5, "asks", command), (6, "dies", 0, -11), reopenings=[Slow(3, ())], until=20)
    assert story.done("logs") == [(8, "access")]
    assert command.answers == [(True, "the log files are open anew")]
    assert (6, 1, 0) in story.forks  # all goes on meanwhile


def test_what_is_late_is_told(play, complaints):
    command = reopen()
    story = play((5, "asks", command), reopenings=[Slow(None, (), NOT_OPENED)], until=50)
    assert story.done("logs") == []
    assert command.answers == [(False, (f"{NOT_OPENED} within 30 s",))]
    assert complaints() == [f"the log files stay as they are: {NOT_OPENED} within 30 s"]


def test_whatever_is_asked_meanwhile_is_one_more(play):
    """The files may have been renamed after they were opened."""
    first, second = reopen(), reopen()
    history = [(5, "asks", first), (6, "signal", SIGUSR1), (7, "asks", second)]
    story = play(*history, reopenings=[Slow(3, ()), Slow(3, ("no",))], until=50)
    assert story.done("begin reopening") == [(5,), (9,)]
    assert first.answers == [(True, "the log files are open anew")]
    assert second.answers == [(False, ("no",))]


def test_those_of_another_generation_are_opened_anew(play):
    command = reopen()
    history = [(5, "asks", command), (5.5, "signal", SIGHUP)]
    story = play(*history, reopenings=[Slow(10, ("of the former",)), ()], until=50)
    assert [round(moment) for (moment,) in story.done("begin reopening")] == [5, 6]
    assert len(story.done("cancel reopening")) == 1
    assert command.answers == [(True, "the log files are open anew")]


def test_one_that_can_not_even_begin(play, complaints):
    command = reopen()
    story = play((5, "asks", command), (6, "signal", SIGUSR1), reopenings=[TaskError("no process")], until=20)
    assert command.answers == [(False, ("no process",))]
    assert story.done("logs") == [(6, "access")]


def test_a_fault_of_gemd_itself_is_told_too(play, monkeypatch):
    command = reopen()
    story = play(until=5)
    monkeypatch.setattr(story.notices.reopening, "poll", lambda _: [][0])
    story.notices.arriving.append(command)
    with pytest.raises(IndexError):  # which `Master.run` logs
        story.master.step()
    assert command.answers == [(False, ("a fault of gemd itself; the error log has a traceback",))]
    monkeypatch.undo()


def test_the_end_does_not_wait_for_it(play):
    command = reopen()
    story = play((5, "asks", command), (6, "signal", SIGTERM), reopenings=[Slow(None, ())])
    assert (story.code, story.processes.now) == (ExitCode.OK, 6)
    assert command.answers == []
