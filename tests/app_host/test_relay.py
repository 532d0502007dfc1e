"""The relay's loop, step by step, with its sockets and without its thread."""

import contextlib
import os
import socket
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from gemd.app_host.relay import Relay
from gemd.config.host_settings import Location
from gemd.protocol.fastcgi import AnswerReader, End, ProtocolStatus, encode_request
from gemd.shared.host_process import END, SIGN
from gemd.system.descriptors import send_descriptors
from tests.support.waiting import LONGEST

from .conftest import make_setup

REQUEST = encode_request({b"GEMINI_URL": b"gemini://h/"})
FULL = SimpleNamespace(is_stuck=False, has_place=lambda client: False)  # so that each call is over at once


@pytest.fixture
def relay():
    """One with the other ends of its sockets: `step` has it do what there is to do, `heard` is what it says."""
    (channel, master), (requests, workers) = socket.socketpair(), socket.socketpair(type=socket.SOCK_SEQPACKET)
    master.setblocking(False)
    of = Relay(make_setup(Location(app="m:app")), channel, requests, time.time_ns())
    stopped, answers = [], []

    def step(times=1):
        for _ in range(times):
            os.eventfd_write(of._wakeup, 1)  # so that it does not wait
            of._step()

    def heard():
        try:
            return master.recv(65536)
        except BlockingIOError:
            return b""

    def ask():
        ours, its = socket.socketpair()
        ours.send(REQUEST)
        ours.setblocking(False)
        answers.append(ours)
        with its:
            send_descriptors(workers, b"\0", [its.fileno()])
        return ours

    def open_it():
        of.open(FULL, lambda: stopped.append(1))

    yield SimpleNamespace(of=of, step=step, heard=heard, ask=ask, open=open_it, master=master, workers=workers)
    for sock in (channel, master, requests, workers, *answers, *(one.socket for one in of._exchanges)):
        sock.close()
    os.close(of._wakeup)


def test_it_gives_a_sign_of_life_before_there_is_an_application(relay):
    relay.master.send(SIGN)
    relay.step()
    assert relay.heard() == b"\n"


def test_it_is_ready_once_and_takes_nothing_before(relay):
    sock = relay.ask()
    relay.step(2)
    with pytest.raises(BlockingIOError):
        sock.recv(100)
    relay.open()
    relay.step(3)
    assert relay.heard().split(b"\n")[0] == b"ready"
    reader = AnswerReader()
    reader.feed(sock.recv(100))
    assert reader.end == End(0, ProtocolStatus.OVERLOADED)
    relay.step(2)
    assert b"ready" not in relay.heard()


@pytest.mark.parametrize("ends", ["told", "nobody"])
def test_it_takes_no_more_when_it_is_to_end(relay, ends):
    relay.open()
    relay.step()
    if ends == "told":
        relay.master.send(END)
    else:
        relay.workers.close()
    relay.step(2)
    assert relay.of._is_leaving
    if ends == "told":
        sock = relay.ask()
        relay.step(3)
        with pytest.raises(BlockingIOError):  # it is for the next process
            sock.recv(100)


def test_that_the_master_is_gone_ends_nothing(relay):
    relay.open()
    relay.step()
    relay.master.close()
    relay.step(3)
    assert not relay.of._is_leaving


def test_what_is_woken_while_others_are_looked_at_is_not_missed(relay):
    looked = []

    class Woken:
        def __init__(self, nr):
            self.nr = nr

        def look(self):
            looked.append(self.nr)
            if self.nr < 3:
                relay.of.wake(Woken(self.nr + 1))

    relay.of.wake(Woken(1))
    relay.of._step()  # which does not wait
    assert looked == [1, 2, 3]
    assert relay.of._woken == type(relay.of._woken)()


def test_who_is_woken_before_the_wait_is_not_waited_for(relay):
    looked = []
    relay.of.wake(SimpleNamespace(look=lambda: looked.append(1)))
    relay.of._step()
    assert looked == [1]
    os.set_blocking(relay.of._wakeup, False)
    with pytest.raises(BlockingIOError):
        os.eventfd_read(relay.of._wakeup)  # nothing was written for it


def test_no_wake_is_lost(relay):
    """However the threads that wake and the relay come between one another."""
    interval, looked = sys.getswitchinterval(), []
    woken = SimpleNamespace(look=lambda: looked.append(1))
    threads = [threading.Thread(target=lambda: [relay.of.wake(woken) for _ in range(2000)]) for _ in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        relay.of._next_look = time.monotonic() + LONGEST  # so that a lost one is seen, and not waited for for ever
        while len(looked) < 8000:
            assert time.monotonic() < relay.of._next_look
            relay.of._step()
    finally:
        sys.setswitchinterval(interval)
        for thread in threads:
            thread.join()


def test_what_is_uploaded_comes_along(relay, tmp_path):
    relay.open()
    relay.step(2)
    ours, its = socket.socketpair()
    with ours, its, (tmp_path / "body").open("w+b") as body:
        send_descriptors(relay.workers, b"\0", [its.fileno(), body.fileno()])
        relay.step(2)
        (exchange,) = relay.of._exchanges
        assert os.path.sameopenfile(exchange._body, body.fileno())
        exchange.close()


def test_calls_begin_when_all_else_is_done(relay):
    """Whoever comes up for them wants the interpreter."""
    done = []
    relay.of.wake(SimpleNamespace(look=lambda: done.append("look")))
    relay.of.wake(
        SimpleNamespace(look=lambda: relay.of.begin_soon(SimpleNamespace(begin=lambda: done.append("begin"))))
    )
    relay.of.wake(SimpleNamespace(look=lambda: done.append("look")))
    relay.step()
    assert done == ["look", "look"]
    relay.step()
    assert done == ["look", "look", "begin"]


def test_what_the_master_has_to_hear_is_said_when_it_has_room(relay):
    relay.of._channel.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            relay.of._channel.send(b"x" * 999 + b"\n")
    relay.open()
    relay.step()
    said = b""
    while data := relay.heard():
        said += data
    assert b"ready" not in said
    relay.of._next_look = 0.0  # a second later
    relay.step()
    assert b"ready\n" in relay.heard()
