import asyncio

import pytest

from gemd.app.response import DeferredResponse, Response
from gemd.app.sending import send_body, send_response, send_result


class Deferred:
    """As Twisted's, as far as anybody here looks: `fire` has the result told to who asked for it."""

    def __init__(self):
        self._callbacks = []

    def addCallback(self, callback):  # noqa: N802
        self._callbacks.append(callback)

    def fire(self, result):
        for callback in self._callbacks:
            callback(result)

    def __await__(self):
        yield self


@pytest.fixture
def said():
    return []


@pytest.fixture
def say(said):
    return lambda *status: said.append(status)


def test_a_body_without_a_close_is_sent_too():
    assert list(send_body(["a", None])) == ["a", None]
    assert list(send_body(None)) == []


@pytest.mark.parametrize("body", [False, 0, "", b"", (), {}])
def test_what_is_false_is_no_body(body):
    """As Jetforce has it: `request.query and "text"` may be False."""
    assert b"".join(piece.encode() if isinstance(piece, str) else piece for piece in send_body(body)) == b""


def test_an_empty_body_is_closed():
    class Empty(list):
        is_closed = False

        def close(self):
            self.is_closed = True

    body = Empty()
    assert list(send_body(body)) == []
    assert body.is_closed


def test_an_asynchronous_body_is_handed_on_as_it_is(said, say):
    async def body():
        yield "a"

    pieces = body()
    assert send_response(Response(20, "text/plain", pieces), say) is pieces
    assert said == [(20, "text/plain")]


def test_what_is_no_response(say):
    with pytest.raises(TypeError, match="a route has to return a Response, not NoneType"):
        send_response(None, say)


@pytest.mark.parametrize("result", [None, b"x", "text", ["a", "b"], (piece for piece in "ab")])
def test_a_result_of_another_application(result):
    expected = {type(None): [], bytes: [b"x"], str: ["text"]}.get(type(result), ["a", "b"])
    assert list(send_result(result)) == expected


def test_a_result_that_has_to_be_awaited_is_handed_on():
    async def app():
        return "text"

    coroutine = app()
    assert send_result(coroutine) is coroutine
    assert asyncio.run(coroutine) == "text"
    deferred = Deferred()
    assert send_result(deferred) is deferred


def test_a_header_that_is_awaited(said, say):
    async def find():
        await asyncio.sleep(0)
        return 20, "text/plain"

    async def ask():
        return list(await send_response(DeferredResponse(find(), ["a"]), say))

    assert asyncio.run(ask()) == ["a"]
    assert said == [(20, "text/plain")]


def test_a_coroutine_may_give_a_header_that_is_awaited(said, say):
    async def find():
        return 51, "Not here"

    async def route():
        return DeferredResponse(find(), None)

    async def ask():
        return list(await send_response(route(), say))

    assert asyncio.run(ask()) == []
    assert said == [(51, "Not here")]


def test_the_body_of_a_deferred_header_goes_on_meanwhile(said, say):
    status, pending = Deferred(), Deferred()

    def body():
        yield pending
        yield "rest"

    pieces = send_response(DeferredResponse(status, body()), say)
    assert next(pieces) is pending
    assert said == []
    status.fire((20, "text/plain"))
    assert list(pieces) == ["rest"]
    assert said == [(20, "text/plain")]


def test_a_deferred_header_is_waited_for_where_the_body_is_over(said, say):
    status = Deferred()
    pieces = send_response(DeferredResponse(status, None), say)
    assert next(pieces) is status
    status.fire((51, "Not here"))
    assert list(pieces) == []
    assert said == [(51, "Not here")]


def test_a_deferred_body_is_one_piece(say):
    deferred = Deferred()
    assert list(send_response(Response(20, "text/plain", deferred), say)) == [deferred]


def test_twisteds_own_is_one():
    defer = pytest.importorskip("twisted.internet.defer")
    said = []
    status = defer.succeed((20, "text/plain"))
    response = DeferredResponse(status, "body")
    assert list(send_response(response, lambda *header: said.append(header))) == ["body"]
    assert said == [(20, "text/plain")]
    waiting = defer.Deferred()
    assert list(send_response(Response(20, "text/plain", waiting), lambda *_: None)) == [waiting]
