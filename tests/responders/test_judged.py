import threading

import pytest

from gemd.protocol.errors import NotFound, Overloaded
from gemd.protocol.response import Response
from gemd.responders import turns
from gemd.responders.computed import Computed
from gemd.responders.judged import Judged
from tests.support.pump import Pump

PAGE = Response(20, "text/plain", b"page")


def test_a_thread_judges_and_the_event_loop_goes_on(pump):
    threads = []

    def judge():
        threads.append(threading.current_thread())

    def go_on():
        threads.append(threading.current_thread())
        return PAGE

    assert pump.settle(Judged(judge, go_on)) is PAGE
    assert threads[0] is not threads[1]
    assert threads[1] is threading.current_thread()


def test_nothing_is_decided_before(by_hand):
    answer = Judged(lambda: None, lambda: PAGE)
    answer.begin(by_hand)
    assert answer.settle() is None
    by_hand.work()
    assert answer.settle() is PAGE
    answer.close()


def test_what_nobody_waits_for_any_longer_is_not_judged(by_hand):
    judged = []
    answer = Judged(lambda: judged.append(1), lambda: PAGE)
    answer.begin(by_hand)
    answer.close()
    by_hand.work()
    assert judged == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", [NotFound(), ValueError("a fault")])
def test_what_the_judgement_raises_is_the_answer(pump, error):
    def judge():
        raise error

    with pytest.raises(type(error)):
        pump.settle(Judged(judge, lambda: pytest.fail("it went on")))


def test_what_comes_after_it_may_be_a_refusal(pump):
    def refuse():
        raise NotFound

    with pytest.raises(NotFound):
        pump.settle(Judged(lambda: None, refuse))


def test_another_answer_that_takes_its_time_may_follow(pump):
    following = Judged(lambda: None, lambda: PAGE)
    assert pump.settle(Judged(lambda: None, lambda: following)) is PAGE


def test_no_thread_is_free():
    with Pump(threads=False) as pump, pytest.raises(Overloaded):
        pump.settle(Judged(lambda: pytest.fail("it was judged"), lambda: PAGE))


def test_it_does_not_wait_for_a_listing(pump, monkeypatch):
    monkeypatch.setattr(turns, "_TIMEOUT", 60.0)
    begun, go_on = threading.Event(), threading.Event()

    def compute():
        begun.set()
        assert go_on.wait(10)
        return PAGE

    listing = Computed(compute)
    listing.begin(pump)
    assert begun.wait(10)
    try:
        with Pump() as other:
            assert other.settle(Judged(lambda: None, lambda: PAGE)) is PAGE
    finally:
        go_on.set()
    assert pump.wait_for(listing, listing.settle) is PAGE
