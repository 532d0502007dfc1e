"""Names that a thread looks up, addresses that none does, and how long an answer holds."""

import socket
import threading
import time

import pytest

from gemd.protocol.response import ResolveError
from gemd.worker import lookups as module
from gemd.worker.lookups import Lookups
from gemd.worker.thread_pool import ThreadPool
from tests.support.waiting import wait_for

V4 = (int(socket.AF_INET), ("192.0.2.7", 1965))
V6 = (int(socket.AF_INET6), ("2001:db8::7", 1965, 0, 0))


class NameServer:
    """Answers when it is let to."""

    def __init__(self, monkeypatch):
        self.asked = []
        self.answer = [V4, V6]
        self.may_answer = threading.Event()
        self.may_answer.set()
        monkeypatch.setattr(socket, "getaddrinfo", self.find)

    def find(self, host, port, **_options):
        self.asked.append((host, port))
        assert self.may_answer.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return [(family, socket.SOCK_STREAM, 6, "", place) for family, place in self.answer]


@pytest.fixture
def server(monkeypatch):
    return NameServer(monkeypatch)


@pytest.fixture
def pool():
    return ThreadPool(2)


class Waiter:
    """Somebody who waits for an address."""

    def __init__(self, lookup):
        self.lookup = lookup
        self.woken = 0

    def wake(self):
        self.woken += 1

    def resolve(self):
        return self.lookup.resolve(self, self.wake)


@pytest.mark.parametrize(
    ("host", "targets"),
    [
        ("192.0.2.7", [(int(socket.AF_INET), ("192.0.2.7", 1966))]),
        ("2001:db8::7", [(int(socket.AF_INET6), ("2001:db8::7", 1966, 0, 0))]),
    ],
)
def test_an_address_is_not_looked_up(pool, host, targets):
    assert Waiter(Lookups(pool).find(host, 1966)).resolve() == targets
    assert pool._threads == 0


def test_each_name_has_one_lookup_with_each_port(pool):
    lookups = Lookups(pool)
    assert lookups.find("b.internal", 1965) is lookups.find("b.internal", 1965)
    assert lookups.find("b.internal", 1965) is not lookups.find("b.internal", 1966)


def test_a_name_is_looked_up_once_for_all_who_wait(pool, server):
    lookup = Lookups(pool).find("b.internal", 1965)
    server.may_answer.clear()
    waiters = [Waiter(lookup) for _ in range(3)]
    assert [waiter.resolve() for waiter in waiters] == [None] * 3
    lookup.forget(waiters[2])
    server.may_answer.set()
    wait_for(lambda: waiters[0].woken and waiters[1].woken, "an answer")
    assert [waiter.woken for waiter in waiters] == [1, 1, 0]
    assert waiters[0].resolve() == [V4, V6]
    assert server.asked == [(b"b.internal", 1965)]


def test_a_name_server_that_hangs_leaves_threads_to_others(server):
    pool = ThreadPool(4)
    server.may_answer.clear()
    waiters = [Waiter(Lookups(pool).find(f"b{nr}.internal", 1965)) for nr in range(6)]
    assert [waiter.resolve() for waiter in waiters] == [None] * 6
    ran = threading.Event()
    pool.run("a client", ran.set, lambda: None)
    assert ran.wait(10)
    server.may_answer.set()
    wait_for(lambda: all(waiter.woken for waiter in waiters), "all answers")


def test_an_answer_holds_for_a_while(pool, server, monkeypatch):
    waiter = Waiter(Lookups(pool).find("b.internal", 1965))
    waiter.resolve()
    wait_for(lambda: waiter.woken, "an answer")
    server.answer = [V6]
    assert waiter.resolve() == [V4, V6]
    later = time.monotonic() + 31.0
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert waiter.resolve() is None
    wait_for(lambda: waiter.woken == 2, "another answer")
    assert waiter.resolve() == [V6]


def test_that_there_is_no_answer_holds_for_a_moment(pool, server, monkeypatch):
    waiter = Waiter(Lookups(pool).find("b.internal", 1965))
    server.answer = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    waiter.resolve()
    wait_for(lambda: waiter.woken, "an answer")
    for _ in range(2):
        with pytest.raises(ResolveError, match="it can't be looked up: Name or service not known"):
            waiter.resolve()
    assert len(server.asked) == 1
    server.answer = [V4]
    later = time.monotonic() + 1.1
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert waiter.resolve() is None
    wait_for(lambda: waiter.woken == 2, "another answer")
    assert waiter.resolve() == [V4]


def test_without_a_thread_there_is_no_answer(server, monkeypatch, pool):
    monkeypatch.setattr(pool, "run", lambda *_: None)
    waiter = Waiter(Lookups(pool).find("b.internal", 1965))
    for _ in range(2):
        with pytest.raises(ResolveError, match="no thread"):
            waiter.resolve()
