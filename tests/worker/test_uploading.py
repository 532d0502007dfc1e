"""The bodies of uploads, a turn at a time: over real sockets, with intakes that a test controls."""

import math
import socket
import time

import pytest

from gemd.config.settings import Limits, Timeouts
from gemd.protocol.errors import BadRequest, GeminiError
from gemd.protocol.peer import Peer
from gemd.protocol.response import Response
from gemd.worker.room import Room
from gemd.worker.upload_budget import LEAST
from gemd.worker.uploading import Uploading
from tests.support.answers import ScriptedPending
from tests.support.gemini_client import tcp_pair
from tests.support.intakes import ScriptedIntake
from tests.worker.conftest import expire

BLOCK = 128 * 1024


class Stage:
    """Uploading, and what becomes of those who are there."""

    def __init__(self, poller, writing, ready, losses, timeouts, limits, most):
        self.poller, self.writing, self.ready, self.losses = poller, writing, ready, losses
        self.begun = []
        self.room = Room(writing, writing.closing, most)
        self.uploading = Uploading(
            poller,
            writing._make_helper,
            writing,
            self.room,
            timeouts,
            limits,
            ready,
            self.begun.append,
            lambda _, reason: losses.append(reason),
        )

    def end(self):
        for connection in [*self.uploading, *self.ready]:
            if connection in self.uploading:
                self.uploading.drop(connection, "the test is over")
            else:
                self.writing.drop(connection)


@pytest.fixture
def make_stage(poller, make_writing, ready, losses):
    made = []

    def make(*, most=100, timeouts=Timeouts(), **limits):  # noqa: B008, it is frozen
        made.append(Stage(poller, make_writing(most=most), ready, losses, timeouts, Limits(**limits), most))
        return made[-1]

    yield make
    for stage in made:
        stage.end()
        assert len(stage.uploading) == 0
        assert stage.uploading._budget._total == 0
        assert stage.room._most == stage.writing.room


@pytest.fixture
def begin(connect, poller):
    """A client that has sent its request and `first`, and its connection, whose intake is asked for the rest."""

    def begin(stage, intake, first=b"", *, address="127.0.0.1"):
        client, connection = connect(tcp_pair(), shaken=True)
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.peer = Peer(address, 1, "127.0.0.1", 1965, connection.tls)
        connection.request = connection.reader.feed(b"titan://localhost/a;size=%d\r\n%s" % (intake.size, first))
        poller.register(connection.fd, 1, lambda *_: pytest.fail("read like a request"), connection)
        stage.writing.answer(connection, intake)
        return client, connection

    return begin


def answer_of(client, until):
    """What a client reads, to the end."""
    until(lambda: client.read() is None or client.end, "the answer")
    return client.data.decode(), client.end


def test_a_body_goes_to_its_intake_and_then_it_is_time_to_answer(make_stage, begin, until):
    stage, intake = make_stage(), ScriptedIntake(300_000)
    body = bytes(range(250)) * 1200
    client, connection = begin(stage, intake, body[:1000])
    assert (len(stage.uploading), list(stage.uploading), stage.begun) == (1, [connection], [connection])
    assert connection in stage.uploading
    for start in range(1000, 300_000, 10_000):
        client.socket.setblocking(True)
        client.send(body[start : start + 10_000])
        client.socket.setblocking(False)
        until(lambda start=start: intake.taken >= min(start + 10_000, 300_000), "the intake to have it")
    until(lambda: stage.ready, "it to be whole")
    assert list(stage.ready) == [connection]
    assert intake.data == body
    assert (intake.begun, intake.finished, intake.closed) == (1, 0, 0)
    assert stage.uploading.received == 300_000
    assert len(stage.uploading) == 0
    assert stage.writing.room == 100
    assert stage.losses == []


def test_what_came_along_may_be_all_of_it(make_stage, begin):
    stage, intake = make_stage(), ScriptedIntake(5)
    _, connection = begin(stage, intake, b"hello")
    assert list(stage.ready) == [connection]
    assert intake.data == b"hello"


def test_an_intake_of_nothing_is_whole_at_once(make_stage, begin):
    stage, intake = make_stage(), ScriptedIntake(0)
    begin(stage, intake)
    assert len(stage.ready) == 1
    assert intake.begun == 1


def test_its_answer_is_sent_and_the_intake_closed_when_that_is_over(make_stage, begin, until, settle, ended):
    stage, intake = make_stage(), ScriptedIntake(5)
    client, connection = begin(stage, intake, b"hello")
    stage.writing.answer(connection, connection.upload.intake.finish())
    assert answer_of(client, until) == ("20 text/plain\r\nstored\n", "whole")
    assert list(ended) == [connection]
    assert intake.closed == 1


# Refusals


@pytest.mark.parametrize("rest", [b"", b"more"])
def test_more_than_was_announced_is_refused(make_stage, begin, until, rest):
    stage, intake = make_stage(), ScriptedIntake(5)
    client, _ = begin(stage, intake, b"hello!" if not rest else b"")
    if rest:
        client.send(b"hello" + rest)
    assert answer_of(client, until) == ("59 More than 5 bytes came\r\n", "whole")
    assert (intake.finished, intake.closed, stage.ready) == (0, 1, stage.ready.__class__())


def test_less_is_refused_where_the_client_still_reads(make_stage, begin, until, losses):
    stage, intake = make_stage(), ScriptedIntake(5)
    client, _ = begin(stage, intake, b"hel")
    client.finish_sending()
    assert answer_of(client, until) == ("59 Only 3 of 5 bytes came\r\n", "whole")
    assert losses == ["upload broke off: Only 3 of 5 bytes came"]
    assert (intake.finished, intake.closed) == (0, 1)


def test_who_is_gone_leaves_nothing(make_stage, begin, until, losses, ended):
    stage, intake = make_stage(), ScriptedIntake(5)
    client, connection = begin(stage, intake, b"hel")
    client.reset()
    until(lambda: intake.closed, "the end")
    assert losses == ["upload broke off: ECONNRESET: 3 of 5 bytes came"]
    assert list(ended) == [connection]
    assert not connection.complete
    assert connection.socket.fileno() < 0


@pytest.mark.parametrize("refusal", [BadRequest("no text"), GeminiError("no room")])
def test_what_the_intake_says_in_the_midst_is_the_answer(make_stage, begin, until, refusal):
    stage, intake = make_stage(), ScriptedIntake(5)
    client, _ = begin(stage, intake, b"hel")
    intake.refusal = refusal
    client.send(b"lo")
    assert answer_of(client, until) == (f"{int(refusal.status)} {refusal.meta}\r\n", "whole")
    assert intake.closed == 1


def test_a_refusal_reaches_a_client_that_writes_all_before_it_reads(make_stage, begin, until):
    stage, intake = make_stage(), ScriptedIntake(1 << 20, refusal=BadRequest("no text"))
    client, _ = begin(stage, intake, b"x")
    octets = client.encrypt(bytes((1 << 20) - 1))

    def write():
        nonlocal octets
        try:
            octets = octets[client.socket.send(octets) :]
        except BlockingIOError:
            return False
        return not octets

    until(write, "all to be written")
    assert answer_of(client, until) == ("59 no text\r\n", "whole")


# Back pressure


def test_nothing_is_read_while_the_intake_takes_no_more(make_stage, begin, until, settle):
    stage, intake = make_stage(), ScriptedIntake(10)
    client, connection = begin(stage, intake, b"01")
    intake.ready = False
    client.send(b"2345")
    settle()
    assert intake.data == b"01"
    assert len(stage.uploading._waiting) == 1
    client.send(b"6789")
    settle()
    assert connection.held >= 64 * 1024
    intake.ready = True
    stage.uploading.resume(connection)
    until(lambda: stage.ready, "the rest")
    assert intake.data == b"0123456789"


def test_it_may_not_be_ready_from_the_start(make_stage, begin, settle):
    stage, intake = make_stage(), ScriptedIntake(5, is_ready=False)
    _, connection = begin(stage, intake, b"hello")
    settle()
    assert (intake.begun, intake.pieces) == (1, [])
    intake.ready = True
    stage.uploading.resume(connection)
    assert intake.data == b"hello"
    assert len(stage.ready) == 1


def test_who_leaves_meanwhile_is_noticed(make_stage, begin, until, losses):
    stage, intake = make_stage(), ScriptedIntake(5)
    client, _ = begin(stage, intake, b"0")
    intake.ready = False
    client.send(b"1")
    until(lambda: len(stage.uploading._waiting), "it to wait")
    client.reset()
    until(lambda: intake.closed, "the end")
    assert losses == ["upload broke off: the client left: 1 of 5 bytes came"]


def test_the_time_that_we_take_is_not_the_client_s(make_stage, begin, settle, losses):
    stage, intake = make_stage(timeouts=Timeouts(response=10.0, upload=600.0)), ScriptedIntake(5)
    client, connection = begin(stage, intake, b"0")
    intake.ready = False
    client.send(b"1")
    settle()
    now = time.monotonic()
    expire(stage.uploading, now + 500.0)
    assert losses == []
    intake.ready = True
    stage.uploading.resume(connection)
    assert stage.uploading.next_deadline() > time.monotonic() + 9.0


# Deadlines


def test_one_absolute_end(make_stage, begin, until, losses):
    stage, intake = make_stage(timeouts=Timeouts(response=1000.0, upload=600.0)), ScriptedIntake(5)
    client, _ = begin(stage, intake, b"01")
    now = time.monotonic()
    assert now + 595.0 < stage.uploading.next_deadline() <= now + 600.0
    expire(stage.uploading, now + 590.0)
    assert len(stage.uploading) == 1
    expire(stage.uploading, now + 601.0)
    assert answer_of(client, until) == ("40 Only 2 of 5 bytes came within 600 seconds\r\n", "whole")
    assert losses == ["upload broke off: Only 2 of 5 bytes came within 600 seconds"]
    assert intake.closed == 1
    assert stage.uploading.next_deadline() == math.inf


def test_so_much_has_to_come_within_each_response_timeout(make_stage, begin, until):
    stage = make_stage(timeouts=Timeouts(response=10.0, upload=600.0))
    slow, quick = ScriptedIntake(10 * BLOCK), ScriptedIntake(10 * BLOCK)
    slow_client, _ = begin(stage, slow)
    quick_client, quick_connection = begin(stage, quick)
    start = time.monotonic()
    for client, intake, size in ((slow_client, slow, BLOCK - 1), (quick_client, quick, BLOCK)):
        client.socket.setblocking(True)
        client.send(bytes(size))
        client.socket.setblocking(False)
        until(lambda intake=intake, size=size: intake.taken == size, "it to be taken")
    expire(stage.uploading, start + 10.0)  # before the quick one's next block is due
    assert list(stage.uploading) == [quick_connection]
    answer, _ = answer_of(slow_client, until)
    assert answer == f"40 It comes too slowly: only {BLOCK - 1} of {10 * BLOCK} bytes came\r\n"
    assert stage.uploading.next_deadline() > start + 10.0


def test_who_has_sent_nothing_is_out_after_the_first(make_stage, begin, until):
    stage = make_stage(timeouts=Timeouts(response=10.0, upload=600.0))
    client, _ = begin(stage, ScriptedIntake(5))
    expire(stage.uploading, time.monotonic() + 10.5)
    assert answer_of(client, until) == ("40 It comes too slowly: only 0 of 5 bytes came\r\n", "whole")


def test_a_worker_that_ends_waits_no_longer_than_it_may(make_stage, begin, until):
    stage = make_stage()
    first, second = begin(stage, ScriptedIntake(5))[0], begin(stage, ScriptedIntake(5))[0]
    now = time.monotonic()
    stage.uploading.end_by(now + 20.0)
    assert stage.uploading.next_deadline() == now + 20.0
    stage.uploading.end_by(now + 30.0)  # which is later, and changes nothing
    expire(stage.uploading, now + 19.0)
    assert len(stage.uploading) == 2
    expire(stage.uploading, now + 20.0)
    for client in (first, second):
        assert answer_of(client, until) == ("41 The server stops, and only 0 of 5 bytes came\r\n", "whole")


def test_many_that_are_late_are_told_so_a_few_at_a_time(make_stage, begin, turn):
    stage = make_stage(timeouts=Timeouts(response=10.0, upload=600.0))
    made = [begin(stage, ScriptedIntake(5)) for _ in range(40)]
    late = time.monotonic() + 10.0
    for left in (24, 8, 0):
        expire(stage.uploading, late)
        assert len(stage.uploading) == left
    assert all(connection.status == 40 for _, connection in made)


# Budgets


def test_a_client_may_announce_so_much_at_once(make_stage, begin, until, ready):
    stage = make_stage(uploads=10 * LEAST, uploads_per_address=2 * LEAST)
    client, connection = begin(stage, ScriptedIntake(LEAST))
    begin(stage, ScriptedIntake(1))
    third = ScriptedIntake(1)
    refused, _ = begin(stage, third)
    text = "Too many uploads from your address are under way, try again later"
    assert answer_of(refused, until) == (f"41 {text}\r\n", "whole")
    assert (third.begun, third.closed) == (0, 1)
    begin(stage, ScriptedIntake(1), address="192.0.2.1")
    client.reset()
    until(lambda: connection not in stage.uploading, "one to be gone")
    begin(stage, ScriptedIntake(1))
    assert len(stage.uploading) == 3


def test_what_is_whole_counts_no_more(make_stage, begin):
    stage = make_stage(uploads=LEAST, uploads_per_address=LEAST)
    for _ in range(3):
        begin(stage, ScriptedIntake(5), b"hello")
    assert len(stage.ready) == 3


def test_who_has_most_gives_way_to_who_has_less(make_stage, begin, until):
    stage = make_stage(uploads=3 * LEAST, uploads_per_address=3 * LEAST)
    flooding = [begin(stage, ScriptedIntake(1), address="192.0.2.1") for _ in range(3)]
    other, connection = begin(stage, ScriptedIntake(5), address="192.0.2.2")
    assert answer_of(flooding[0][0], until) == ("41 Too many uploads are under way, try again later\r\n", "whole")
    assert connection in stage.uploading
    late, _ = begin(stage, ScriptedIntake(2 * LEAST), address="192.0.2.3")
    assert answer_of(late, until)[0].startswith("41 ")
    assert [one in stage.uploading for _, one in flooding] == [False, True, True]
    assert other.end is None


def test_an_upload_that_can_never_have_room_is_told_the_limit(make_stage, begin, until):
    stage = make_stage(uploads=2 * LEAST, uploads_per_address=LEAST)
    client, _ = begin(stage, ScriptedIntake(LEAST + 1))
    assert answer_of(client, until) == (f"59 At most {LEAST} bytes can be uploaded at once\r\n", "whole")


# Places


def test_it_takes_places_of_answers_and_the_most_numerous_lose_some(make_stage, begin, losses, ended, counted):
    stage = make_stage(most=3)
    made = [begin(stage, ScriptedIntake(5), address=f"192.0.2.{number}")[1] for number in (1, 1, 2)]
    assert stage.writing.room == 0
    begin(stage, ScriptedIntake(5), address="192.0.2.3")
    assert [one in stage.uploading for one in made] == [False, True, True]  # the oldest of who has most
    assert losses == ["upload broke off: too many are under way: 0 of 5 bytes came"]
    assert counted()["evictions"] == {"uploading": 1}
    assert list(ended) == made[:1]
    assert stage.uploading.give_place(2)
    assert not stage.uploading.give_place(2)
    assert stage.writing.room == 1


def test_the_place_of_a_new_one_is_never_its_own(make_stage, begin):
    """Though it announces more than all others."""
    stage = make_stage(most=1)
    _, first = begin(stage, ScriptedIntake(5), address="192.0.2.1")
    _, second = begin(stage, ScriptedIntake(10 * LEAST), address="192.0.2.2")
    assert list(stage.uploading) == [second]
    assert first.socket.fileno() < 0


def test_a_fault_leaves_nothing_behind(make_stage, begin):
    stage, intake = make_stage(), ScriptedIntake(5)
    _, connection = begin(stage, intake, b"0")
    stage.uploading.let_go(connection)
    assert (len(stage.uploading), intake.closed, stage.writing.room) == (0, 1, 100)
    stage.writing.answer(connection, Response(40, "a fault"))
    assert connection.complete


def test_an_answer_that_was_pending_may_become_an_upload(make_stage, begin, connect, poller, until):
    """As where a thread has judged the client's certificate first."""
    stage, intake = make_stage(), ScriptedIntake(5)
    pending = ScriptedPending(None, intake)
    client, connection = connect(tcp_pair(), shaken=True)
    connection.request = connection.reader.feed(b"titan://localhost/a;size=5\r\nhel")
    poller.register(connection.fd, 1, lambda *_: pytest.fail("read like a request"), connection)
    stage.writing.answer(connection, pending)
    assert stage.begun == []
    client.send(b"lo")
    stage.writing.resume(connection)
    until(lambda: stage.ready, "it to be whole")
    assert stage.begun == [connection]
    assert pending.closed == 1
    assert intake.data == b"hello"
