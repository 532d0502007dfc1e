import threading

import pytest

from gemd.protocol.errors import GeminiError, NotFound, Overloaded
from gemd.protocol.response import Response
from gemd.responders.placed import Placed
from gemd.system.places import Places
from tests.support.pump import Pump

PAGE = Response(20, "text/plain", b"page")


def placed(compute, places=None, waiting=1, timeout=10.0):
    return Placed(compute, places or Places(1, 1), waiting, timeout)


def test_a_thread_does_it(pump):
    threads = []
    assert pump.settle(placed(lambda: threads.append(threading.current_thread()) or PAGE)) is PAGE
    assert threads[0] is not threading.current_thread()


def test_what_it_raises_is_the_answer_and_the_place_is_free_again(pump):
    def refuse():
        raise NotFound

    places = Places(1, 1)
    with pytest.raises(NotFound):
        pump.settle(placed(refuse, places))
    with Pump() as other:
        assert other.settle(placed(lambda: PAGE, places)) is PAGE


def test_who_has_no_place_has_no_thread(by_hand):
    places, done = Places(1, 1), []
    first, second = (placed(lambda i=i: done.append(i) or PAGE, places) for i in range(2))
    by_hand.wake = lambda: None
    first.begin(by_hand)
    second.begin(by_hand)
    by_hand.work()
    assert done == [0]
    by_hand.work()  # which begins when the first has left its place
    assert done == [0, 1]
    assert second.settle() is PAGE


def test_more_than_so_many_do_not_wait(by_hand):
    places = Places(1, 1)
    answers = [placed(lambda: PAGE, places) for _ in range(3)]
    for answer in answers:
        answer.begin(by_hand)
    with pytest.raises(Overloaded):
        answers[2].settle()
    assert answers[1].settle() is None
    for answer in answers:
        answer.close()


def test_who_is_gone_leaves_the_place(by_hand):
    places, done = Places(1, 1), []
    first, second, third = (placed(lambda i=i: done.append(i) or PAGE, places, waiting=5) for i in range(3))
    for answer in (first, second, third):
        answer.begin(by_hand)
    second.close()
    first.close()
    by_hand.work()
    by_hand.work()
    assert done == [2]


def test_without_a_thread_there_is_no_answer():
    places = Places(1, 1)
    with Pump(threads=False) as pump, pytest.raises(Overloaded):
        pump.settle(placed(lambda: PAGE, places))
    assert not places.are_taken


def test_it_has_an_end(by_hand):
    answer = placed(lambda: PAGE, timeout=0.0)
    answer.begin(by_hand)
    with pytest.raises(GeminiError, match="too long"):
        answer.settle()
    answer.close()
