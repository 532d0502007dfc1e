import itertools
import threading
from types import SimpleNamespace

import pytest

from gemd.config.host_settings import Location
from gemd.protocol.url import parse_url
from gemd.responders.app.load import AppLoadError
from gemd.responders.app.threads import AppThreads
from tests.support.waiting import wait_for

URL = parse_url(b"gemini://localhost/x")


class Board:
    """Has what code is running for."""

    def __init__(self):
        self.shown = {}
        self._numbers = itertools.count()

    def begin(self, url):
        number = next(self._numbers)
        self.shown[number] = url.path
        return number

    def end(self, entry):
        del self.shown[entry]


class Gate:
    """An application that waits to be let on, and counts who is in it."""

    def __init__(self):
        self.open = threading.Event()
        self.inside = threading.Semaphore(0)

    def __call__(self, environ, send_status):
        self.inside.release()
        assert self.open.wait(15)
        send_status(20, "text/plain")
        return "done"


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
def start(monkeypatch, gate):
    """The threads of an application, opened as in a worker."""
    started = []

    def start(app=gate, board=None, **options):
        monkeypatch.setattr("gemd.responders.app.threads.load_named", lambda _location, _where: app)
        threads = AppThreads(Location(app="m:app", **options), "host[1].app", 60.0)
        threads.open(board or Board())
        started.append(threads)
        return threads

    yield start
    gate.open.set()


def begin(threads, number=1, client="192.0.2.{}"):
    """Calls of as many clients, unless they are named."""
    calls = [threads.make_call(URL, {}) for _ in range(number)]
    for nr, call in enumerate(calls):
        call.begin(SimpleNamespace(wake=lambda: None, client=client.format(nr)))
    return calls


def test_as_many_run_at_once_as_there_are_threads(start, gate):
    threads = start(app_threads=2)
    calls = begin(threads, 3)
    for _ in range(2):
        assert gate.inside.acquire(timeout=15)
    assert threads.is_awaited()
    assert threads.is_busy
    assert not gate.inside.acquire(timeout=0.05)
    gate.open.set()
    wait_for(lambda: all(call.is_over for call in calls), "the threads")
    assert [call.settle().body for call in calls] == [b"done"] * 3
    wait_for(lambda: not threads.is_busy, "the threads")


def test_what_code_runs_for_is_shown_as_long_as_it_runs(start, gate):
    board = Board()
    threads = start(board=board)
    begin(threads, 2)
    assert gate.inside.acquire(timeout=15)
    assert board.shown == {0: "/x"}  # the other one waits
    gate.open.set()
    wait_for(lambda: not threads.is_busy, "the threads")
    assert board.shown == {}


def test_those_who_wait_have_an_end(start, gate, monkeypatch):
    monkeypatch.setattr("gemd.responders.app.threads._MAX_WAITING", 2)
    threads = start()
    begin(threads)
    assert gate.inside.acquire(timeout=15)
    begin(threads)
    assert threads.has_place("192.0.2.77")
    begin(threads)
    assert not threads.has_place("192.0.2.77")


def test_of_those_who_wait_a_client_has_its_share(start, gate, monkeypatch):
    monkeypatch.setattr("gemd.responders.app.threads._MAX_WAITING", 5)
    threads = start()
    begin(threads)
    assert gate.inside.acquire(timeout=15)
    begin(threads, 2, "192.0.2.77")
    assert not threads.has_place("192.0.2.77")
    assert threads.has_place("192.0.2.78")


def test_clients_take_turns(start, gate):
    threads, order = start(), []
    begin(threads)
    assert gate.inside.acquire(timeout=15)
    much, little = begin(threads, 3, "192.0.2.77"), begin(threads, 1, "192.0.2.78")
    for call in (*much, *little):
        call._helper.wake = lambda client=call.client: order.append(client)
    gate.open.set()
    wait_for(lambda: len(order) == 4, "the answers")
    assert order.index("192.0.2.78") == 1


def test_a_thread_that_does_not_come_back_is_told(start, gate):
    threads = start(app_threads=2)
    calls = begin(threads, 2)
    for _ in range(2):
        assert gate.inside.acquire(timeout=15)
    assert (threads.is_stuck, threads.is_blocked) == (False, False)
    calls[0].deadline -= 1000
    assert (threads.is_stuck, threads.is_blocked, threads.has_place("192.0.2.77")) == (True, False, True)
    calls[1].deadline -= 1000
    assert (threads.is_stuck, threads.is_blocked, threads.has_place("192.0.2.77")) == (True, True, False)


def test_what_the_application_raises_is_the_calls(start):
    def leave(environ, send_status):
        raise SystemExit(3)

    threads = start(leave)
    (call,) = begin(threads)
    wait_for(lambda: call.is_over, "the threads")
    assert isinstance(call.error, SystemExit)
    assert not threads.is_stuck


def test_the_thread_is_free_before_it_is_told_that_a_call_is_over(start, gate):
    """Who is told wants the interpreter, and finds the thread with nothing left to do."""
    threads, seen = start(app_threads=1), []
    gate.open.set()
    call = threads.make_call(URL, {})
    call.begin(SimpleNamespace(wake=lambda: seen.append(threads.is_busy), client="192.0.2.1"))
    wait_for(lambda: seen, "the answer")
    assert seen == [False]


def test_what_no_thread_can_be_started_for_runs_once_and_later(start, gate, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    threads, ran = start(app_threads=2), []
    calls = [threads.make_call(URL, {}) for _ in range(3)]
    for nr, call in enumerate(calls):
        call.run = lambda nr=nr, run=call.run: ran.append(nr) or run()
    helper = SimpleNamespace(wake=lambda: None, client="192.0.2.1")
    calls[0].begin(helper)
    assert gate.inside.acquire(timeout=15)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        calls[1].begin(helper)
    calls[2].begin(helper)  # by a thread that can be started now
    gate.open.set()
    wait_for(lambda: all(call.is_over for call in calls) and not threads.is_busy, "the threads")
    assert sorted(ran) == [0, 1, 2]


def test_a_call_gives_way_to_those_who_wait_and_goes_on(start, monkeypatch):
    monkeypatch.setattr("gemd.responders.app.running._TURN_TIME", 0.0)
    order = []

    def count(environ, send_status):
        send_status(20, "text/plain")
        for nr in range(3):
            order.append(nr)
            yield b"a"

    threads = start(count)
    calls = begin(threads, 2)
    wait_for(lambda: all(call.is_over for call in calls), "the threads")
    assert [call.settle().body for call in calls] == [b"aaa"] * 2
    assert sorted(order) == [0, 0, 1, 1, 2, 2]


def test_the_end_is_the_earliest_that_was_said(start):
    threads = start()
    assert threads.last_moment is None
    for moment in (20.0, 10.0, 30.0):
        threads.end_by(moment)
    assert threads.last_moment == 10.0


def test_one_that_can_not_be_loaded_names_its_key(monkeypatch):
    def fail(_location):
        raise ValueError("no\x1b")

    monkeypatch.setattr("gemd.responders.app.load.load_app", fail)
    threads = AppThreads(Location(app="m:app"), "host[1].app", 60.0)
    for load in (lambda: threads.open(None), threads.preload):
        with pytest.raises(AppLoadError) as caught:
            load()
        assert str(caught.value) == "app: the application m:app can't be loaded: ValueError: no\\x1b"
        assert isinstance(caught.value.__cause__, ValueError)


def test_what_comes_last_is_done_where_the_application_was_loaded(start):
    loaded = []
    threads = start(app=lambda *_: None)
    threads._threads[0].submit(lambda: loaded.append(threading.get_ident()))
    wait_for(lambda: loaded, "the thread")
    done = []
    assert threads.run_last(lambda: done.append(threading.get_ident()), 15.0)
    assert done == loaded


def test_what_comes_last_is_done_aside_where_code_does_not_come_back(start, gate):
    threads = start()
    call = threads.make_call(URL, {})
    threads.begin(call)
    assert gate.inside.acquire(timeout=15)
    done = []
    assert threads.run_last(lambda: done.append(threading.current_thread().name), 15.0)
    assert done == ["exit handlers"]


def test_what_comes_last_is_not_waited_for_longer_than_said(start, gate):
    threads = start(app=lambda *_: None)
    assert not threads.run_last(lambda: gate.open.wait(15), 0.01)
