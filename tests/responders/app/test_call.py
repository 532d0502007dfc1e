"""One call of an application, turn by turn: what runs in its thread and what runs in the event loop."""

import os
import threading
import time

import pytest

from gemd.protocol.errors import CGIError, Overloaded
from gemd.protocol.response import BrokenBody, ClientLeft
from gemd.protocol.url import parse_url
from gemd.responders.app.call import Call

BLOCK = 64 * 1024
URL = parse_url(b"gemini://localhost/")


class Threads:
    """No threads: `begin` only counts. `turn` runs the code until it stops, as a thread would."""

    def __init__(self):
        self.name, self.pid = "m:app", os.getpid()
        self.last_moment = None
        self.is_blocked = False
        self.begun = []
        self.awaited = False

    def is_awaited(self):
        return self.awaited

    def begin(self, call):
        self.begun.append(call)

    def wait(self, awaitable, then):
        raise AssertionError("there is nothing to wait for")

    def turn(self, call):
        """Do what it was begun for, if it was."""
        self.begun.remove(call)
        try:
            if call.run():
                call.finish(None)
        except BaseException as error:  # noqa: BLE001, as in a thread
            call.finish(error)


class Helper:
    """Counts how often the event loop is woken. Nothing else may be asked of it."""

    client = "192.0.2.1"

    def __init__(self):
        self.woken = 0

    def wake(self):
        self.woken += 1


@pytest.fixture
def threads():
    return Threads()


@pytest.fixture
def helper():
    return Helper()


@pytest.fixture
def make(threads, helper):
    """Make a call and begin it, as the event loop does."""

    def make(app, seconds=60.0):
        call = Call(threads, app, URL, {}, seconds)
        call.begin(helper)
        assert threads.begun == [call]
        return call

    return make


def ask(threads, call):
    """Status, meta and body."""
    threads.turn(call)
    response = call.settle()
    return response.status, response.meta, response.body


def statuses(*statuses, body=()):
    def app(environ, send_status):
        for status, meta in statuses:
            send_status(status, meta)
        return body

    return app


def test_a_whole_answer(threads, helper, make):
    call = make(statuses((20, "text/plain"), body=["a", b"b", None, "", "c", bytearray(b"d"), memoryview(b"e")]))
    assert ask(threads, call) == (20, "text/plain", b"abcde")
    assert (call.is_over, helper.woken) == (True, 1)


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
    body = Body(b"x" * BLOCK for _ in range(9))
    call = make(statuses((51, "None here"), body=body))
    assert ask(threads, call) == (51, "None here", b"")
    assert (body.closed, threads.begun) == (0, [])
    call.close()  # which the event loop does where it is not the body
    threads.turn(call)
    assert (body.closed, call.is_over) == (1, True)


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
        call.settle()
    assert error.value.status == 42
    assert "the application m:app failed" in caplog.text
    assert said in caplog.text


@pytest.mark.parametrize(
    ("target", "shown", "said"),
    [
        ("/x y", "'/x y'", "a URL has no blank: it would be %20"),
        ("gemini:///x", "'gemini:///x'", "the URL needs a host name"),
        ("/\x1b[31m", "'/\\x1b[31m'", "a control character"),
        ("/a\r\n20 x", "'/a\\r\\n20 x'", "a control character"),
        ("/a?my words", "'/a?...'", "no blank"),
    ],
)
def test_a_redirect_to_what_is_no_url(threads, make, target, shown, said, caplog):
    call = make(statuses((31, target)))
    threads.turn(call)
    with pytest.raises(CGIError, match="An unexpected error occurred"):
        call.settle()
    (line,) = caplog.messages
    assert line.startswith(f"the application m:app failed with a redirect to {shown}: ")
    assert said in line


def test_a_redirect_is_encoded_where_it_has_one_reading(threads, make):
    call = make(statuses((30, "/wiki/Über")))
    threads.turn(call)
    assert call.settle().meta == "/wiki/%C3%9Cber"


@pytest.mark.parametrize("error", [ValueError("SECRET"), SystemExit(3), StopIteration("x")])
def test_an_error_before_the_first_byte(threads, make, error, caplog):
    def app(environ, send_status):
        send_status(20, "text/plain")
        raise error

    call = make(app)
    threads.turn(call)
    with pytest.raises(CGIError, match="An unexpected error occurred"):
        call.settle()
    assert "Traceback" in caplog.text


def test_an_error_after_the_first_byte(threads, make):
    def app(environ, send_status):
        send_status(20, "text/plain")
        yield "begun"
        raise ValueError("then")

    call = make(app)
    threads.turn(call)
    assert call.settle().body is call
    assert call.read() == b"begun"
    with pytest.raises(BrokenBody, match="the application m:app failed: ValueError") as caught:
        call.read()
    assert isinstance(caught.value.__cause__, ValueError)  # whose traceback is logged


def test_an_error_that_has_no_text_breaks_off_its_answer_alone(threads, make):
    class Mute(ValueError):
        def __str__(self):
            raise LookupError

        __repr__ = __str__

    def app(environ, send_status):
        send_status(20, "text/plain")
        yield "begun"
        raise Mute

    call = make(app)
    threads.turn(call)
    assert call.settle().body is call
    assert call.read() == b"begun"
    with pytest.raises(BrokenBody, match="exception str"):
        call.read()


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
    assert call.settle().body is call
    assert (call.settle().body, threads.begun) == (call, [])  # a look resumes nothing
    assert len(call.read()) == BLOCK
    assert threads.begun == [call]
    assert call.read() is None
    assert threads.begun == [call]  # once
    threads.turn(call)
    assert said == [0, 1, 2, 3]
    assert len(call.read()) == BLOCK
    threads.turn(call)
    assert (call.is_over, threads.begun) == (True, [])
    assert [len(call.read()), call.read(), call.read()] == [BLOCK // 2, b"", b""]
    assert threads.begun == []


def test_resuming_before_the_thread_has_let_go_loses_nothing(threads, make):
    """A client may be so fast that the call is begun again before the thread that paused it has said so."""

    def app(environ, send_status):
        send_status(20, "text/plain")
        yield from [b"x" * BLOCK] * 2

    call = make(app)
    threads.begun.clear()
    assert not call.run()
    assert call.settle().body is call
    assert len(call.read()) == BLOCK
    assert threads.begun == [call]
    threads.turn(call)
    assert len(call.read()) == BLOCK
    threads.turn(call)
    assert call.read() == b""
    assert call.error is None


def test_others_have_a_turn(threads, make, monkeypatch):
    said = []

    def app(environ, send_status):
        send_status(20, "text/plain")
        for number in range(100):
            said.append(number)
            yield "x"

    monkeypatch.setattr("gemd.responders.app.running._TURN_TIME", 0.0)
    call = make(app)
    threads.turn(call)
    assert (call.is_over, len(said)) == (True, 100)  # nobody waits
    call = make(app)
    threads.awaited = True
    threads.turn(call)
    assert (call.is_over, len(said), threads.begun) == (False, 101, [call])
    threads.awaited = False
    threads.turn(call)
    assert (call.is_over, threads.begun) == (True, [])
    assert call.settle().body == b"x" * 100


def test_it_lets_go_before_another_thread_takes_it_up(threads, make, monkeypatch):
    """Of several threads another may take it up at once, before the one that gave way has come back."""
    monkeypatch.setattr("gemd.responders.app.running._TURN_TIME", 0.0)

    def app(environ, send_status):
        send_status(20, "text/plain")
        yield from ["a", "b"]

    call, taken_up = make(app), []

    def take_up(call):
        threads.awaited = False
        thread = threading.Thread(target=lambda: taken_up.append(call.run()))
        thread.start()
        thread.join(15)

    threads.begun.clear()
    threads.awaited, threads.begin = True, take_up
    assert call.run() is False
    assert taken_up == [True]
    call.finish(None)
    assert (call.settle().body, call.error) == (b"ab", None)


def test_a_list_does_not_give_way(threads, make, monkeypatch):
    monkeypatch.setattr("gemd.responders.app.running._TURN_TIME", 0.0)
    threads.awaited = True
    assert ask(threads, make(statuses((20, "a/b"), body=["a", "b"]))) == (20, "a/b", b"ab")


@pytest.mark.parametrize("make_body", [list, tuple, lambda chunks: b"".join(chunks)])
def test_up_to_64_kib_go_out_in_one_piece(threads, helper, make, make_body):
    call = make(statuses((20, "a/b"), body=make_body([b"x" * (BLOCK // 4 - 1)] * 4)))
    assert ask(threads, call) == (20, "a/b", b"x" * (BLOCK - 4))
    assert helper.woken == 1


@pytest.mark.parametrize("chunks", [[b"x" * (BLOCK + 1)], [b"x" * (BLOCK // 2)] * 5])
def test_a_larger_one_is_sent_as_the_client_takes_it(threads, helper, make, chunks):
    call = make(statuses((20, "a/b"), body=chunks))
    assert ask(threads, call) == (20, "a/b", call)
    assert helper.woken == 1
    size = 0
    while (data := call.read()) != b"":
        size += len(data or b"")
        if threads.begun:
            threads.turn(call)
    assert size == sum(map(len, chunks))


def test_one_huge_chunk_goes_out_piece_by_piece(threads, make):
    """One of 50 MB as a whole would be encrypted in one go, before anybody else has a turn, and kept twice more."""
    body = bytes(range(256)) * 2048 + b"end"
    call = make(lambda environ, send_status: (send_status(20, "x"), iter([b"first", body]))[1])
    threads.turn(call)
    response = call.settle()
    assert response.body is call
    pieces = []
    while piece := call.read():
        pieces.append(piece)
        while call in threads.begun:
            threads.turn(call)
    assert {len(piece) for piece in pieces[:-1]} == {BLOCK}
    assert len(pieces[-1]) <= BLOCK
    assert b"".join(pieces) == b"first" + body
    assert call.is_over


def test_a_list_is_told_of_when_it_is_complete_and_a_generator_at_once(threads, helper, make):
    seen = []

    class Watched(list):
        def __iter__(self):
            for chunk in super().__iter__():
                yield chunk
                seen.append((helper.woken, call.settle()))

    call = make(statuses((20, "a/b"), body=Watched(["a", "b"])))
    threads.turn(call)
    assert seen == [(0, None), (0, None)]
    assert (helper.woken, call.settle().body) == (1, b"ab")

    def app(environ, send_status):
        send_status(20, "a/b")
        yield "a"
        seen.append((helper.woken, call.settle().body, call.read()))
        yield "b"
        seen.append(call.read())

    seen.clear()
    helper.woken = 0
    call = make(app)
    threads.turn(call)
    assert seen == [(1, call, b"a"), b"b"]


def test_who_left_is_not_served_further(threads, make):
    body = Body(b"x" * BLOCK for _ in range(9))
    call = make(statuses((20, "text/plain"), body=body))
    threads.turn(call)
    response = call.settle()
    response.body.close()
    assert threads.begun == [call]  # so that its code can clean up
    threads.turn(call)
    assert (body.closed, call.is_over, call.error) == (1, True, None)


def test_a_call_that_nobody_waits_for_is_not_begun(threads, helper, make):
    call = make(lambda environ, send_status: pytest.fail("it was called"))
    call.close()
    threads.turn(call)
    assert (call.is_over, call.error, helper.woken) == (True, None, 0)


def test_one_that_was_not_even_begun_can_be_closed(threads):
    call = Call(threads, lambda environ, send_status: None, URL, {}, 60)
    call.close()
    assert threads.begun == []


# The event loop is woken when it waits, and only then


def test_it_is_woken_for_each_chunk_that_it_waits_for(threads, helper, make):
    woken = []

    def app(environ, send_status):
        send_status(20, "a/b")
        for _ in range(3):
            yield "x"  # which it waits for
            woken.append(helper.woken)
            yield "x"  # which it has not asked for yet
            woken.append(helper.woken)
            assert call.settle().body is call
            assert (call.read(), call.read()) == (b"xx", None)

    call = make(app)
    threads.turn(call)
    assert woken == [1, 1, 2, 2, 3, 3]
    assert helper.woken == 4  # for its end
    assert (call.error, call.read(), helper.woken) == (None, b"", 4)


def test_nothing_to_say_wakes_nobody(threads, helper, make):
    def app(environ, send_status):
        send_status(20, "a/b")
        for _ in range(100):
            yield None
            yield ""
        assert (helper.woken, call.settle()) == (0, None)

    call = make(app)
    threads.turn(call)
    assert (call.error, helper.woken) == (None, 1)


def test_an_error_wakes_it(threads, helper, make):
    def app(environ, send_status):
        raise ValueError

    threads.turn(make(app))
    assert helper.woken == 1


@pytest.mark.parametrize("when", ["before its first byte", "in its body"])
def test_who_left_is_woken_no_more(threads, helper, make, when):
    def app(environ, send_status):
        send_status(20, "a/b")
        if when != "before its first byte":
            yield "x"
            assert call.settle().body is call
            assert (call.read(), call.read()) == (b"x", None)
        helper.woken = 0
        call.close()
        yield "more"
        pytest.fail("it went on")

    call = make(app)
    threads.turn(call)
    assert (call.is_over, call.error, helper.woken) == (True, None, 0)


# Time


def test_one_that_does_not_answer_in_time(threads, helper, make, caplog):
    call = make(statuses((20, "text/plain")), seconds=0)
    for _ in range(2):
        with pytest.raises(Overloaded):
            call.settle()
    call.close()
    threads.turn(call)
    assert (call.is_over, helper.woken, caplog.text) == (True, 0, "")


@pytest.mark.parametrize("result", ["text", ["a", "list"], (chunk for chunk in ["a", "generator"])])
def test_one_whose_code_does_not_come_back_in_time(threads, helper, make, caplog, result):
    def app(environ, send_status):
        with pytest.raises(CGIError, match="The application took too long"):
            call.settle()
        send_status(20, "text/plain")
        return result

    call = make(app, seconds=0)
    threads.turn(call)
    with pytest.raises(CGIError, match="The application took too long"):
        call.settle()
    assert caplog.text.count("did not answer in time (timeouts.app)") == 1
    assert helper.woken == 0


def test_a_list_that_is_late_in_the_middle_is_not_sent_in_part(threads, make):
    class Late(list):
        def __iter__(self):
            yield "a"
            call.deadline = 0.0
            with pytest.raises(CGIError, match="The application took too long"):
                call.settle()
            yield "b"
            pytest.fail("it went on")

    call = make(statuses((20, "a/b"), body=Late()))
    threads.turn(call)
    with pytest.raises(CGIError, match="The application took too long"):
        call.settle()


def test_one_that_is_late_is_closed_when_it_comes_back(threads, make):
    body = Body(iter([None, "late"]))

    def app(environ, send_status):
        send_status(20, "a/b")
        with pytest.raises(CGIError):
            call.settle()
        return body

    call = make(app, seconds=0)
    threads.turn(call)
    call.close()
    assert (body.closed, threads.begun) == (1, [])


def test_one_that_has_begun_to_answer_is_not_given_up(threads, make):
    call = make(statuses((20, "text/plain"), body="x"), seconds=0)
    assert ask(threads, call) == (20, "text/plain", b"x")


def test_who_waits_for_threads_that_do_not_come_back(threads, make):
    call = make(statuses((20, "text/plain"), body="x"))
    assert call.settle() is None
    threads.is_blocked = True
    with pytest.raises(Overloaded):
        call.settle()


def test_one_that_has_a_thread_is_not_given_up_when_there_are_no_others(threads, make):
    def app(environ, send_status):
        threads.is_blocked = True
        assert call.settle() is None
        send_status(20, "text/plain")
        return "x"

    call = make(app)
    assert ask(threads, call) == (20, "text/plain", b"x")


@pytest.mark.parametrize(("has_begun", "error"), [(False, Overloaded), (True, CGIError)])
def test_the_worker_ends_before_the_first_byte(threads, make, caplog, has_begun, error):
    def app(environ, send_status):
        threads.last_moment = 0.0
        with pytest.raises(CGIError):
            call.settle()

    call = make(app)
    threads.last_moment = time.monotonic() + 60
    assert call.settle() is None
    if has_begun:
        threads.turn(call)
    threads.last_moment = 0.0
    with pytest.raises(error):
        call.settle()
    assert ("did not answer in time (timeouts.stop)" in caplog.text) is has_begun


@pytest.mark.parametrize(("seconds", "end", "error"), [(0, None, BrokenBody), (60, 0.0, ClientLeft)])
def test_a_stream_ends_when_its_time_is_over(threads, make, seconds, end, error):
    def app(environ, send_status):
        send_status(20, "text/plain")
        while True:
            yield b"x" * BLOCK

    call = make(app, seconds)
    threads.turn(call)
    assert call.settle().body is call
    threads.last_moment = end
    with pytest.raises(error):
        call.read()
    call.close()
    threads.turn(call)
    assert call.is_over


@pytest.mark.parametrize(("seconds", "end"), [(0, None), (60, 0.0)])
def test_what_is_over_is_sent_however_late_it_is(threads, make, seconds, end):
    call = make(statuses((20, "text/plain"), body=[b"x" * (BLOCK - 1), b"yz"]), seconds=60)
    threads.turn(call)
    assert call.settle().body is call
    assert len(call.read()) + len(call.read()) == BLOCK + 1
    threads.turn(call)
    call.deadline = time.monotonic() + seconds
    threads.last_moment = end
    assert call.read() == b""
