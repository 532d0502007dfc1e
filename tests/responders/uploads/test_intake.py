"""Bodies that are taken into a file, and what is answered after that."""

import errno
import logging
import os

import pytest

from gemd.protocol.errors import GeminiError, NotFound, Overloaded
from gemd.protocol.response import Response
from gemd.responders.computed import Computed
from gemd.responders.uploads import intake
from gemd.responders.uploads.intake import ReceivedAnswer, SpooledIntake, StoredAnswer
from gemd.system.spool import Spool
from tests.support.pump import Pump

from .sending import WAITING, upload

PAGE = Response(20, "text/plain", b"page")
LARGE = 100_000


class File:
    """What is made for a spool, and whether it is open."""

    def __init__(self, path):
        self.path = path
        self.is_open = False

    def make(self):
        self.is_open = True
        return os.open(self.path, os.O_CREAT | os.O_RDWR)

    def release(self, descriptor):
        self.is_open = False
        os.close(descriptor)


@pytest.fixture
def file(tmp_path):
    return File(tmp_path / "spool")


def store_with(file, store, size):
    return SpooledIntake(size, "/a", Spool(file.make, file.release), lambda spool: StoredAnswer(spool, "/a", store))


def receive_with(file, respond, size):
    make = Spool(file.make, file.release)
    return SpooledIntake(size, "/a", make, lambda spool: ReceivedAnswer(spool, "/a", respond))


def read_all(descriptor, size):
    return os.pread(descriptor, size + 1, 0)


@pytest.mark.parametrize("size", [0, 1, 16384, LARGE])
def test_a_thread_stores_all_that_came(file, size):
    body, seen = os.urandom(size), []

    def store(descriptor):
        seen.append(read_all(descriptor, size))
        return PAGE

    with Pump() as pump:
        assert upload(pump, store_with(file, store, size), body) == (PAGE, b"page")
    assert seen == [body]
    assert not file.is_open


def test_what_is_large_is_opened_before_it_comes(file):
    with Pump() as pump:
        taken = store_with(file, lambda _: PAGE, LARGE)
        taken.begin(pump)
        pump.wait_for(WAITING, lambda: file.is_open or None)
        taken.close()
    assert not file.is_open


def test_what_is_small_is_not(file, by_hand):
    by_hand.run = lambda _work: pytest.fail("nothing has come")
    taken = store_with(file, lambda _: PAGE, 1000)
    taken.begin(by_hand)
    taken.take(b"a")
    taken.close()


def test_what_never_began_can_be_closed(file):
    store_with(file, lambda _: PAGE, LARGE).close()


def raise_error(error):
    raise error


REFUSALS = [
    (OSError(errno.ENOSPC, "full"), 40, "no room"),
    (OSError(errno.EDQUOT, "full"), 40, "no room"),
    (OSError(errno.EFBIG, "full"), 40, "no room"),
    (OSError(errno.EROFS, "read-only"), 40, "can't be stored here"),
    (OSError(errno.EACCES, "forbidden"), 40, "can't be stored here"),
    (OSError(errno.EIO, "broken"), 40, "at the moment"),
    (OSError(errno.EAGAIN, "none free"), 41, "Too much"),
]


@pytest.mark.parametrize(("error", "status", "text"), REFUSALS)
def test_a_file_that_cant_be_made_refuses_what_comes(error, status, text, by_hand, caplog):
    spool = Spool(lambda: raise_error(error))
    taken = SpooledIntake(LARGE, "/a", spool, lambda spool: StoredAnswer(spool, "/a", lambda _: PAGE))
    taken.begin(by_hand)
    by_hand.work()
    for go_on in (lambda: taken.take(b"a"), taken.finish):
        with pytest.raises(GeminiError, match=text) as caught:
            go_on()
        assert caught.value.status == status
        assert error.strerror not in caught.value.meta
    assert (error.strerror in caplog.text) is (status == 40)
    assert ("ReadWritePaths=" in caplog.text) is (error.errno == errno.EROFS)
    taken.close()


@pytest.mark.parametrize("make_answer", [StoredAnswer, ReceivedAnswer])
@pytest.mark.parametrize(("error", "status", "text"), REFUSALS)
def test_what_fails_at_the_end_is_refused(make_answer, error, status, text, pump):
    answer = make_answer(Spool(lambda: raise_error(error)), "/a", lambda _: pytest.fail("there is nothing"))
    answer._spool.begin(pump)
    with pytest.raises(GeminiError, match=text) as caught:
        pump.settle(answer)
    assert caught.value.status == status


@pytest.mark.parametrize(("error", "status", "text"), REFUSALS)
def test_what_cant_be_stored_is_refused(file, error, status, text, pump):
    with pytest.raises(GeminiError, match=text) as caught:
        upload(pump, store_with(file, lambda _: raise_error(error), 1), b"a")
    assert caught.value.status == status


def test_who_stores_may_refuse(file, pump):
    refusal = NotFound("No such directory")
    with pytest.raises(NotFound) as caught:
        upload(pump, store_with(file, lambda _: raise_error(refusal), 1), b"a")
    assert caught.value is refusal


def test_a_fault_is_raised_where_the_answer_is_taken(file, by_hand):
    taken = store_with(file, lambda _: 1 / 0, 1)
    taken.begin(by_hand)
    taken.take(b"a")
    answer = taken.finish()
    answer.begin(by_hand)
    with pytest.raises(ZeroDivisionError):
        by_hand.work()
    with pytest.raises(ZeroDivisionError):
        answer.settle()
    answer.close()
    taken.close()
    by_hand.work()
    assert not file.is_open


@pytest.mark.parametrize("make", [store_with, receive_with])
def test_a_disk_that_does_not_answer_is_not_waited_for_for_ever(make, file, by_hand, monkeypatch):
    monkeypatch.setattr(intake, "_TIMEOUT", 0.0)
    taken = make(file, lambda _: pytest.fail("it is too late"), 1)
    taken.begin(by_hand)
    taken.take(b"a")
    answer = taken.finish()
    answer.begin(by_hand)
    with pytest.raises(GeminiError, match="too long"):
        answer.settle()
    answer.close()
    taken.close()
    by_hand.work()
    assert not file.is_open


def test_no_thread_is_too_much_at_the_moment(file):
    with Pump(threads=False) as pump, pytest.raises(Overloaded):
        upload(pump, store_with(file, lambda _: PAGE, 1), b"a")


# What is handed on


def test_all_that_came_is_there_for_the_answer(file, pump):
    seen = []

    def respond(body):
        seen.append((body.size, read_all(body.descriptor, body.size)))
        return PAGE

    assert upload(pump, receive_with(file, respond, 5), b"hello") == (PAGE, b"page")
    assert seen == [(5, b"hello")]


class Slow:
    """A pending answer that becomes the body itself; it reads what was sent when it is asked for it."""

    descriptors = ()
    deadline = float("inf")

    def __init__(self, body):
        self.body = body
        self.parts = None

    def begin(self, helper):
        helper.wake()

    def settle(self):
        return Response(20, "text/plain", self)

    def read(self):
        if self.parts is None:
            self.parts = iter([read_all(self.body.descriptor, self.body.size), b""])
        return next(self.parts)

    def close(self):
        pass


def test_it_lasts_until_the_answer_is_over(file):
    with Pump() as pump:
        taken = receive_with(file, lambda body: Computed(lambda: Response(20, "text/plain", Slow(body))), LARGE)
        _, sent = upload(pump, taken, b"a" * LARGE)
        assert sent == b"a" * LARGE
    assert not file.is_open


def test_a_refusal_of_the_one_who_is_asked_is_the_answer(file):
    with Pump() as pump, pytest.raises(NotFound):
        upload(pump, receive_with(file, lambda _: raise_error(NotFound()), 5), b"hello")
    assert not file.is_open


@pytest.fixture(autouse=True)
def _heard(caplog):
    caplog.set_level(logging.ERROR)
