"""What an application says, step by step."""

import pytest

from gemd.responders.app.contract import AppError
from gemd.responders.app.speech import Speech


class Promise:
    """Something to wait for."""

    def __await__(self):
        yield


def send_status(status, meta):
    """Nobody wants to know."""


def drive(app, outcomes=()):
    """All steps; each thing to wait for comes to the next of the outcomes, and is in its place."""
    speech = Speech(app, {}, send_status)
    outcomes, steps, outcome = iter(outcomes), [], None
    while (step := speech.go_on(outcome)) is not None:
        steps.append(step)
        outcome = None if isinstance(step, bytes) else next(outcomes)
    return steps, speech


def finish(awaitable):
    """What a coroutine that waits for nothing comes to."""
    with pytest.raises(StopIteration) as caught:
        awaitable.send(None)
    return caught.value.value


def returning(result):
    return lambda environ, send_status: result


@pytest.mark.parametrize(
    ("result", "steps", "is_list"),
    [
        (None, [], True),
        ("ä", ["ä".encode()], True),
        (["a", None, b"b"], [b"a", b"", b"b"], True),
        (iter("ab"), [b"a", b"b"], False),
    ],
)
def test_without_waiting(result, steps, is_list):
    said, speech = drive(returning(result))
    assert (said, speech.is_list) == (steps, is_list)
    assert speech.close() is None


def test_what_is_awaited_is_what_it_would_have_returned():
    first, second = Promise(), Promise()
    steps, speech = drive(returning(first), [(second, None), (["a", "b"], None)])
    assert steps == [first, second, b"a", b"b"]
    assert speech.is_list


def test_a_piece_may_be_awaited():
    promise = Promise()
    steps, _ = drive(returning(iter(["a", promise, "c"])), [("b", None)])
    assert steps == [b"a", promise, b"b", b"c"]


def test_what_comes_to_an_error_raises_it():
    speech = Speech(returning(Promise()), {}, send_status)
    speech.go_on(None)
    with pytest.raises(KeyError):
        speech.go_on((None, KeyError("x")))
    assert speech.close() is None


def test_an_asynchronous_body():
    async def body():
        yield "a"
        yield b"b"

    speech = Speech(returning(body()), {}, send_status)
    said, outcome = [], None
    while (step := speech.go_on(outcome)) is not None:
        outcome = None
        if isinstance(step, bytes):
            said.append(step)
        else:
            outcome = (finish(step), None)
    assert said == [b"a", b"b"]
    finish(speech.close())


def test_an_asynchronous_body_that_nobody_wants_is_closed():
    closed = []

    async def body():
        try:
            yield "a"
            yield "b"
        finally:
            closed.append(1)

    speech = Speech(returning(body()), {}, send_status)
    step = speech.go_on(None)
    assert speech.go_on((finish(step), None)) == b"a"
    finish(speech.close())
    assert closed == [1]


def test_a_generator_that_nobody_wants_is_closed():
    closed = []

    def body():
        try:
            yield "a"
            yield "b"
        finally:
            closed.append(1)

    speech = Speech(returning(body()), {}, send_status)
    assert speech.go_on(None) == b"a"
    assert closed == []
    speech.close()
    assert closed == [1]


@pytest.mark.parametrize("result", [1, [1], iter([object()])])
def test_what_can_not_be_said(result):
    with pytest.raises(AppError, match="an object of type"):
        drive(returning(result))


def test_the_application_is_called_at_the_first_step():
    called = []
    speech = Speech(lambda environ, send_status: called.append(environ), {"A": "b"}, send_status)
    assert called == []
    assert speech.go_on(None) is None
    assert called == [{"A": "b"}]
