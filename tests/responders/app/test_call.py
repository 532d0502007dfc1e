"""One call of an application, turn by turn: what runs in its thread and what runs in the server's."""

import pytest

from gemd.protocol.errors import CGIError, Overloaded
from gemd.protocol.response import BrokenBody, ClientLeft
from gemd.responders.app.call import Call
from gemd.responders.app.contract import AppError

BLOCK = 64 * 1024


class Threads:
    """No threads: `begin` only counts. `turn` runs the code until it stops, as a thread would."""

    def __init__(self):
        self.name = "m:app"
        self.last_moment = None
        self.is_blocked = False
        self.begun = []
        self.awaited = False

    def is_awaited(self):
        return self.awaited

    def begin(self, call):
        self.begun.append(call)

    def turn(self, call):
        try:
            if call.run():
                call.finish(None)
        except BaseException as error:  # noqa: BLE001, as in a thread
            call.finish(error)


@pytest.fixture
def threads():
    return Threads()


@pytest.fixture
def make(threads):
    def make(app, seconds=60.0):
        call = Call(threads, app, {}, seconds)
        call.woken = 0

        def wake():
            call.woken += 1

        call.wake = wake
        return call

    return make


def ask(threads, call):
    """Status, meta and body."""
    threads.turn(call)
    response = call.answer()
    return response.status, response.meta, response.body


def statuses(*statuses, body=()):
    def app(environ, send_status):
        for status, meta in statuses:
            send_status(status, meta)
        return body

    return app


def test_a_whole_answer(threads, make):
    call = make(statuses((20, "text/plain"), body=["a", b"b", None, "", "c", bytearray(b"d"), memoryview(b"e")]))
    assert ask(threads, call) == (20, "text/plain", b"abcde")
    assert (call.is_over, call.woken) == (True, 1)


@pytest.mark.parametrize("body", [None, "", b"", [], [None]])
def test_an_answer_without_a_body(threads, make, body):
    assert ask(threads, make(statuses((51, "None here"), body=body))) == (51, "None here", b"")


@pytest.mark.parametrize("body", ["tëxt", "tëxt".encode()])
def test_one_text_is_one_chunk(threads, make, body):
    assert ask(threads, make(statuses((20, "text/plain"), body=body)))[2] == "tëxt".encode()


def test_the_last_status_before_the_first_byte_counts(threads, make):
    def app(environ, send_status):
        send_status(20, "text/plain")
        send_status("20", "text/gemini")
        yield ""
        send_status(20, "text/x-last")
        yield "a"
        send_status(51, "too late")
        yield "b"

    assert ask(threads, make(app)) == (20, "text/x-last", b"ab")


def test_a_body_of_a_failure_is_not_sent(threads, make):
    call = make(statuses((51, "None here"), body=(b"x" * BLOCK for _ in range(9))))
    assert ask(threads, call) == (51, "None here", b"")
    assert threads.begun == [call]  # so that it is closed
    threads.turn(call)
    assert call.is_over


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (statuses(body=["a"]), "sent a body before it called send_status"),
        (statuses(), "never called send_status"),
        (statuses((20, "a/b"), body=[1]), "gave an object of type int where bytes or str were expected"),
        (statuses((20, "a/b"), body=1), "returned an object of type int, not an iterable of bytes or str"),
        (statuses((99, "a/b")), "status 99 is not defined"),
        (statuses((20, "")), "needs a text"),
        (statuses((20, "a\r\nb")), "control character"),
        (statuses((20, "x" * 1025)), "1025 bytes"),
        (statuses(("x", "y")), "invalid literal"),
        (statuses((20, "a/b"), body=["\ud800"]), "surrogates not allowed"),
    ],
)
def test_what_breaks_the_contract(threads, make, app, said, caplog):
    call = make(app)
    threads.turn(call)
    with pytest.raises(CGIError, match="An unexpected error occurred") as error:
        call.answer()
    assert error.value.status == 42
    assert "the application m:app failed" in caplog.text
    assert said in caplog.text


@pytest.mark.parametrize("error", [ValueError("SECRET"), SystemExit(3), StopIteration("x")])
def test_an_error_before_the_first_byte(threads, make, error, caplog):
    def app(environ, send_status):
        send_status(20, "text/plain")
        raise error

    call = make(app)
    threads.turn(call)
    with pytest.raises(CGIError, match="An unexpected error occurred"):
        call.answer()
    assert "Traceback" in caplog.text


def test_an_error_after_the_first_byte(threads, make):
    def app(environ, send_status):
        send_status(20, "text/plain")
        yield "begun"
        raise ValueError("then")

    call = make(app)
    threads.turn(call)
    body = iter(call.answer().body)
    assert next(body) == b"begun"
    with pytest.raises(BrokenBody, match="the application m:app failed: ValueError"):
        next(body)


def test_an_error_after_a_failure_is_logged(threads, make, caplog):
    def app(environ, send_status):
        send_status(51, "None here")
        yield "begun"
        raise ValueError("then")

    assert ask(threads, make(app)) == (51, "None here", b"")
    assert "failed after its answer 51" in caplog.text


class Body:
    """Says what it is given, and counts how often it is closed."""

    def __init__(self, chunks):
        self._chunks = iter(chunks)
        self.closed = 0

    def __iter__(self):
        return self._chunks

    def close(self):
        self.closed += 1


@pytest.mark.parametrize(("chunks", "is_fine"), [(["a"], True), ([], True), ([1], False), (["a", 1], False)])
def test_a_body_is_closed_once(threads, make, chunks, is_fine):
    body = Body(chunks)
    call = make(statuses((20, "text/plain"), body=body))
    threads.turn(call)
    assert body.closed == 1
    assert (call.error is None) == is_fine


def test_it_does_not_run_far_ahead_of_its_client(threads, make):
    said = []

    def app(environ, send_status):
        send_status(20, "text/plain")
        for number in range(5):
            said.append(number)
            yield b"x" * (BLOCK // 2)

    call = make(app)
    threads.turn(call)
    assert said == [0, 1]
    body = iter(call.answer().body)
    assert len(next(body)) == BLOCK
    assert threads.begun == [call]
    threads.turn(call)
    assert said == [0, 1, 2, 3]
    assert len(next(body)) == BLOCK
    threads.turn(call)
    assert [len(chunk) for chunk in body] == [BLOCK // 2]
    assert call.is_over


def test_resuming_before_the_thread_has_let_go_loses_nothing(threads, make):
    """A client may be so fast that the call is begun again before the thread that paused it has said so."""

    def app(environ, send_status):
        send_status(20, "text/plain")
        yield from [b"x" * BLOCK] * 2

    call = make(app)
    assert not call.run()
    body = iter(call.answer().body)
    next(body)
    assert threads.begun == [call]
    threads.turn(call)
    assert len(next(body)) == BLOCK
    threads.turn(call)
    assert list(body) == []
    assert call.error is None


def test_others_have_a_turn(threads, make):
    said = []

    def app(environ, send_status):
        send_status(20, "text/plain")
        for number in range(100):
            said.append(number)
            yield "x"

    call = make(app)
    call_turn = "gemd.responders.app.call._YIELD_INTERVAL"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(call_turn, 0.0)
        assert (call.run(), call.gives_way) == (True, False)
        call = make(app)
        threads.awaited = True
        assert (call.run(), call.gives_way) == (False, True)
        assert len(said) == 101
        threads.awaited = False
        assert (call.run(), call.gives_way) == (True, False)
    call.finish(None)
    assert call.answer().body == b"x" * 100


def test_a_large_answer_is_a_stream(threads, make):
    status, _, body = ask(threads, make(statuses((20, "text/plain"), body=b"x" * (BLOCK - 1))))
    assert (status, body) == (20, b"x" * (BLOCK - 1))
    call = make(statuses((20, "text/plain"), body=b"x" * (BLOCK + 1)))
    _, _, body = ask(threads, call)
    threads.turn(call)
    assert not isinstance(body, bytes)
    body = iter(body)
    assert len(next(body)) == BLOCK + 1
    threads.turn(call)
    assert list(body) == []


def test_who_left_is_not_served_further(threads, make):
    body = Body(b"x" * BLOCK for _ in range(9))
    call = make(statuses((20, "text/plain"), body=body))
    threads.turn(call)
    response = call.answer()
    response.body.close()
    assert threads.begun == [call]
    threads.turn(call)
    assert (body.closed, call.is_over, call.error) == (1, True, None)


def test_a_call_that_nobody_waits_for_is_not_begun(threads, make):
    call = make(lambda environ, send_status: pytest.fail("it was called"))
    call.abandon()
    threads.turn(call)
    assert call.is_over


def test_one_that_does_not_answer_in_time(threads, make, caplog):
    call = make(statuses((20, "text/plain")), seconds=0)
    assert call.is_late()
    assert call.give_up()
    with pytest.raises(Overloaded):
        call.answer()
    assert not call.give_up()
    assert not call.is_late()
    threads.turn(call)
    assert call.woken == 0
    assert caplog.text == ""


def test_one_whose_code_does_not_come_back_in_time(threads, make, caplog):
    given_up = []

    def app(environ, send_status):
        given_up.append((call.is_late(), call.give_up()))
        send_status(20, "text/plain")
        return "too late"

    call = make(app, seconds=0)
    threads.turn(call)
    assert given_up == [(True, True)]
    with pytest.raises(CGIError, match="The application took too long"):
        call.answer()
    assert "did not answer in time (timeouts.app)" in caplog.text
    assert call.woken == 0


def test_one_that_has_begun_to_answer_is_not_given_up(threads, make):
    call = make(statuses((20, "text/plain"), body="x"), seconds=0)
    threads.turn(call)
    assert (call.is_late(), call.give_up()) == (False, False)


def test_who_waits_for_threads_that_do_not_come_back(threads, make):
    call = make(statuses((20, "text/plain")))
    assert not call.is_late()
    threads.is_blocked = True
    assert call.is_late()


def test_what_has_no_event_loop_here(threads, make, caplog):
    class Deferred:
        def addCallback(self, function):  # noqa: N802
            """Twisted's."""

    async def coroutine(environ, send_status):
        """Never awaited."""

    made = []

    def app(environ, send_status):
        made.append(coroutine(environ, send_status))
        return made[0]

    for body in (lambda environ, send_status: Deferred(), statuses((20, "a/b"), body=[Deferred()]), app):
        call = make(body)
        threads.turn(call)
        with pytest.raises(CGIError):
            call.answer()
        assert isinstance(call.error, AppError)
    made[0].close()
    assert caplog.text.count("a Deferred (there is no reactor here") == 2
    assert "a coroutine (there is no event loop here" in caplog.text


@pytest.mark.parametrize(("seconds", "end", "error"), [(0, None, BrokenBody), (60, 0.0, ClientLeft)])
def test_a_stream_ends_when_its_time_is_over(threads, make, seconds, end, error):
    def app(environ, send_status):
        send_status(20, "text/plain")
        while True:
            yield b"x" * BLOCK

    call = make(app, seconds)
    threads.turn(call)
    response = call.answer()
    threads.last_moment = end
    with pytest.raises(error):
        next(iter(response.body))
    response.body.close()
    threads.turn(call)
    assert call.is_over
