"""Who has a page made, and who waits for it."""

import os
from types import SimpleNamespace

import pytest

from gemd.protocol.errors import CGIError, Overloaded
from gemd.responders.convert.converted import Converted


class Run:
    """A run whose outcome the test decides."""

    descriptors = (7,)
    deadline = 3.0

    def __init__(self):
        self.page = None
        self.calls = []

    def begin(self, helper):
        self.calls.append("begin")

    def find_page(self):
        if isinstance(self.page, Exception):
            raise self.page
        return self.page

    def close(self):
        self.calls.append("close")


class Asker:
    """An answer, its helper, and what came of it."""

    def __init__(self, story, client):
        self.woken = 0
        self.descriptor = os.open(os.devnull, os.O_RDONLY)
        start, keep = story.start, story.kept.append
        self.answer = Converted(story.works, "key", "text/gemini", self.descriptor, start, keep)
        self.answer.begin(SimpleNamespace(client=client, wake=self.wake))

    def wake(self):
        self.woken += 1

    def settle(self):
        return self.answer.settle()

    def leave(self):
        self.answer.close()
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(self.descriptor)


class Story:
    def __init__(self):
        self.works, self.runs, self.kept, self.clients = {}, [], [], []
        self.refusal = None

    def start(self, client):
        if self.refusal is not None:
            raise self.refusal
        self.clients.append(client)
        self.runs.append(Run())
        return self.runs[-1]

    def ask(self, client="1"):
        asker = Asker(self, client)
        assert asker.settle() is None
        return asker


@pytest.fixture
def story():
    story = Story()
    yield story
    assert story.works == {}


def test_one_has_the_page_made_and_all_take_it(story):
    askers = [story.ask(client) for client in "123"]
    [run] = story.runs
    assert [asker.settle() for asker in askers] == [None] * 3
    assert askers[0].answer.descriptors == (7,)
    assert askers[0].answer.deadline == 3.0
    assert askers[1].answer.descriptors == ()
    run.page = b"page"
    assert askers[0].settle().body == b"page"
    assert [asker.woken for asker in askers] == [0, 1, 1]
    askers[0].leave()
    for asker in askers[1:]:
        response = asker.settle()
        assert (response.status, response.meta, response.body) == (20, "text/gemini", b"page")
        asker.leave()
    assert (story.clients, story.kept, run.calls) == (["1"], [b"page"], ["begin", "close"])


def test_a_failure_is_that_of_all(story):
    askers = [story.ask(client) for client in "12"]
    story.runs[0].page = CGIError("why")
    for asker in askers:
        with pytest.raises(CGIError, match="why"):
            asker.settle()
        asker.leave()
    assert (len(story.runs), story.kept) == (1, [])


def test_who_leaves_leaves_it_to_the_next(story):
    askers = [story.ask(client) for client in "123"]
    askers[0].leave()
    assert story.runs[0].calls == ["begin", "close"]
    assert [asker.woken for asker in askers] == [0, 1, 1]
    assert [asker.settle() for asker in askers[1:]] == [None, None]
    assert story.clients == ["1", "2"]
    story.runs[1].page = b"page"
    for asker in askers[1:]:
        assert asker.settle().body == b"page"
        asker.leave()


def test_who_waits_may_leave(story):
    askers = [story.ask(client) for client in "123"]
    askers[1].leave()
    story.runs[0].page = b"page"
    assert askers[0].settle().body == b"page"
    assert [asker.woken for asker in askers] == [0, 0, 1]
    askers[0].leave()
    askers[2].leave()


def test_who_has_no_turn_refuses_nobody_else(story):
    askers = [story.ask(client) for client in "12"]
    story.runs[0].page = Overloaded()
    with pytest.raises(Overloaded):
        askers[0].settle()
    askers[0].leave()
    assert askers[1].settle() is None
    story.runs[1].page = b"page"
    assert askers[1].settle().body == b"page"
    askers[1].leave()


@pytest.mark.parametrize("refusal", [Overloaded(), CGIError("why")])
def test_who_is_refused_has_nobody_wait(story, refusal):
    story.refusal = refusal
    asker = Asker(story, "1")
    with pytest.raises(type(refusal)):
        asker.settle()
    asker.leave()


def test_what_never_began_is_let_go_of(story):
    asker = Asker(story, "1")
    asker.leave()
    answer = Converted(story.works, "key", "m", os.open(os.devnull, os.O_RDONLY), story.start, story.kept.append)
    answer.close()
    assert story.runs == []


def test_a_run_that_can_not_begin_is_given_up(story):
    def fail(_helper):
        raise MemoryError

    def start(client):
        run = Story.start(story, client)
        run.begin = fail
        return run

    answer = Converted(story.works, "key", "m", os.open(os.devnull, os.O_RDONLY), start, story.kept.append)
    answer.begin(SimpleNamespace(client="1", wake=None))
    with pytest.raises(MemoryError):
        answer.settle()
    answer.close()
