"""What the master says of itself and its workers."""

import json
import os
from signal import SIGHUP, SIGQUIT

import msgspec
import pytest

from gemd import __version__
from gemd.config.types import Address
from gemd.master.status import Totals, describe, summarise
from gemd.protocol.figures import ALL_FIGURES, ANSWERS, FIGURES
from gemd.system.listener import bind_all

SEGV = -11
NOTHING = {figure.name: 0 for figure in FIGURES if figure.is_summed}
NO_ANSWERS = {figure.name: 0 for figure in ANSWERS.values()}
WORKER = {"nr", "pid", "generation", "state", "uptime"} | {figure.name for figure in FIGURES}


@pytest.fixture
def totals():
    """For a master that started at 100."""
    return Totals(100.0)


def figures(requests):
    """Those of a worker that has answered so many requests, with 10 bytes each."""
    shown = {"reading": 3, "threads": 2, "dropped": 1, "memory": 1000, "private": 500}
    return {figure.name: 0 for figure in ALL_FIGURES} | shown | {"requests": requests, "bytes": 10 * requests}


def tell(story, now):
    """What it says then."""
    return describe(story.master.look(now), story.master.pool, story.master.generation)


def test_nobody_has_done_anything_yet(totals):
    assert set(totals.sum_up([]).values()) == {0}


def test_what_those_alive_do_is_added_up(totals):
    assert totals.sum_up([figures(2), figures(3)]) == {
        **NOTHING,
        **NO_ANSWERS,
        "requests": 5,
        "bytes": 50,
        "dropped": 2,
        "reading": 6,
        "threads": 4,
        "memory": 2000,
    }


def test_what_those_that_ended_have_counted_stays_and_what_they_had_does_not(totals):
    totals.keep(figures(2))
    totals.keep(figures(7))
    assert totals.sum_up([figures(1)]) == {
        **NOTHING,
        **NO_ANSWERS,
        "requests": 10,
        "bytes": 100,
        "dropped": 3,
        "reading": 3,
        "threads": 2,
        "memory": 1000,
    }


def test_counters_never_go_back(play):
    """Workers die, are recycled and reloaded; a new one begins at nothing, but the sum goes on."""
    story = play((5, "answers", 0, 30), (6, "dies", 0, SEGV), (7, "answers", 0, 5), (8, "answers", 1, 7), until=10)
    sums = tell(story, story.processes.now)
    assert (sums["requests"], sums["bytes"], sums["deaths"]) == (42, 4200, 1)
    assert [worker["requests"] for worker in sums["workers"]] == [5, 7]


def test_everything(play):
    story = play((2, "deaf", 1), (3, "dies", 0, SEGV), settings={"max-requests": 5}, until=10)
    status = tell(story, 12.34)
    json.dumps(status)
    workers = status.pop("workers")
    assert status.pop("hosts") == []
    assert status.pop("descriptors") == len(os.listdir("/proc/self/fd")) - 1
    assert status == {
        "version": __version__,
        "pid": os.getpid(),
        "state": "serving",
        "generation": 1,
        "uptime": 12.3,
        "configuration": None,
        "listeners": [],
        "slots": 2,
        "serving": 2,
        **NOTHING,
        "deaths": 1,
        "reloads": 0,
        "failed_reloads": 0,
        "responses": {"(none)": {}},
        "durations": {},
        "events": {"handshake_failures": {}, "refusals": {}, "evictions": {}},
        "certificates": {},
    }
    assert set(workers[0]) == WORKER
    assert [(worker["nr"], worker["pid"], worker["state"], worker["uptime"]) for worker in workers] == [
        (1, 102, "serving", 9.3),
        (2, 101, "serving", 12.3),
    ]


def test_states_of_workers(play):
    history = [(4, "deaf", 0), (5, "signal", SIGHUP), (6, "boots", False), (6, "answers", 1, 12)]
    story = play(*history, settings={"max-requests": 10}, loads=[{"workers": 2, "max-requests": 10}], until=8)
    workers = tell(story, 8.0)["workers"]
    assert [(worker["nr"], worker["generation"], worker["state"]) for worker in workers] == [
        (1, 1, "draining"),
        (1, 2, "serving"),
        (2, 2, "leaving"),
        (2, 2, "starting"),
    ]
    assert summarise(story.master.look(8.0)) == "serving: 2 of 2 workers, 12 requests, 1 draining"


def test_listeners_that_are_closed_are_none(play):
    """As they are while all ends, when status is asked for too."""
    story = play(until=3)
    listeners = bind_all([Address("127.0.0.1", 0), Address("127.0.0.1", 0)], 10.0)
    story.master.generation = msgspec.structs.replace(story.master.generation, listeners=listeners)
    second = f"127.0.0.1:{listeners[1].port}"
    listeners[0].close()
    assert story.master.look(3.0).listeners == [second]
    listeners[1].close()
    assert story.master.look(3.0).listeners == []


def test_a_line_for_the_service_manager(play):
    story = play((5, "answers", 0, 3), until=7)
    assert summarise(story.master.look(7.0)) == "serving: 2 of 2 workers, 3 requests"


def test_whatever_a_worker_writes_there_is_shown_and_nothing_else(play):
    story = play(until=3)
    for memory in (story.processes._scoreboard._memory, story.processes._scoreboard._counts._memory):
        memory.octets[:] = b"\xff" * len(memory.octets)
    status = tell(story, 3.0)
    json.dumps(status)
    assert status["requests"] == 2 * (2**64 - 1)
    for _ in range(100):
        story.master.step()
    assert {number for _, _, _, number in story.told} == {SIGQUIT}  # it wants a rest, among other things
    assert len(story.forks) == 4
    assert story.workers == [(1, 0), (1, 1)]


def test_answers_of_gateways_are_shown_once_they_were_given(play):
    story = play(until=3)
    story.processes._scoreboard.row(0).count_answer("scgi", 43)
    status = tell(story, 3.0)
    assert (status["scgi_43"], "scgi_20" in status) == (1, False)
    assert sum("scgi_43" in worker for worker in status["workers"]) == 1
