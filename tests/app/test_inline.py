"""Calls that run where they are begun."""

import pytest

from gemd.app.inline import InlineThreads
from gemd.responders.app.call import Call


def call(app):
    threads = InlineThreads("m:app")
    made = Call(threads, app, None, {}, 60.0)
    threads.begin(made)
    return made


def test_it_has_answered_when_it_has_begun():
    def app(environ, send_status):
        send_status(20, "text/plain")
        return ["hello"]

    response = call(app).settle()
    assert (response.status, response.body) == (20, b"hello")


async def coroutine(environ, send_status):
    send_status(20, "text/plain")
    return ["hello"]


def test_what_has_to_be_awaited_is():
    assert call(coroutine).settle().body == b"hello"


def test_what_is_raised_is_the_call_s():
    def app(environ, send_status):
        raise ValueError("a secret")

    assert isinstance(call(app).error, ValueError)


def test_who_interrupts_a_test_interrupts_it():
    def app(environ, send_status):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(app)
