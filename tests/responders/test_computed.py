import threading
import time
from contextlib import contextmanager

import pytest

from gemd.protocol.errors import GeminiError, NotFound, Overloaded
from gemd.protocol.response import Response
from gemd.responders import computed, turns
from gemd.responders.computed import Computed
from tests.support.pump import Pump

PAGE = Response(20, "text/plain", b"page")


class Body:
    """A body that counts how often it is closed."""

    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


def test_who_waits_no_longer_gives_its_turn_up(by_hand):
    given_up = []
    by_hand.run = lambda _work: lambda: given_up.append(True)
    answer = Computed(lambda: PAGE)
    answer.begin(by_hand)
    answer.close()
    assert given_up == [True]


def test_a_thread_works_it_out(pump):
    threads = []

    def compute():
        threads.append(threading.current_thread())
        return PAGE

    assert pump.settle(Computed(compute)) is PAGE
    assert threads != [threading.current_thread()]
    assert pump.woken == 1


def test_it_is_not_known_before(by_hand):
    answer = Computed(lambda: PAGE)
    answer.begin(by_hand)
    assert answer.settle() is None
    assert answer.descriptors == ()
    assert answer.deadline > time.monotonic() + 50
    by_hand.work()
    assert answer.settle() is PAGE
    answer.close()


def test_it_is_not_waited_for_beyond_its_deadline(by_hand, monkeypatch):
    monkeypatch.setattr(computed, "_TIMEOUT", 0.0)
    answer = Computed(lambda: PAGE)
    answer.begin(by_hand)
    with pytest.raises(GeminiError, match="too long") as caught:
        answer.settle()
    assert caught.value.status == 40
    answer.close()


def test_a_refusal_is_raised_where_it_is_taken(by_hand):
    refusal = NotFound("Not found")

    def compute():
        raise refusal

    answer = Computed(compute)
    answer.begin(by_hand)
    by_hand.work()  # raises nothing
    with pytest.raises(NotFound) as caught:
        answer.settle()
    assert caught.value is refusal
    answer.close()


@pytest.mark.parametrize("fault", [ValueError("a fault"), SystemExit(3)])
def test_a_fault_ends_the_thread_and_is_raised_where_it_is_taken(by_hand, fault):
    def compute():
        raise fault

    answer = Computed(compute)
    answer.begin(by_hand)
    with pytest.raises(type(fault)):
        by_hand.work()
    with pytest.raises(type(fault)) as caught:
        answer.settle()
    assert caught.value is fault
    answer.close()


def test_no_thread_is_free():
    with Pump(threads=False) as pump, pytest.raises(Overloaded):
        pump.settle(Computed(lambda: pytest.fail("it was computed")))


def test_a_body_that_is_taken_is_closed_by_who_took_it(by_hand):
    body = Body()
    answer = Computed(lambda: Response(20, "text/plain", body))
    answer.begin(by_hand)
    by_hand.work()
    assert answer.settle().body is body
    answer.close()
    assert body.closed == 0


def test_a_body_that_nobody_takes_is_closed(by_hand):
    body = Body()
    answer = Computed(lambda: Response(20, "text/plain", body))
    answer.begin(by_hand)
    by_hand.work()
    assert body.closed == 0
    answer.close()
    assert body.closed == 1


def test_a_body_that_nobody_waits_for_any_longer_is_closed_when_it_is_there(by_hand):
    body = Body()

    def compute():
        answer.close()  # while the thread is at work
        return Response(20, "text/plain", body)

    answer = Computed(compute)
    answer.begin(by_hand)
    by_hand.work()
    assert body.closed == 1


def test_what_nobody_waits_for_any_longer_is_not_begun(by_hand):
    computed = []
    answer = Computed(lambda: computed.append(PAGE))
    answer.begin(by_hand)
    answer.close()
    by_hand.work()
    assert not computed


@pytest.fixture
def busy():
    """Another answer that is being computed, for as long as the test wants."""
    begun, go_on = threading.Event(), threading.Event()

    def compute():
        begun.set()
        assert go_on.wait(10)
        return PAGE

    with Pump() as pump:
        other = Computed(compute)
        other.begin(pump)
        assert begun.wait(10)
        yield go_on
        go_on.set()
        assert pump.wait_for(other, other.settle) is PAGE


def test_it_is_shown_from_its_turn_to_its_end(by_hand):
    shown = []

    @contextmanager
    def show():
        shown.append("begins")
        yield
        shown.append("ends")

    by_hand.show = show
    answer = Computed(lambda: shown.append("computes") or PAGE)
    answer.begin(by_hand)
    assert shown == []
    by_hand.work()
    assert shown == ["begins", "computes", "ends"]


def test_one_at_a_time_computes(busy, pump):
    order = []
    answer = Computed(lambda: order.append("this one") or PAGE)
    answer.begin(pump)
    time.sleep(0.1)
    order.append("the other")
    busy.set()
    assert pump.wait_for(answer, answer.settle) is PAGE
    assert order == ["the other", "this one"]


@pytest.fixture
def quick_turns(monkeypatch):
    monkeypatch.setattr(turns, "_TIMEOUT", 0.1)


@pytest.mark.usefixtures("quick_turns", "busy")
def test_one_that_never_ends_holds_up_the_others_for_a_while_only(pump):
    assert pump.settle(Computed(lambda: PAGE)) is PAGE
    assert pump.settle(Computed(lambda: PAGE)) is PAGE


@pytest.mark.parametrize("outcome", [PAGE, NotFound("Not found")])
def test_there_may_be_nothing_to_close(by_hand, outcome, caplog):
    def compute():
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    answer = Computed(compute)
    answer.begin(by_hand)
    by_hand.work()
    answer.close()
    assert caplog.text == ""


def test_one_that_has_not_begun_can_be_closed():
    Computed(lambda: pytest.fail("it was computed")).close()
