"""The event loop with uploads: who is woken, counted, shed, what a fault ends, and all of it at once."""

import random
import threading

import pytest

from gemd.config.settings import Limits, Timeouts
from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.response import error_response
from gemd.worker.upload_budget import LEAST
from tests.support.answers import ScriptedPending
from tests.support.intakes import STORED, ScriptedIntake
from tests.worker.test_event_loop import Fault, Service, page


class UploadService(Service):
    """The same, which asks the intake of what is whole."""

    def __init__(self, context, losses, timeouts, most, limits):
        super().__init__(context, losses, timeouts, most, limits, takes_uploads=True)
        self.uploading = self.loop._states.uploading

    def find_answer(self, connection):
        if connection.upload is None:
            return super().find_answer(connection)
        try:
            return connection.upload.intake.finish()
        except GeminiError as refusal:
            return error_response(refusal)

    def upload(self, intake, first=b"", **options):
        """A new client that uploads, and its connection."""
        return self.ask(intake, b"titan://localhost/a;size=%d\r\n%s" % (intake.size, first), **options)


@pytest.fixture
def make_service(context, losses):
    made = []

    def make(*, most=100, limits=Limits(), **timeouts):  # noqa: B008, it is frozen
        made.append(UploadService(context, losses, Timeouts(**{"close": 5.0, **timeouts}), most, limits))
        return made[-1]

    yield make
    for service in made:
        service.finish()
        assert service.uploading._budget._total == 0
        assert service.loop._writing.room == service.loop._max_connections


def test_an_upload_and_its_answer(make_service):
    service, intake = make_service(), ScriptedIntake(300_000)
    client, connection = service.upload(intake, b"x" * 1000)
    assert service.loop.count() == (0, 0, 0, 0, 1)
    octets = client.encrypt(b"x" * 299_000)
    while octets:
        octets = octets[client.socket.send(octets[:50_000]) :]
        service.turn()
    assert service.read(client) == b"20 text/plain\r\nstored\n"
    assert client.end == "whole"
    assert (intake.taken, intake.finished, intake.closed) == (300_000, 1, 1)
    assert service.loop.received == 300_000
    assert connection.complete


def test_a_thread_that_has_room_again_wakes_the_loop(make_service):
    service, intake = make_service(), ScriptedIntake(5, is_ready=False)
    client, connection = service.upload(intake, b"hello")

    def work():
        intake.ready = True
        intake.helper.wake()

    thread = threading.Thread(target=work)
    thread.start()
    assert service.read(client).startswith(b"20 ")
    thread.join()
    assert intake.helper.client == connection.client


def test_a_pending_answer_follows_and_may_become_another_before_the_body_is_let_go(make_service):
    last = ScriptedPending(STORED)
    first = ScriptedPending(last)
    service, intake = make_service(), ScriptedIntake(2, first)
    client, _ = service.upload(intake, b"hi")
    assert service.read(client).startswith(b"20 ")
    assert (first.closed, last.closed, intake.closed) == (1, 1, 1)


def test_the_body_is_there_until_the_answer_is_over(make_service):
    pending = ScriptedPending(None)
    service, intake = make_service(), ScriptedIntake(2, pending)
    client, _ = service.upload(intake, b"hi")
    service.turn_until(lambda: pending.reads)
    assert intake.closed == 0
    pending.pieces = [STORED]
    pending.helper.wake()
    assert service.read(client).startswith(b"20 ")
    assert intake.closed == 1


def test_uploads_count_as_those_who_are_answered(make_service):
    service = make_service(most=2)
    service.upload(ScriptedIntake(5))
    assert service.loop.has_room(*service.loop.count())
    service.upload(ScriptedIntake(5))
    assert not service.loop.has_room(*service.loop.count())
    client, _ = service.ask(page(b"x"))
    assert service.read(client).endswith(b"x")
    assert service.loop.count() == (0, 0, 0, 0, 2)
    _, connection = service.ask(page(bytes(5_000_000)), receive=4096)
    service.turn_until(lambda: connection in service.loop._writing.blocked)
    assert service.loop.count() == (0, 1, 0, 0, 1)  # they were more


def test_who_holds_too_much_has_to_go(make_service, losses):
    service = make_service(limits=Limits(buffered=1 << 20))
    intakes = [ScriptedIntake(1000, is_ready=False) for _ in range(20)]
    for intake in intakes:
        service.upload(intake, b"x")
    service.turn_until(lambda: losses)
    assert "clients hold too much memory together (limits.buffered)" in losses[0]
    assert 10 < len(service.uploading) < 20
    assert sum(intake.closed for intake in intakes) == 20 - len(service.uploading)


def fail(*_):
    raise Fault


@pytest.mark.parametrize("where", ["begin", "take", "finish"])
def test_a_fault_of_ours_is_said_and_nothing_kept(make_service, monkeypatch, where):
    monkeypatch.setattr(ScriptedIntake, where, fail)
    service, intake = make_service(), ScriptedIntake(5)
    client, _ = service.upload(intake, b"hello")
    assert service.read(client) == b"40 An unexpected error occurred\r\n"
    assert client.end == "whole"
    assert intake.closed == 1


def test_one_in_a_later_step_is_logged(make_service, monkeypatch, caplog):
    service, intake = make_service(), ScriptedIntake(5)
    client, _ = service.upload(intake, b"he")
    monkeypatch.setattr(ScriptedIntake, "take", fail)
    client.send(b"llo")
    assert service.read(client) == b"40 An unexpected error occurred\r\n"
    assert [record.exc_info[0] for record in caplog.records] == [Fault]
    assert intake.closed == 1


def test_deadlines_are_looked_after(make_service):
    service = make_service(response=0.2)
    client, _ = service.upload(ScriptedIntake(5))
    assert service.read(client) == b"40 It comes too slowly: only 0 of 5 bytes came\r\n"
    service = make_service(upload=0.2)
    client, _ = service.upload(ScriptedIntake(5))
    assert service.read(client) == b"40 Only 0 of 5 bytes came within 0.2 seconds\r\n"


def test_a_worker_that_stops_goes_on_with_them_until_it_may_not(make_service):
    service = make_service()
    going, staying = ScriptedIntake(5), ScriptedIntake(5)
    first, _ = service.upload(going, b"he")
    second, _ = service.upload(staying, b"he")
    service.loop.stop_listening(is_urgent=True)
    service.turn()
    first.send(b"llo")
    assert service.read(first).startswith(b"20 ")
    assert not service.loop.is_idle()
    service.loop.end_by(0.0)
    assert service.read(second).startswith(b"41 The server stops")


# All of it at once


class History:
    """What clients, intakes and time do, in an order that a seed decides."""

    def __init__(self, service, seed):
        self.service = service
        self.random = random.Random(seed)
        self.clients = []
        self.intakes = []
        self.pending = []

    def step(self):
        moves = [self.arrive, self.send, self.read, self.leave, self.turn_ready, self.age, self.shed]
        self.random.choices(moves, [3, 12, 3, 1, 4, 1, 1])[0]()
        self.service.turn()

    def arrive(self):
        client = self.service.connect()
        self.service.shake_hands(client)
        size = self.random.choice([0, 1, 10, 100_000, 3 * LEAST])
        refusal = self.random.choice([None] * 8 + [NotFound("Not found"), Fault()])
        ends = [STORED, ScriptedPending(None, None, STORED), ScriptedPending(None, NotFound("Not found"))]
        answer = self.random.choice([*ends, NotFound("Not found"), Fault()])
        intake = ScriptedIntake(size, answer, refusal=refusal, is_ready=self.random.random() < 0.7)
        self.intakes.append(intake)
        self.pending += [answer] if isinstance(answer, ScriptedPending) else []
        self.service.answers.append(intake if self.random.random() < 0.8 else ScriptedPending(None, intake))
        first = bytes(self.random.choice([0, 1, size, size + 1]) if size < 100 else 5)
        asked = len(self.service.asked)
        client.send(b"titan://localhost/a;size=%d\r\n%s" % (size, first))
        self.service.turn_until(lambda: len(self.service.asked) > asked)
        self.clients.append([client, size - len(first)])

    def pick(self):
        alive = [entry for entry in self.clients if entry[0].socket.fileno() >= 0]
        return self.random.choice(alive) if alive else None

    def send(self):
        entry = self.pick()
        if entry is not None:
            client, left = entry
            size = min(max(left, 0), 20_000) + (self.random.random() < 0.02)
            try:
                client.send(bytes(size)) if size else None
            except (OSError, ValueError):
                client.reset()
            entry[1] -= size

    def read(self):
        entry = self.pick()
        if entry is not None:
            entry[0].read()

    def leave(self):
        entry = self.pick()
        if entry is not None:
            try:
                self.random.choice([entry[0].reset, entry[0].finish_sending])()
            except OSError:
                entry[0].socket.close()

    def turn_ready(self):
        for one in self.random.choices(self.intakes, k=3) if self.intakes else ():
            if one.helper is not None and not one.closed and one.refusal is None:
                one.ready = self.random.random() < 0.8
                one.helper.wake()
        for one in self.pending:
            if one.helper is not None:
                one.helper.wake()

    def age(self):
        """Time passes for somebody."""
        state = self.random.choice([self.service.uploading._receiving, self.service.loop._states.closing._connections])
        if len(state):
            state.oldest().deadline = 0.0

    def shed(self):
        if len(self.service.uploading) and self.random.random() < 0.2:
            self.service.uploading.give_place(0)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_each_intake_is_closed_once(make_service, caplog, seed):
    service = make_service(most=8, limits=Limits(uploads=10 * LEAST, uploads_per_address=6 * LEAST))
    history = History(service, seed)
    for _ in range(300):
        history.step()
    service.finish()
    assert len(history.intakes) > 10
    assert sum(intake.finished for intake in history.intakes) > 0
    given = [intake for intake in history.intakes if intake.begun or intake.closed]
    assert len(given) > len(history.intakes) // 2  # others stayed behind what was pending
    assert {intake.closed for intake in given} == {1}
    assert {record.exc_info[0] for record in caplog.records if record.exc_info} <= {Fault}
