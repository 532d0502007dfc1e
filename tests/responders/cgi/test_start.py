"""The start of a script, of which every moment may be the one when nobody wants it any more."""

import threading
from types import SimpleNamespace

import pytest

from gemd.protocol.errors import Overloaded
from gemd.responders.cgi.start import ScriptStart
from gemd.system.places import Places
from gemd.system.script_output import ScriptError

CLIENT = "192.0.2.1"


class Script:
    """Notes what is done with it; a descriptor of its own is watched from the beginning, unless it has none."""

    def __init__(self, descriptors=(7,)):
        self.descriptors = descriptors
        self.done = []
        self.fails = False

    def start(self):
        self.done.append("start")
        if self.fails:
            raise ScriptError("can't be started")

    def discard(self):
        self.done.append("discard")


class File:
    path = "/script"

    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


class Begun:
    """A start, what it is about, and what it has told of."""

    def __init__(self, script=None, places=None):
        self.script = script or Script()
        self.file = File()
        self.places = places or Places(1, 1)
        self.works, self.woken, self.turns, self.ended = [], [], [], []
        self.refusal = None
        self.start = ScriptStart(self.file, {}, self.make, self, self.places)
        helper = SimpleNamespace(client=CLIENT, wake=lambda: self.woken.append(True))
        self.begin = lambda: self.start.begin(helper, lambda: self.turns.append(True), self.end)

    def make(self, _file, _environ):
        if self.refusal is not None:
            raise self.refusal
        return self.script

    def end(self, script):
        self.ended.append(script)
        self.start.leave()

    def take_work(self, work, _program):
        self.works.append(work)


@pytest.fixture
def begun():
    """Make a start that has begun; its thread is the test's, when the test says so."""

    def begun(*arguments, **options):
        made = Begun(*arguments, **options)
        made.start._threads = SimpleNamespace(start=made.take_work)
        made.begin()
        return made

    return begun


def run(begun):
    begun.works.pop(0)()


def test_what_it_writes_tells_of_its_start_and_nothing_else_does(begun):
    one = begun()
    assert (one.start.descriptors, one.turns) == ((7,), [True])
    run(one)
    assert one.woken == []
    assert one.start.find_started() is one.script
    assert (one.script.done, one.file.closed) == (["start"], 1)


def test_who_has_asked_before_is_told(begun):
    one = begun()
    assert one.start.find_started() is None
    assert one.start.descriptors == ()  # what it has written can wait: it would be told again and again
    run(one)
    assert one.woken == [True]
    assert one.start.descriptors == (7,)


def test_where_there_is_nothing_to_watch_its_start_is_told(begun):
    one = begun(Script(descriptors=()))
    run(one)
    assert one.woken == [True]


def test_one_whose_turn_comes_in_another_thread_is_told_of(begun):
    """Nobody watches its descriptors, which there were none of."""
    places = Places(1, 1)
    other = places.request("192.0.2.2", lambda _: None)
    one = begun(places=places)
    assert (one.start.descriptors, one.turns) == ((), [])
    leaving = threading.Thread(target=other.leave)
    leaving.start()
    leaving.join()
    assert one.turns == [True]
    run(one)
    assert one.woken == [True]


def test_one_whose_turn_does_not_come_is_refused(begun):
    places = Places(1, 1)
    places.request("192.0.2.2", lambda _: None)
    one = begun(places=places)
    one.start.refuse_late(float("inf"))
    with pytest.raises(Overloaded):
        one.start.refuse_late(0.0)
    begun().start.refuse_late(0.0)


def test_a_failure_is_told_whoever_asks(begun):
    one = begun()
    one.script.fails = True
    run(one)
    assert one.woken == [True]
    with pytest.raises(ScriptError):
        one.start.find_started()
    one.start.close()
    assert (one.script.done, one.ended, one.places.are_taken) == (["start", "discard"], [], False)


def test_one_that_can_not_even_be_made_is_a_failure():
    one = Begun()
    one.refusal = ScriptError("no descriptors")
    one.begin()
    assert one.woken == [True]
    with pytest.raises(ScriptError, match="no descriptors"):
        one.start.find_started()
    one.start.close()
    assert (one.file.closed > 0, one.places.are_taken) == (True, False)


def test_closed_before_a_thread_comes_it_is_not_started(begun):
    one = begun()
    one.start.close()
    assert (one.script.done, one.places.are_taken) == (["discard"], False)
    run(one)
    assert (one.script.done, one.woken, one.ended) == (["discard"], [], [])


def test_closed_while_it_is_made_nothing_of_it_stays(begun):
    places = Places(1, 1)
    other = places.request("192.0.2.2", lambda _: None)
    one = begun(places=places)
    make = one.start._make_script
    one.start._make_script = lambda *asked: (one.start.close(), make(*asked))[1]
    other.leave()
    assert (one.script.done, one.works, one.places.are_taken) == (["discard"], [], False)


def test_closed_while_no_thread_can_be_had_it_is_let_go_of_once(begun):
    """Descriptors that are closed twice may be another's the second time."""
    places = Places(1, 1)
    other = places.request("192.0.2.2", lambda _: None)
    one = begun(places=places)

    def refuse(*_asked):
        one.start.close()
        raise OSError("earlier starts have not come back")

    one.start._threads.start = refuse
    other.leave()
    assert (one.script.done, one.woken, one.places.are_taken) == (["discard"], [], False)


def test_closed_while_it_starts_it_is_ended_then(begun):
    one = begun()
    start = one.script.start
    one.script.start = lambda: (one.start.close(), start())
    run(one)
    assert (one.script.done, one.ended, one.woken) == (["start"], [one.script], [])


def test_closed_when_it_runs_it_is_ended(begun):
    one = begun()
    run(one)
    one.start.close()
    assert (one.ended, one.places.are_taken) == ([one.script], False)
