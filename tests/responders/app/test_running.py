"""The half of a call that runs in a thread: what it has to wait for, and what becomes of that."""

import os

import pytest

from gemd.responders.app.running import RunningCall


class Promise:
    """Something to wait for, which comes to something when it is told."""

    def __await__(self):
        yield


class Threads:
    """One thread, with a reactor: what has to be awaited is told later, by `then`."""

    name = "m:app"
    last_moment = None
    is_blocked = False

    def __init__(self):
        self.pid = os.getpid()
        self.begun = self.cancelled = 0
        self.then = None
        self.at_once = None

    def is_awaited(self):
        return False

    def begin(self, call):
        self.begun += 1

    def wait(self, awaitable, then):
        if self.at_once is not None:
            return self.at_once
        self.then = then
        return self.cancel

    def cancel(self):
        self.cancelled += 1


@pytest.fixture
def threads():
    return Threads()


@pytest.fixture
def promising(threads):
    """A call whose application waits for what its body is."""
    closed = []

    def body(promise):
        try:
            yield promise
        finally:
            closed.append(1)

    def app(environ, send_status):
        send_status(20, "text/plain")
        return body(Promise())

    call = RunningCall(threads, app, None, {}, 60.0)
    call.closed = closed
    return call


def test_what_waits_leaves_its_thread_and_goes_on(threads, promising):
    assert not promising.run()
    assert threads.begun == 0
    threads.then((b"text", None))
    assert threads.begun == 1
    assert promising.run()
    assert promising._output.take() == b"text"
    assert promising.closed == [1]


def test_what_is_there_at_once_is_used_at_once(threads, promising):
    threads.at_once = b"text", None
    assert promising.run()
    assert promising._output.take() == b"text"


def test_what_it_comes_to_may_be_an_error(threads, promising):
    promising.run()
    threads.then((None, KeyError("gone")))
    with pytest.raises(KeyError, match="gone"):
        promising.run()
    assert promising.closed == [1]


def test_what_had_come_before_one_waited_is_not_given_up(threads, promising):
    def wait(awaitable, then):
        then((b"text", None))
        return threads.cancel

    threads.wait = wait
    assert not promising.run()
    assert threads.begun == 1
    assert promising.run()
    assert threads.cancelled == 0


def test_what_nobody_wants_any_more_is_not_waited_for(threads, promising):
    promising.run()
    promising.abandon()
    assert threads.cancelled == 1
    threads.then((None, KeyError("cancelled")))
    assert promising.run()  # and not what it was cancelled with
    assert promising.closed == [1]
    promising.abandon()
    assert threads.cancelled == 1


def test_a_child_that_an_application_forks_closes_nothing_of_its_parents(threads, tmp_path):
    mark = tmp_path / "closed"

    class Body:
        def __iter__(self):
            self.child = os.fork()
            if self.child == 0:
                raise SystemExit(3)
            yield b"text"

        def close(self):
            if os.getpid() != threads.pid:
                mark.touch()

    body = Body()

    def app(environ, send_status):
        send_status(20, "text/plain")
        return body

    try:
        RunningCall(threads, app, None, {}, 60.0).run()
    finally:
        if os.getpid() != threads.pid:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(body.child, 0)[1]) == 3
    assert not mark.exists()
