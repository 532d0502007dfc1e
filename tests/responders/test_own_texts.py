"""Refusals in a location's own words, and answers that are none."""

import pytest

from gemd.protocol.errors import CGIError, GeminiError, NotFound
from gemd.protocol.response import ClientLeft, Response
from gemd.protocol.upload import Intake
from gemd.responders.own_texts import RewordedAnswer, leave_words, reword, reword_refusal
from tests.support.answers import ScriptedPending
from tests.support.pump import Pump

TEXTS = {51: "Lost in space", 42: "Our fault"}
PAGE = Response(20, "text/plain", b"page")


def refuse(error):
    def find():
        raise error

    return find


def test_a_refusal_has_the_location_s_text():
    with pytest.raises(GeminiError) as caught:
        reword(TEXTS, refuse(NotFound("Not here")))
    assert (caught.value.status, caught.value.meta) == (51, "Lost in space")


def test_one_of_another_status_keeps_its_own():
    with pytest.raises(GeminiError) as caught:
        reword(TEXTS, refuse(GeminiError("A while", 41)))
    assert (caught.value.status, caught.value.meta) == (41, "A while")


def test_where_there_are_no_texts_it_is_left():
    refusal = NotFound("Not here")
    assert reword_refusal({}, refusal) is refusal
    assert leave_words(None, refusal) is refusal


def test_what_is_answered_stays_as_it_is():
    for answer in (PAGE, Response(51, "The script's own words")):
        assert reword(TEXTS, lambda answer=answer: answer) is answer


def test_a_refusal_that_comes_later_has_it_too(pump):
    pending = ScriptedPending(None, lambda: CGIError("The script failed"), deadline=0.0)
    with pytest.raises(GeminiError) as caught:
        pump.settle(reword(TEXTS, lambda: pending))
    assert (caught.value.status, caught.value.meta) == (42, "Our fault")
    assert pending.closed == 1


def test_and_through_another_pending_answer(pump):
    second = ScriptedPending(NotFound())
    first = ScriptedPending(second)
    with pytest.raises(GeminiError, match="Lost in space"):
        pump.settle(reword(TEXTS, lambda: first))
    assert (first.closed, second.closed) == (1, 1)


@pytest.mark.parametrize("answer", [PAGE, Response(51, "Mine")], ids=["page", "refusal"])
def test_what_a_pending_answer_says_stays_as_it_is(answer, pump):
    assert pump.settle(reword(TEXTS, lambda: ScriptedPending(answer))) is answer


def test_one_that_becomes_the_body():
    pending = ScriptedPending(b"one", None, b"two", b"", descriptors=[], deadline=0.0)
    pending.settle = lambda: Response(20, "text/plain", pending)
    reworded = reword(TEXTS, lambda: pending)
    with Pump() as pump:
        response = pump.settle(reworded)
        assert response.body is reworded
        assert pump.read(reworded) == b"onetwo"
    assert (pending.begun, pending.closed) == (1, 1)


def test_it_waits_for_what_the_answer_waits_for():
    pending = ScriptedPending(descriptors=[7], deadline=12.5)
    reworded = RewordedAnswer(TEXTS, pending)
    assert (reworded.descriptors, reworded.deadline) == ([7], 12.5)


def test_that_nobody_waits_is_no_refusal(pump):
    with pytest.raises(ClientLeft):
        pump.settle(reword(TEXTS, lambda: ScriptedPending(ClientLeft("gone"))))


class Taking(Intake):
    """Notes what it is given, and refuses what it is told to."""

    size = 5
    is_ready = True

    def __init__(self, refused="", answer=PAGE):
        self.said = []
        self.refused = refused
        self.answer = answer

    def do(self, name, *arguments):
        self.said.append((name, *arguments))
        if name == self.refused:
            raise NotFound

    def begin(self, helper):
        self.do("begin", helper)

    def take(self, data):
        self.do("take", data)

    def finish(self):
        self.do("finish")
        return self.answer

    def close(self):
        self.do("close")


@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "later"])
def test_an_upload_is_taken_as_it_was(pump, is_late):
    taking = Taking()
    found = reword(TEXTS, lambda: ScriptedPending(taking) if is_late else taking)
    if is_late:
        found.begin(pump)
        found = found.settle()
    assert isinstance(found, Intake)
    assert (found.size, found.is_ready) == (5, True)
    found.begin(pump)
    found.take(b"page")
    assert found.finish() is PAGE
    found.close()
    assert taking.said == [("begin", pump), ("take", b"page"), ("finish",), ("close",)]


@pytest.mark.parametrize("refused", ["take", "finish"])
def test_what_refuses_an_upload_in_the_middle_has_the_location_s_text(refused):
    found = reword(TEXTS, lambda: Taking(refused))
    step = {"take": lambda: found.take(b"page"), "finish": found.finish}[refused]
    with pytest.raises(GeminiError, match="Lost in space"):
        step()


def test_and_so_has_what_answers_it(pump):
    found = reword(TEXTS, lambda: Taking(answer=ScriptedPending(NotFound())))
    with pytest.raises(GeminiError, match="Lost in space"):
        pump.settle(found.finish())
