"""An application that has brought Twisted's reactor along."""

import pytest

from gemd.protocol.fastcgi import End
from tests.support.waiting import wait_for

from .conftest import read_answer

pytest.importorskip("twisted")
DONE = End(0, 0)
HEAD = """
import threading, time
from twisted.internet import defer, reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
def app(environ, send_status):
    send_status(20, "text/plain")
    path = environ["GEMINI_URL"].partition("localhost")[2]
    return globals()["do_" + path[1:]]()
"""


@pytest.fixture
def ask(start):
    """Start one with this function, and have its answer."""

    def ask(text):
        host = start(HEAD + text)
        answer = host.ask("/it")
        ask.host = host
        return answer

    return ask


def test_it_runs_in_the_main_thread_by_the_reactor(ask):
    text = "def do_it():\n    return f'{reactor.running} {threading.current_thread() is threading.main_thread()}'\n"
    assert ask(text) == ("20 text/plain\r\nTrue True", DONE)


@pytest.mark.parametrize(
    "body",
    [
        "return deferLater(reactor, 0.05, lambda: 'done')",
        "return deferToThread(lambda: 'done')",
        "return defer.succeed('done')",
        "return deferLater(reactor, 0.05, lambda: iter(['do', b'ne']))",
        "return iter(['do', deferLater(reactor, 0.05, lambda: 'ne')])",
        "return wait()\nasync def wait():\n    return await deferLater(reactor, 0.05, lambda: 'done')",
        "return pieces()\nasync def pieces():\n    yield 'do'\n    yield await deferLater(reactor, 0.05, lambda: 'ne')",
        "return inline()\n@defer.inlineCallbacks\ndef inline():\n    return (yield deferToThread(lambda: 'done'))",
    ],
)
def test_what_has_to_be_awaited_is(ask, body):
    assert ask(f"def do_it():\n    {body}\n") == ("20 text/plain\r\ndone", DONE)


def test_what_fails_is_42_and_the_log_says_why(ask):
    assert ask("def do_it():\n    return deferToThread(lambda: 1 / 0)\n") == (
        "42 An unexpected error occurred\r\n",
        DONE,
    )
    ask.host.wait_for("<3+>ZeroDivisionError")


def test_a_body_that_fails_is_broken_off(ask):
    text = "def do_it():\n    yield 'half'\n    yield deferLater(reactor, 0.05, lambda: 1 / 0)\n"
    assert ask(text) == ("20 text/plain\r\nhalf", End(1, 0))


def test_what_waits_holds_up_nobody(start):
    host = start(
        HEAD + "D = []\ndef do_wait():\n    D.append(defer.Deferred())\n    return D[0]\ndef do_go():\n"
        "    D[0].callback('gone')\n    return 'go'\n"
    )
    with host.send("/wait") as sock:
        assert host.ask("/go") == ("20 text/plain\r\ngo", DONE)
        assert read_answer(sock) == ("20 text/plain\r\ngone", DONE)


def test_what_nobody_waits_for_any_more_is_cancelled(start):
    host = start(
        HEAD + "D = []\nGONE = defer.Deferred()\ndef do_wait():\n"
        "    D.append(defer.Deferred(lambda d: GONE.callback('cancelled')))\n    return D[0]\n"
        "def do_number():\n    return str(len(D))\ndef do_gone():\n    return GONE\n"
    )
    sock = host.send("/wait")
    wait_for(lambda: host.ask("/number")[0].endswith("1"), "the call to wait")
    sock.close()
    assert host.ask("/gone") == ("20 text/plain\r\ncancelled", DONE)


def test_its_processes_are_noticed_when_they_end(ask):
    text = "from twisted.internet.utils import getProcessOutput\n"
    text += "def do_it():\n    return getProcessOutput('/bin/echo', ['hi'])\n"
    assert ask(text) == ("20 text/plain\r\nhi\n", DONE)


def test_signals_to_a_group_do_not_stop_it(start):
    import os
    import signal

    host = start(HEAD + "def do_it():\n    return 'done'\n")
    host.ask("/it")
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(host.pid, number)
    assert host.ask("/it")[1] == DONE


def test_it_ends_when_it_is_told(start):
    host = start(HEAD + "def do_it():\n    return 'done'\n")
    host.wait_for("ready")
    host.end()
    assert host.code() == 0


def test_one_that_sends_for_long_gives_way(start):
    text = "def do_long():\n    for _ in range(1 << 30):\n        yield 'x' * 100\ndef do_it():\n    return 'done'\n"
    host = start(HEAD + text)
    with host.send("/long") as sock:
        assert sock.recv(100)
        assert host.ask("/it") == ("20 text/plain\r\ndone", DONE)
