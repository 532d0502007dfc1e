"""The whole way from accept to close, over a listener on the loopback, a turn at a time.

Each test ends with everybody gone: nobody in the poller, no source open, each connection ended once.
"""

import math
import os
import random
import socket
import threading
import time
from collections import Counter

import pytest

from gemd.config.listen import Listen
from gemd.config.settings import Limits, Timeouts
from gemd.config.types import Address
from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.response import BrokenBody, ClientLeft, Response
from gemd.shared.under_way import SIZE, UnderWay
from gemd.system.listener import Listener
from gemd.worker import event_loop
from gemd.worker import memory as memory_module
from gemd.worker.event_loop import EventLoop
from gemd.worker.lookups import Lookups
from gemd.worker.thread_pool import ThreadPool
from tests.support.answers import PipeSource, ScriptedPending, ScriptedSource
from tests.support.gemini_client import Client
from tests.worker.conftest import URL

HEADER = b"20 text/gemini\r\n"


def page(body):
    return Response(20, "text/gemini", body)


class Fault(Exception):
    """Of our own."""


class Service:
    """An event loop, and who serves from it: `answers` has what each connection is to be answered with, in order."""

    def __init__(self, context, losses, timeouts, most, limits, **options):
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)  # of accepted ones: a slow client shows soon
        sock.setblocking(False)
        self.address = sock.getsockname()
        listener = Listener(sock, Address("127.0.0.1", 0))
        report_loss = lambda _, reason: losses.append(reason)  # noqa: E731
        pool = ThreadPool(2)
        self.loop = EventLoop(
            {listener: Listen(address=listener.address)},
            context,
            timeouts,
            limits,
            most,
            pool,
            Lookups(pool),
            UnderWay(memoryview(bytearray(SIZE))),
            report_loss,
            **options,
        )
        self.poller = self.loop._poller
        self.answers = []
        self.asked = []
        self.ended = []
        self.losses = losses
        self.clients = []
        self.is_finished = False

    def connect(self, *, receive=None):
        sock = socket.socket()
        if receive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        sock.connect(self.address)
        self.clients.append(Client(sock))
        return self.clients[-1]

    def number(self):
        return sum(self.loop.count())

    def turn(self, timeout=0.0):
        self.loop.wait(timeout)
        while self.loop.ready:
            connection = self.loop.ready.popleft()
            try:
                self.loop.answer(connection, self.find_answer(connection))
            except Fault:
                self.loop.give_up(connection)
        self.ended += self.loop.ended
        self.loop.ended.clear()

    def find_answer(self, connection):
        self.asked.append(connection)
        return self.answers.pop(0)

    def turn_until(self, condition):
        for _ in range(1000):
            if condition():
                return
            self.turn(0.01)
        raise AssertionError("it does not come to that")

    def shake_hands(self, client):
        client.shake_hands()
        self.turn_until(client.shake_hands)

    def ask(self, answer, data=URL, **options):
        """A new client that has asked, and the connection that is being answered."""
        client = self.connect(**options)
        self.shake_hands(client)
        self.answers.append(answer)
        before = len(self.asked)
        client.send(data)
        self.turn_until(lambda: len(self.asked) > before)
        return client, self.asked[-1]

    def read(self, client):
        """All of the answer."""
        self.turn_until(lambda: client.read() is None or client.end)
        return client.data

    def busy_turns(self, most=20):
        """How often the kernel tells of something while nothing can happen."""
        return sum(bool(self.poller._epoll.poll(0)) or self.turn() or 0 for _ in range(most))

    def finish(self):
        if self.is_finished:
            return
        self.is_finished = True
        self.loop.stop_listening(is_urgent=True)
        for client in self.clients:
            if client.socket.fileno() >= 0:
                client.reset()  # a FIN alone would leave those who wait for an answer waiting
        end = time.monotonic() + 5.0
        while not self.loop.is_idle():
            assert time.monotonic() < end
            self.turn(0.01)
        assert self.poller._owners == {}
        assert Counter(self.ended) == Counter(self.asked)
        assert all(connection.socket.fileno() < 0 for connection in self.asked)
        assert all(connection.source is None and connection.pending is None for connection in self.asked)
        self.poller.close()


@pytest.fixture
def make_service(context, losses):
    made = []

    def make(*, most=100, limits=Limits(), **timeouts):  # noqa: B008, it is frozen
        made.append(Service(context, losses, Timeouts(**{"close": 5.0, **timeouts}), most, limits))
        return made[-1]

    yield make
    for service in made:
        service.finish()


@pytest.fixture
def service(make_service):
    return make_service()


def test_a_page(service):
    client, connection = service.ask(page(b"# Hello\n"))
    assert service.read(client) == HEADER + b"# Hello\n"
    assert client.end == "whole"
    assert connection.complete
    assert service.loop.count() == (0, 0, 1, 0, 0)
    client.socket.close()
    service.turn_until(service.loop.is_idle)


def test_the_first_line_may_be_refused(service):
    client, connection = service.ask(page(b"x"), b"x" * 2000 + b"\r\n")
    assert connection.request is None
    assert connection.refusal is not None
    service.read(client)


def test_many_at_once(service):
    clients = [service.connect() for _ in range(30)]
    service.answers += [page(b"x" * 1000)] * 30
    for client in clients:
        client.shake_hands()
    for client in clients:
        service.turn_until(client.shake_hands)
        client.send(URL)
    for client in clients:
        assert service.read(client) == HEADER + b"x" * 1000
    assert len(service.ended) == 30


def test_a_large_answer_with_junk_behind_the_request_is_answered_once(service):
    source = ScriptedSource(*[b"x" * 100] * 40, b"")
    client, _ = service.ask(page(source), URL + b"junk")
    client.send(URL)
    client.finish_sending()
    assert service.read(client) == HEADER + b"x" * 100 * 40
    assert client.end == "whole"
    assert len(service.asked) == 1


# Being quiet


def nobody(service):
    pass


def in_a_handshake(service):
    service.connect()
    service.turn_until(lambda: service.loop.count()[0])


def in_a_request(service):
    client = service.connect()
    service.shake_hands(client)
    client.send(b"gemini:")


def awaited(service):
    service.ask(ScriptedPending())


def awaited_by_half_a_connection(service):
    client, _ = service.ask(ScriptedPending())
    client.finish_sending()


def awaited_by_one_who_sends_more(service):
    client, _ = service.ask(ScriptedPending())
    client.send(URL)


def blocked(service):
    source = ScriptedSource(*[b"x" * 65536] * 20)
    client, connection = service.ask(page(source), receive=4096)
    service.turn_until(lambda: connection in service.loop._writing.blocked)
    return client, connection, source


def blocked_with_half_a_connection(service):
    client, _, _ = blocked(service)
    client.finish_sending()


def lingering(service):
    client, _ = service.ask(page(b"x"))
    service.read(client)


QUIET = [
    nobody,
    in_a_handshake,
    in_a_request,
    awaited,
    awaited_by_half_a_connection,
    awaited_by_one_who_sends_more,
    blocked,
    blocked_with_half_a_connection,
    lingering,
]


@pytest.mark.parametrize("state", QUIET)
def test_nothing_is_done_while_nothing_can_happen(service, state):
    state(service)
    for _ in range(5):
        service.turn(0.001)
    before = time.monotonic()
    assert service.busy_turns() == 0
    service.turn(0.02)
    assert time.monotonic() - before >= 0.02


@pytest.mark.parametrize("state", [in_a_handshake, in_a_request, awaited, blocked, lingering])
def test_the_kernel_tells_nothing_of_a_connection_that_is_over_but_held_by_another_process(service, state):
    state(service)
    fds = [fd for fd in service.poller._owners if fd != service.poller._wakeup]
    copies = [os.dup(fd) for fd in fds]  # as an application's fork has them
    service.clients[-1].reset()
    service.turn_until(service.loop.is_idle)
    for copy in copies:
        assert service.poller._epoll.poll(0) == []
        os.close(copy)


# Waking


def test_a_thread_wakes_the_loop(service):
    pending = ScriptedPending()
    client, _ = service.ask(pending)
    pending.pieces = [page(b"x")]
    threading.Timer(0.01, pending.helper.wake).start()
    start = time.monotonic()
    service.turn(5.0)
    service.turn(0.0)
    assert time.monotonic() - start < 4.0
    assert service.read(client) == HEADER + b"x"


def test_who_wakes_the_loop_as_it_is_asked_is_asked_again(service):
    pending = ScriptedPending(lambda: pending.helper.wake(), page(b"x"))
    client, _ = service.ask(pending)
    assert service.read(client) == HEADER + b"x"


def test_who_is_woken_again_and_again_has_one_turn(service):
    pending = ScriptedPending(*[lambda: pending.helper.wake()] * 10, page(b"x"))
    client, _ = service.ask(pending)
    for _ in range(5):
        pending.helper.wake()
    before = pending.reads
    service.turn(0.0)
    assert pending.reads == before + 1
    assert service.read(client) == HEADER + b"x"


def test_a_descriptor_wakes_the_loop(service):
    source = PipeSource()
    client, _ = service.ask(page(source))
    os.write(source.input, b"x")
    os.close(source.input)
    assert service.read(client) == HEADER + b"x"


def test_a_deadline_wakes_the_loop(service):
    source = ScriptedSource(b"x", None, deadline=time.monotonic() + 0.03)
    client, _ = service.ask(page(source))
    source.pieces += [b"y", b""]
    source.deadline = math.inf
    start = time.monotonic()
    assert service.read(client) == HEADER + b"xy"
    assert time.monotonic() - start < 0.5


def test_a_source_that_leaves_its_descriptor_to_another(service):
    """Two events in one turn: what the first one's owner does takes the second's descriptor from it."""
    other = PipeSource()
    client, connection = service.ask(page(PipeSource()))
    second, _ = service.ask(page(other))
    os.close(connection.source.input)
    os.close(other.input)
    assert service.read(client) == HEADER
    assert service.read(second) == HEADER


def test_a_descriptor_that_is_another_s_within_one_turn(service):
    """A stale event is at most a question too many."""
    pipes = []

    class Successor(PipeSource):
        def begin(self, helper):
            super().begin(helper)
            pipes.append(self)

    first = ScriptedPending(None, lambda: page(Successor()))
    client, _ = service.ask(first)
    old = os.eventfd(1)
    second = ScriptedSource(None, None, descriptors=[old])
    _, connection = service.ask(page(second))
    service.turn()
    first.helper.wake()
    second.helper.wake()
    service.turn()
    service.loop._writing.drop(connection)
    os.close(old)
    service.turn()
    os.write(pipes[0].input, b"x")
    os.close(pipes[0].input)
    assert service.read(client) == HEADER + b"x"


# Clients that leave


def test_a_reset_in_any_state_ends_that_connection_alone(service):
    good, _ = service.ask(pending := ScriptedPending())
    for state in (in_a_handshake, in_a_request, awaited, blocked, lingering):
        state(service)
        client = service.clients[-1]
        service.turn()
        client.reset()
        service.turn_until(lambda: service.loop.count() == (0, 1, 0, 0, 0))
    pending.pieces = [page(b"x")]
    pending.helper.wake()
    assert service.read(good) == HEADER + b"x"


def test_a_reset_of_one_that_could_go_on(service):
    source = ScriptedSource(*[b"x"] * 1000)
    client, connection = service.ask(page(source))
    client.reset()
    service.turn_until(lambda: service.ended)
    assert source.closed == 1
    assert not connection.complete


def test_a_slow_client_keeps_no_other_waiting(service):
    slow, _, source = blocked(service)
    quick, _ = service.ask(page(b"x"))
    assert service.read(quick) == HEADER + b"x"
    source.pieces.append(b"")
    assert service.read(slow) == HEADER + b"x" * 65536 * 20
    assert slow.end == "whole"
    assert source.closed == 1


# Deadlines


def test_a_request_that_does_not_come(make_service, losses):
    service = make_service(request=0.03)
    client = service.connect()
    service.turn_until(lambda: losses)
    assert losses[0].startswith("handshake timed out after 0.0")
    assert client.is_closed()


def test_an_answer_that_is_not_read(make_service, losses):
    service = make_service(response=0.03)
    client, _, source = blocked(service)
    service.turn_until(lambda: service.ended)
    assert losses == ["response broke off: the client reads too slowly"]
    assert source.closed == 1
    client.read()
    service.read(client)
    assert client.end == "broken"


def test_a_client_that_does_not_close(make_service):
    service = make_service(close=0.03)
    client, _ = service.ask(page(b"x"))
    service.read(client)
    service.turn_until(service.loop.is_idle)


# Faults of our own


def one_logged(caplog):
    (record,) = caplog.records
    return record.exc_info[0] is Fault and "gemini://localhost/" in record.getMessage()


FAULTS = {
    "in an answer": lambda: ScriptedPending(None, Fault()),
    "in its first piece": lambda: ScriptedPending(None, lambda: page(ScriptedSource(Fault()))),
}


@pytest.mark.parametrize("make", FAULTS.values(), ids=FAULTS)
def test_a_fault_before_the_first_byte_is_said(service, caplog, make):
    pending = make()
    client, _ = service.ask(pending)
    other, _ = service.ask(page(b"fine"))
    pending.helper.wake()
    assert service.read(client) == b"40 An unexpected error occurred\r\n"
    assert client.end == "whole"
    assert one_logged(caplog)
    assert pending.closed == 1
    assert service.read(other) == HEADER + b"fine"


def test_a_fault_is_said_in_the_words_of_where_the_request_leads(service, caplog):
    service.loop._word_refusal = lambda request, refusal: GeminiError(f"{request.url.host} is ill", refusal.status)
    pending = ScriptedPending(None, Fault())
    client, _ = service.ask(pending)
    pending.helper.wake()
    assert service.read(client) == b"40 localhost is ill\r\n"
    assert one_logged(caplog)


def test_a_fault_after_the_first_byte_breaks_off(service, caplog):
    source = ScriptedSource(b"x", None, Fault())
    client, _ = service.ask(page(source))
    source.helper.wake()
    assert service.read(client) == HEADER + b"x"
    assert client.end == "broken"
    assert source.closed == 1
    assert one_logged(caplog)


class FaultyClose:
    def close(self):
        super().close()
        raise Fault


class FaultyPending(FaultyClose, ScriptedPending):
    pass


class FaultySource(FaultyClose, ScriptedSource):
    pass


TWO_FAULTS = {
    "before the first byte": (FaultyPending(None, Fault()), b"40 An unexpected error occurred\r\n", "whole"),
    "after it": (FaultySource(b"x", None, Fault()), HEADER + b"x", "broken"),
}


@pytest.mark.parametrize(("body", "seen", "end"), TWO_FAULTS.values(), ids=TWO_FAULTS)
def test_a_fault_in_giving_up_ends_one_connection_too(service, caplog, body, seen, end):
    client, _ = service.ask(body if isinstance(body, FaultyPending) else page(body))
    other, _ = service.ask(page(b"fine"))
    body.helper.wake()
    assert service.read(client) == seen
    assert client.end == end
    assert body.closed == 1
    assert [record.exc_info[0] for record in caplog.records] == [Fault, Fault]
    assert service.read(other) == HEADER + b"fine"


def test_a_fault_in_reading_ends_the_connection(service, caplog, losses, monkeypatch):
    client = service.connect()
    service.shake_hands(client)

    def fail(*_):
        raise Fault

    monkeypatch.setattr("gemd.protocol.request.parse_url", fail)
    client.send(URL)
    service.turn_until(lambda: losses)
    monkeypatch.undo()
    assert one_logged(caplog)
    assert losses == ["a fault of gemd itself"]
    assert client.is_closed()


def test_a_fault_while_lingering_ends_the_connection(service, caplog, monkeypatch):
    client, _ = service.ask(page(b"x"))
    service.read(client)

    def fail(*_, **__):
        raise Fault

    monkeypatch.setattr("gemd.worker.closing.drain", fail)
    client.send(b"x")
    service.turn_until(service.loop.is_idle)
    assert one_logged(caplog)


def test_a_fault_at_a_deadline(make_service, caplog):
    service = make_service(response=0.03)

    class Bad(ScriptedSource):
        def close(self):
            super().close()
            raise Fault

    source = Bad(*[b"x" * 65536] * 20)
    service.ask(page(source), receive=4096)
    service.turn_until(lambda: service.ended)
    assert one_logged(caplog)
    assert source.closed == 1


@pytest.mark.parametrize("state", ["reading", "closing"])
def test_a_fault_when_its_time_is_over(make_service, monkeypatch, caplog, state):
    service = make_service(request=0.2, close=0.2)

    def fail(*_):
        raise Fault

    monkeypatch.setattr(getattr(service.loop._states, state), "time_out", fail)
    if state == "reading":
        service.connect()
    else:
        lingering(service)
    service.turn_until(lambda: service.number() == 1)
    service.turn_until(lambda: service.number() == 0)
    (record,) = caplog.records
    assert record.exc_info[0] is Fault


# Too many, and the end


def test_there_is_room_for_so_many(make_service, losses):
    service = make_service(most=2)
    sources = [blocked(service)[2] for _ in range(3)]
    assert losses == ["response broke off: too many read too slowly"]
    assert [source.closed for source in sources] == [1, 0, 0]
    assert service.loop.count() == (0, 2, 0, 0, 0)
    assert not service.loop.has_room(*service.loop.count())
    assert service.loop.has_room(1, 0, 1, 0, 0)
    assert not service.loop.has_room(1, 0, 1, 1, 0)
    assert not service.loop.has_room(1, 0, 1, 0, 1)


def test_all_outboxes_together_have_a_limit(make_service, losses, counted):
    service = make_service(limits=Limits(buffered=1024 * 1024))
    sources = [blocked(service)[2] for _ in range(30)]
    is_held = lambda: sum(connection.held for connection in service.loop._writing.blocked)  # noqa: E731
    service.turn_until(lambda: losses and is_held() <= 1024 * 1024)
    assert all("(limits.buffered)" in loss for loss in losses)
    assert counted()["evictions"] == {"memory": len(losses)}
    assert sum(source.closed for source in sources) == len(losses)
    assert len(losses) < 20


def test_long_listings_count_unless_they_are_the_same(make_service, losses):
    service = make_service(limits=Limits(buffered=10 * 1024 * 1024))
    listing = bytes(6 * 1024 * 1024)

    def ask(body):
        _, connection = service.ask(page(body), receive=4096)
        service.turn_until(lambda: losses or connection in service.loop._writing.blocked)

    for _ in range(3):
        ask(listing)
    assert losses == []
    ask(bytes(bytearray(listing)))
    service.turn_until(lambda: losses)
    assert all("(limits.buffered)" in loss for loss in losses)


@pytest.mark.parametrize("is_answered", [False, True])
def test_memory_is_given_back_after_many(service, monkeypatch, is_answered):
    given = []
    monkeypatch.setattr(memory_module, "_MANY", 10)
    monkeypatch.setattr(memory_module.process, "give_memory_back", lambda: given.append(service.number()))
    clients = [blocked(service)[0] if is_answered else service.connect() for _ in range(10)]
    service.turn_until(lambda: service.loop._memory._most == 10)
    for client in clients[:8]:
        client.reset()
    service.turn_until(lambda: service.number() == 2)
    assert given == []
    clients[8].reset()
    service.turn_until(lambda: given)
    clients[9].reset()
    service.turn_until(service.loop.is_idle)
    assert given == [1]


def test_those_who_are_answered_are_answered_when_it_stops(service):
    pending = ScriptedPending()
    client, _ = service.ask(pending)
    waiting = service.connect()
    service.loop.stop_listening(is_urgent=False)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(service.address)
    service.shake_hands(waiting)
    service.answers.append(page(b"y"))
    waiting.send(URL)
    assert service.read(waiting) == HEADER + b"y"
    pending.pieces = [page(b"x")]
    pending.helper.wake()
    assert service.read(client) == HEADER + b"x"


def test_the_worker_s_own_descriptors(service):
    told, fd = [], os.eventfd(1)
    service.loop.watch(fd, lambda: told.append(os.eventfd_read(fd)))
    service.turn()
    assert told == [1]
    service.loop.unwatch(fd)
    os.close(fd)


# All of it at once


class History:
    """What clients, answers and time do, in an order that a seed decides."""

    def __init__(self, service, seed):
        self.service = service
        self.random = random.Random(seed)
        self.clients = []
        self.answers = []

    def step(self):
        moves = [self.arrive, self.go_on, self.read, self.leave, self.wake, self.age]
        self.random.choices(moves, [3, 12, 3, 1, 4, 1])[0]()
        self.service.turn()

    def arrive(self):
        if sum(client.socket.fileno() >= 0 for client, _ in self.clients) < 12:
            self.clients.append([self.service.connect(receive=self.random.choice([None, 4096])), "hello"])

    def pick(self):
        alive = [entry for entry in self.clients if entry[0].socket.fileno() >= 0]
        return self.random.choice(alive) if alive else None

    def go_on(self):
        """The next thing that a client of good will does."""
        entry = self.pick()
        if entry is None:
            return
        client, state = entry
        try:
            if state == "hello" and client.shake_hands():
                entry[1] = "request"
            elif state == "request":
                self.service.answers.append(self.make_answer())
                client.send(self.random.choice([URL, URL + b"junk", URL[:7], b"x" * 2000]))
                entry[1] = "read"
            elif state == "read":
                client.send(URL)
        except OSError:
            entry[1] = "over"

    def make_answer(self):
        end = self.random.choice([b"", b"", Fault(), BrokenBody("broken"), ClientLeft("left")])
        body = [self.random.choice([None, b"x", b"x" * 65536]) for _ in range(self.random.randrange(20))]
        source = ScriptedSource(*body, end, descriptors=self.descriptors())
        pending = ScriptedPending(None, None, page(source), descriptors=self.descriptors())
        failing = ScriptedPending(None, self.random.choice([Fault(), NotFound("Not found"), ClientLeft("left")]))
        answer = self.random.choice([page(b"x"), page(b"x" * 500_000), page(source), pending, failing])
        self.answers += [one for one in (source, pending, failing) if one in (answer, getattr(answer, "body", None))]
        if answer is pending:
            self.answers.append(source)
        return answer

    def descriptors(self):
        """One that is always readable, or none: each answer closes its own."""
        return [self.service.open_eventfd()] if self.random.random() < 0.5 else []

    def read(self):
        entry = self.pick()
        if entry is not None:
            entry[0].read(self.random.choice([100, 100_000]))

    def leave(self):
        entry = self.pick()
        if entry is not None:
            client = entry[0]
            kind = self.random.choice(["reset", "finish", "close"])
            try:
                client.reset() if kind == "reset" else client.finish_sending()
            except OSError:
                return
            if kind == "close":
                client.socket.close()

    def wake(self):
        if self.answers:
            answer = self.random.choice(self.answers)
            if answer.helper is not None:
                answer.helper.wake()

    def age(self):
        """Time passes for somebody."""
        loop = self.service.loop
        states = [loop._reading._connections, loop._writing.blocked, loop._states.closing._connections]
        state = self.random.choice(states)
        if len(state):
            state.oldest().deadline = 0.0


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_each_connection_ends_once(make_service, caplog, seed):
    service = make_service(most=8)
    fds = []

    def open_eventfd():
        fds.append(os.eventfd(1))
        return fds[-1]

    service.open_eventfd = open_eventfd
    history = History(service, seed)
    for _ in range(400):
        history.step()
    service.finish()
    assert len(service.asked) > 5
    assert all(answer.closed == 1 for answer in history.answers if answer.begun)
    assert {record.exc_info[0] for record in caplog.records if record.exc_info} <= {Fault}
    for fd in fds:
        os.close(fd)


# Accepting


def test_what_is_here_already_is_read_at_once(service):
    client = service.connect()
    client.shake_hands()  # begins
    service.loop.wait(1.0)
    (connection,) = service.loop._reading
    assert connection.received > 100


def test_the_backlog_is_left_to_the_poller_when_it_stops(service):
    clients = [service.connect() for _ in range(3)]
    for client in clients:
        client.shake_hands()
    service.loop.stop_listening(is_urgent=False)
    assert service.loop._accepting.accept_waiting() == []
    for client in clients:
        service.turn_until(client.shake_hands)


# Looking around


def test_a_quiet_turn_looks_around(service):
    assert service.loop.wait(0.0)
    assert service.loop.wait(0.0)


def test_while_much_happens_that_is_done_now_and_then(service, monkeypatch):
    monkeypatch.setattr(event_loop, "_LOOK_INTERVAL", 3600.0)
    looks = []
    for _ in range(5):
        service.connect().shake_hands()  # which waits for an answer
        looks.append(service.loop.wait(1.0))  # which accepts it, or has its first octets
    assert looks == [True, False, False, False, False]
    assert service.loop._shorten(1.0) == 1.0
    monkeypatch.setattr(service.loop, "_next_look", 0.0)
    service.connect().shake_hands()
    assert service.loop.wait(1.0)


def test_after_much_has_happened_nobody_is_forgotten(service):
    """The turn that is the first to be quiet looks, however soon it is."""
    service.connect().shake_hands()
    assert service.loop.wait(1.0)
    service.connect().shake_hands()
    begun = time.monotonic()
    while not service.loop.wait(10.0):
        pass
    assert time.monotonic() - begun < 5.0
