"""Uploads to programs: asked for what can be refused, and asked for the answer once all is there."""

import errno
import os

import msgspec
import pytest

from gemd.config.host_settings import Location
from gemd.protocol.errors import BadRequest, GeminiError, NotFound
from gemd.protocol.response import Response
from gemd.protocol.upload import Upload
from gemd.responders.judged import Judged, Unjudged
from gemd.responders.uploads.programs import ProgramUploads
from gemd.system.spool_directory import open_spool_directory
from tests.responders.asking import request
from tests.support.descriptors import open_descriptors
from tests.support.pump import Pump

from .sending import upload

HERE = Location(host="h")
PAGE = Response(20, "text/plain", b"page")


class Begun:
    """A pending answer that was not begun."""

    is_closed = False

    def close(self):
        assert not self.is_closed
        self.is_closed = True


class Program:
    """Says what it is told to, and keeps what it was asked, with the body of that."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked, self.bodies = [], []

    def __call__(self, asked, location):
        assert location is HERE
        self.asked.append(asked)
        body = asked.upload.body
        self.bodies.append(None if body is None else os.read(body.descriptor, body.size + 1))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def spool(tmp_path):
    directory = open_spool_directory(str(tmp_path))
    yield directory
    directory.close()


def ask(size, *, url="titan://h/a", **more):
    return request(url, upload=Upload(size, **more))


@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_a_program_has_all_of_it(spool, size):
    before = open_descriptors()
    body, trial = os.urandom(size), Begun()
    program = Program(trial, PAGE)
    asked = ask(size, token="t")
    with Pump() as pump:
        assert upload(pump, ProgramUploads(program, spool.make_file)(asked, HERE), body) == (PAGE, b"page")
    assert trial.is_closed
    assert program.bodies == [None, body]
    whole = program.asked[1].upload
    assert (whole.size, whole.token, whole.body.size) == (size, "t", size)
    assert open_descriptors() == before


REFUSALS = {
    "a refusal": (NotFound("none here"), NotFound),
    "a judgement that takes a while": (Unjudged(lambda: None), Unjudged),
    "a redirect, which would lose it": (Response(31, "/a/"), BadRequest),
}


@pytest.mark.parametrize(("answer", "error"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("size", [0, 5])
def test_what_can_be_refused_is_refused_before_the_body(answer, error, size):
    with pytest.raises(error):
        ProgramUploads(Program(answer), pytest.fail)(ask(size), HERE)


@pytest.mark.parametrize("size", [0, 5])
def test_where_no_program_is_others_are_asked(size):
    assert ProgramUploads(Program(None), pytest.fail)(ask(size), HERE) is None


@pytest.mark.parametrize("more", [{}, {"is_edit": True}])
def test_what_has_no_body_is_asked_at_once(more):
    answer = Begun()
    assert ProgramUploads(Program(answer), pytest.fail)(ask(0, **more), HERE) is answer
    assert not answer.is_closed


def settle(spool, pump, *answers):
    return upload(pump, ProgramUploads(Program(Begun(), *answers), spool.make_file)(ask(5), HERE), b"hello")


def test_a_judgement_may_take_a_while_after_that(spool, pump):
    judged = []
    assert settle(spool, pump, Unjudged(lambda: judged.append(1)), PAGE) == (PAGE, b"page")
    assert judged == [1]
    assert isinstance(pump.settled, Judged)


@pytest.mark.parametrize("answer", [None, NotFound()])
def test_a_program_that_is_gone_by_then_is_not_found(spool, pump, answer):
    with pytest.raises(NotFound):
        settle(spool, pump, answer)


def test_where_there_is_no_room_nothing_is_read(by_hand, caplog):
    def make_file(size):
        assert size == 100_000
        raise OSError(errno.ENOSPC, "full")

    taken = ProgramUploads(Program(Begun()), make_file)(ask(100_000), HERE)
    taken.begin(by_hand)
    by_hand.work()
    with pytest.raises(GeminiError, match="no room") as caught:
        taken.take(b"x")
    assert caught.value.status == 40
    taken.close()


def test_a_disk_that_is_too_small_is_full(spool):
    with pytest.raises(OSError, match="No space left"):
        spool.make_file(10**15)


def test_the_request_stays_what_it_was(spool, pump):
    program, asked = Program(Begun(), PAGE), ask(5)
    upload(pump, ProgramUploads(program, spool.make_file)(asked, HERE), b"hello")
    assert asked.upload.body is None
    assert msgspec.structs.replace(program.asked[1], upload=None) == msgspec.structs.replace(asked, upload=None)
