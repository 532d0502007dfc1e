"""Processes beside the workers that nobody serves without, in the master's history."""

import math
from signal import SIGHUP, SIGTERM

import pytest

from gemd.exit_codes import ExitCode

from .scripted import ScriptedCommand

UNREADY = "the application m:app"


@pytest.fixture
def hosts(monkeypatch):
    """When those of a generation are ready, by its number, and those that fail; nothing is needed where none is."""

    class Hosts:
        ready_from, failures, changes = {}, {}, []
        start_at = math.inf

        def __init__(self, processes):
            self._processes = processes

        def step(self, generations, pids, now):
            """They are what the test says."""
            self.kept = [generation.number for generation in generations]

        def find_unready(self, generation):
            return UNREADY if self._processes.now < self.ready_from.get(generation.number, 0) else None

        def find_failure(self, generation):
            return self.failures.get(generation.number)

        def take_change(self):
            due = [moment for moment in self.changes if moment <= self._processes.now]
            self.changes[:] = [moment for moment in self.changes if moment not in due]
            return bool(due)

        def all(self):
            return iter(())

    Hosts.ready_from, Hosts.failures, Hosts.changes = {}, {}, []
    monkeypatch.setattr("gemd.master.pool.HostProcesses", Hosts)
    return Hosts


def test_it_is_announced_when_they_are_ready(play, hosts):
    hosts.ready_from[1] = 3
    story = play(until=10)
    (announced,) = [moment for moment, *_ in story.done("announce")] or [None]
    assert 3 <= announced < 3.1
    assert [moment for moment, *_ in story.forks if moment < 3] == []  # for who is accepted would have to wait


def test_one_that_fails_at_the_start_ends_it(play, hosts):
    hosts.ready_from[1] = 1000
    hosts.failures[1] = f"{UNREADY} ended with exit code 8"
    story = play()
    assert story.code is ExitCode.APPLICATION
    assert story.done("announce") == []


def test_one_that_fails_later_ends_nothing(play, hosts):
    story = play(until=3)
    hosts.failures[1] = f"{UNREADY} was killed by SIGKILL"
    story.master.step()
    assert story.code is None


def test_a_reload_waits_for_them(play, hosts):
    hosts.ready_from[2] = 8
    story = play((5, "signal", SIGHUP), until=20)
    ((adopted, _),) = story.done("adopt")
    assert 8 <= adopted < 8.1
    assert all(moment >= 8 for moment, *_ in story.told)
    assert all(moment >= 8 for moment, generation, _ in story.forks if generation == 2)


def test_one_that_fails_undoes_a_reload(play, hosts, complaints):
    hosts.ready_from[2] = 1000
    hosts.failures[2] = f"{UNREADY} ended with exit code 8"
    command = ScriptedCommand("reload")
    story = play((5, "asks", command), until=20)
    assert story.done("adopt") == []
    assert command.answers == [(False, (f"{UNREADY} ended with exit code 8",))]
    assert story.workers == [(1, 0), (1, 1)]
    assert [generation for _, generation, _ in story.forks] == [1, 1]  # nobody was accepted by those that end


def test_one_that_is_never_ready_is_named(play, hosts):
    hosts.ready_from[2] = 1000
    command = ScriptedCommand("reload")
    play((5, "asks", command), until=60)
    assert command.answers == [(False, (f"{UNREADY} did not serve within 30 s",))]


def test_a_change_of_its_files_is_a_reload(play, hosts):
    hosts.changes.append(5)
    story = play((20, "signal", SIGTERM))
    assert [number for _, number in story.done("adopt")] == [2]


TERM = (5, "signal", SIGTERM)


@pytest.mark.parametrize(
    ("takes", "ends", "settings"),
    [
        (2.0, 7.0, {"timeouts": {"stop": 10}}),
        (600.0, 12.0, {"timeouts": {"stop": 10}}),
        (600.0, 8.0, {"timeouts": {"stop": 3}}),
        (600.0, 6.0, {"timeouts": {"stop": 0.5}}),
    ],
)
def test_a_stop_waits_for_them_and_no_longer_than_it_has_time(play, hosts, monkeypatch, takes, ends, settings):
    monkeypatch.setattr("tests.master.scripted.ScriptedProcessControl.hosts_take", takes, raising=False)
    story = play(TERM, settings=settings)
    assert story.code is ExitCode.OK
    assert story.processes.hosts_told == 5
    assert story.processes.now == pytest.approx(ends, abs=1.01)
    assert story.master.pool.hosts.kept == []  # and none is started meanwhile
