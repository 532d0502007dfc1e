"""The addresses of upstreams: fixed ones, names that a thread looks up, and how long an answer holds."""

import socket
import threading
import time

import pytest

from gemd.config.host_settings import Host
from gemd.config.pass_settings import PassHost
from gemd.worker import upstream as module
from gemd.worker.thread_pool import ThreadPool
from gemd.worker.upstream import ResolveError, Upstream, find_upstreams
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
        monkeypatch.setattr(module.socket, "getaddrinfo", self.find)

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


def upstream_of(text, pool):
    return Upstream(PassHost(name="b.example", pass_to=text), pool)


class Waiter:
    """Somebody who waits for an address."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.woken = 0

    def wake(self):
        self.woken += 1

    def resolve(self):
        return self.upstream.resolve(self, self.wake)


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("192.0.2.7:1966", [(int(socket.AF_INET), ("192.0.2.7", 1966))]),
        ("[2001:db8::7]", [(int(socket.AF_INET6), ("2001:db8::7", 1965, 0, 0))]),
        ("unix:/run/b.sock", [(int(socket.AF_UNIX), "/run/b.sock")]),
    ],
)
def test_an_address_is_not_looked_up(pool, text, targets):
    assert Waiter(upstream_of(text, pool)).resolve() == targets
    assert pool._threads == 0


def test_a_name_is_looked_up_once_for_all_who_wait(pool, server):
    upstream = upstream_of("b.internal", pool)
    server.may_answer.clear()
    waiters = [Waiter(upstream) for _ in range(3)]
    assert [waiter.resolve() for waiter in waiters] == [None] * 3
    upstream.forget(waiters[2])
    server.may_answer.set()
    wait_for(lambda: waiters[0].woken and waiters[1].woken, "an answer")
    assert [waiter.woken for waiter in waiters] == [1, 1, 0]
    assert waiters[0].resolve() == [V4, V6]
    assert server.asked == [(b"b.internal", 1965)]


def test_a_name_server_that_hangs_leaves_threads_to_others(server):
    pool = ThreadPool(4)
    server.may_answer.clear()
    waiters = [Waiter(upstream_of(f"b{nr}.internal", pool)) for nr in range(6)]
    assert [waiter.resolve() for waiter in waiters] == [None] * 6
    ran = threading.Event()
    pool.run("a client", ran.set, lambda: None)
    assert ran.wait(10)
    server.may_answer.set()
    wait_for(lambda: all(waiter.woken for waiter in waiters), "all answers")


def test_an_answer_holds_for_a_while(pool, server, monkeypatch):
    waiter = Waiter(upstream_of("b.internal", pool))
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
    waiter = Waiter(upstream_of("b.internal", pool))
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
    waiter = Waiter(upstream_of("b.internal", pool))
    for _ in range(2):
        with pytest.raises(ResolveError, match="no thread"):
            waiter.resolve()


def test_each_name_has_its_own_upstream_and_a_name_of_its_own_wins(pool):
    served = [Host(name="h"), Host(name="*.example")]
    passes = [
        PassHost(name="b.example", pass_to="192.0.2.1"),
        PassHost(name="*.h", aliases=("c.example",), pass_to="192.0.2.2"),
        PassHost(name="*.wild", pass_to="192.0.2.3"),
    ]
    find = find_upstreams([*served, Host(name="a.wild")], passes, pool)
    names = [
        b"h",
        b"a.example",
        b"b.example",
        b"B.Example.",
        b"c.example",
        b"x.h",
        b"x.y.h",
        b"a.wild",
        b"b.wild",
        b"z",
        b"",
    ]
    found = [find(name) for name in names]
    assert [upstream and str(upstream) for upstream in found] == [
        *(None, None, "192.0.2.1:1965", "192.0.2.1:1965", "192.0.2.2:1965", "192.0.2.2:1965"),
        *(None, None, "192.0.2.3:1965", None, None),
    ]
    assert found[4] is found[5]  # what one has found holds for the other


def test_what_is_no_host_s_name_is_nobody_s(pool):
    """Logs and PROXY headers have these names."""
    find = find_upstreams([], [PassHost(name="*", aliases=("*.h",), pass_to="192.0.2.1")], pool)
    assert all(map(find, (b"h", b"x.h", b"_x.H.", b"z")))
    for name in (
        b"a b.h",
        b"a\n.h",
        b"\x1b[31m.h",
        b'"\\%s.h',
        b".h",
        b"",
        b"*.h",
        b"h..",
        b"x" * 252 + b".h",
        b"192.0.2.1",
    ):
        assert find(name) is None
