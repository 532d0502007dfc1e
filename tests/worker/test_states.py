"""What is done with a connection in whatever state it is, and how many are in each."""

import socket
from collections import deque

import pytest

from gemd.config.settings import Limits, Timeouts
from gemd.protocol.response import Response
from gemd.shared.under_way import SIZE, UnderWay
from gemd.worker.lookups import Lookups
from gemd.worker.passed import Passes
from gemd.worker.states import States
from gemd.worker.thread_pool import ThreadPool
from gemd.worker.waiting import AnswerHelper
from tests.support.answers import ScriptedPending, ScriptedSource
from tests.support.gemini_client import tcp_pair
from tests.support.intakes import ScriptedIntake

FAULT = Response(40, "a fault")


@pytest.fixture
def begun():
    return []


@pytest.fixture
def states(poller, ready, ended, losses, begun):
    pool = ThreadPool(1)
    lookups, under_way = Lookups(pool), UnderWay(memoryview(bytearray(SIZE)))
    states = States(
        poller,
        lambda connection: AnswerHelper(connection, poller, pool, lookups, under_way),
        Timeouts(),
        Limits(),
        10,
        lambda _, reason: losses.append(reason),
        ready,
        ended,
    )
    states.add_passing((), Passes(lambda _: None, lambda _: None))
    states.add_uploading(begun.append)
    return states


@pytest.fixture
def enter(connect, poller, states):
    """A connection in a state, and its client."""

    def enter(name):
        client, connection = connect(tcp_pair(), shaken=name != "reading")
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if name == "reading":
            states.reading.add(connection)
            return client, connection
        connection.request = connection.reader.feed(b"titan://localhost/a;size=5\r\n")
        poller.register(connection.fd, 1, lambda *_: pytest.fail("read like a request"), connection)
        answers = {
            "writing": ScriptedPending(),
            "sent": Response(20, "text/gemini", ScriptedSource(b"a piece")),
            "lingering": Response(51, "Not found"),
            "uploading": ScriptedIntake(5),
        }
        states.writing.answer(connection, answers[name])
        return client, connection

    return enter


STATES = ("reading", "writing", "lingering", "passing", "uploading")


def test_each_is_counted(states, enter, begun):
    made = {name: enter(name)[1] for name in STATES if name != "passing"}
    assert states.count() == (1, 1, 1, 0, 1)
    assert begun == [made["uploading"]]
    for connection in made.values():
        states.drop(connection, "enough")
    assert states.count() == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("reading", "enough"),
        ("writing", "response broke off: enough"),
        ("lingering", None),
        ("uploading", "upload broke off: enough: 0 of 5 bytes came"),
    ],
)
def test_whoever_is_dropped_is_closed_and_reported_unless_it_is_done(states, enter, losses, name, loss):
    _, connection = enter(name)
    states.drop(connection, "enough")
    assert losses == ([] if loss is None else [loss])
    assert connection.socket.fileno() < 0


@pytest.mark.parametrize("name", ["writing", "uploading"])
def test_after_a_fault_there_is_an_answer_where_none_has_begun(states, enter, until, name):
    client, connection = enter(name)
    intake = connection.upload.intake if connection.upload is not None else None
    states.give_up(connection, FAULT, "a fault")
    until(lambda: client.read() is None or client.end, "the answer")
    assert (client.data, client.end) == (b"40 a fault\r\n", "whole")
    assert intake is None or intake.closed == 1
    states.drop(connection, "the test is over")


@pytest.mark.parametrize("name", ["reading", "lingering", "sent"])
def test_else_the_connection_ends(states, enter, name):
    _, connection = enter(name)
    states.give_up(connection, FAULT, "a fault")
    assert connection.socket.fileno() < 0
    assert states.count() == (0, 0, 0, 0, 0)


def test_who_is_woken_goes_on_where_it_is(states, enter, until):
    _, waiting = enter("writing")
    client, uploading = enter("uploading")
    intake = uploading.upload.intake
    intake.ready = False
    client.send(b"he")
    until(lambda: len(states.uploading._waiting), "it to wait")
    intake.ready = True
    states.resume(uploading)
    assert intake.data == b"he"
    waiting.pending.pieces = [FAULT]
    states.resume(waiting)
    assert waiting.status == 40
    for connection in (waiting, uploading):
        states.drop(connection, "the test is over")


def test_memory_is_held_by_those_who_upload(states, enter):
    _, connection = enter("uploading")
    assert [list(one) for one in states.holders] == [[], [connection]]
    states.drop(connection, "the test is over")


def test_without_uploads_nobody_looks_for_any(poller, losses):
    states = States(poller, lambda _: None, Timeouts(), Limits(), 10, losses.append, deque(), deque())
    assert (states.uploading, states.passing, states.holders) == (None, None, ())
    assert states.count() == (0, 0, 0, 0, 0)
    states.end_by(0.0)
