"""Users by name, remembered for a moment, in a database that the tests make up."""

import contextlib
import threading
import time
from types import SimpleNamespace

import pytest

from gemd.config.people_settings import UserDirectories
from gemd.protocol.errors import GeminiError, NotFound, Overloaded
from gemd.protocol.response import Response
from gemd.responders import accounts
from gemd.responders.accounts import Accounts, UnknownUser
from tests.support.pump import Pump

TABLE = UserDirectories()
PAGE = Response(20, "text/plain", b"page")
ALICE = SimpleNamespace(uid=1000)


@pytest.fixture
def asked():
    return []


@pytest.fixture
def known(asked):
    """Alice is known, and nobody else."""

    def find(name, _table):
        asked.append(name)
        return ALICE if name == "alice" else None

    return Accounts(find)


def answer_for(known, name, pump):
    """What an answer comes to that needs to know who somebody is."""

    def find():
        try:
            if known.find(name, TABLE) is None:
                raise NotFound
        except UnknownUser as error:
            return error.wait(find)
        return PAGE

    answer = find()
    return answer if answer is PAGE else pump.settle(answer)


def test_a_name_is_looked_up_once(known, asked, pump):
    for _ in range(3):
        assert answer_for(known, "alice", pump) is PAGE
    assert asked == ["alice"]


def test_who_is_nobody_is_remembered_as_well(known, asked, pump):
    for _ in range(3):
        with pytest.raises(NotFound):
            answer_for(known, "bob", pump)
    assert asked == ["bob"]


def test_it_holds_for_a_while(known, asked, pump, monkeypatch):
    monkeypatch.setattr(accounts, "_KEPT", 0.2)
    answer_for(known, "alice", pump)
    time.sleep(0.25)
    assert answer_for(known, "alice", pump) is PAGE
    assert asked == ["alice"] * 2


def test_who_becomes_somebody_else_is_forgotten(pump, monkeypatch):
    people = {"alice": ALICE}
    known = Accounts(lambda name, _table: people.get(name))
    assert known.look_up(("alice", TABLE)) is ALICE
    del people["alice"]
    later = time.monotonic() + 40
    monkeypatch.setattr(accounts.time, "monotonic", lambda: later)
    assert known.look_up(("alice", TABLE)) is None
    assert known.find("alice", TABLE) is None


def test_it_is_said_no_sooner_that_there_is_nobody(known, pump):
    start = time.monotonic()
    with pytest.raises(NotFound):
        answer_for(known, "bob", pump)
    assert time.monotonic() - start >= accounts._LEAST
    start = time.monotonic()
    answer_for(known, "alice", pump)
    assert time.monotonic() - start < accounts._LEAST


def test_there_is_an_end_to_what_is_remembered(asked, monkeypatch):
    monkeypatch.setattr(accounts, "_MAX_OTHERS", 3)
    known = Accounts(lambda name, _table: asked.append(name))
    for name in ("0", "1", "2", "3", "3", "2", "1", "0"):
        known.look_up((name, TABLE))
    assert asked == ["0", "1", "2", "3", "0"]


def test_who_tries_names_has_no_user_forgotten(known, asked, pump, monkeypatch):
    monkeypatch.setattr(accounts, "_MAX_OTHERS", 10)
    known = Accounts(lambda name, _table: asked.append(name) or (ALICE if name == "alice" else None))
    answer_for(known, "alice", pump)
    for number in range(50):
        known.look_up((f"bob{number}", TABLE))
    assert answer_for(known, "alice", pump) is PAGE
    assert asked.count("alice") == 1


class Hanging:
    """A service of names that does not answer until it is told to."""

    def __init__(self):
        self.gate = threading.Event()
        self.asked = []

    def find(self, name, _table):
        self.asked.append(name)
        assert self.gate.wait(20)


def test_what_hangs_takes_a_few_threads_and_no_more():
    hanging = Hanging()
    known = Accounts(hanging.find)
    with contextlib.ExitStack() as opened:
        opened.callback(hanging.gate.set)
        answers = []
        for number in range(40):
            pump = opened.enter_context(Pump())
            pump.client = f"192.0.2.{number % 20}"
            with pytest.raises(UnknownUser) as caught:
                known.find(f"name{number}", TABLE)
            answers.append(caught.value.wait(lambda: PAGE))
            answers[-1].begin(pump)
        assert len(hanging.asked) == accounts._AT_ONCE
        assert [answer.settle() for answer in answers] == [None] * 40
        hanging.gate.set()
        for answer in answers:
            answer.close()


def test_a_client_s_own_wait_in_turn_and_then_no_more(by_hand):
    known = Accounts(lambda *_: ALICE)
    answers = []
    for number in range(accounts._WAITING + 2):
        answers.append(UnknownUser(known, (str(number), TABLE)).wait(lambda: PAGE))
        answers[-1].begin(by_hand)
    with pytest.raises(Overloaded):
        answers[-1].settle()
    assert answers[-2].settle() is None
    for answer in answers:
        answer.close()


def test_it_has_an_end(by_hand, monkeypatch):
    monkeypatch.setattr(accounts, "_TIMEOUT", 0.0)
    answer = UnknownUser(Accounts(lambda *_: ALICE), ("alice", TABLE)).wait(lambda: PAGE)
    answer.begin(by_hand)
    with pytest.raises(GeminiError, match="too long"):
        answer.settle()
    answer.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_is_told_and_not_tried_for_ever(pump):
    def find(*_):
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        answer_for(Accounts(find), "alice", pump)
