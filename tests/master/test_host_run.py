"""One process beside the workers: its words are for the log, whatever they are. What becomes of it is told in
test_host_processes."""

import socket
from types import SimpleNamespace

import pytest

from gemd.config.settings import Timeouts
from gemd.master.host_run import HostRun
from gemd.shared.host_process import READY

HOST = SimpleNamespace(title="the application m:app", is_needed=True)


@pytest.fixture
def run():
    ours, its = socket.socketpair()
    ours.setblocking(False)
    child = SimpleNamespace(pid=7, channel=ours, code=None, hang_up=ours.close, tell=ours.send, kill=lambda: None)
    yield SimpleNamespace(of=HostRun(HOST, child, Timeouts(), 100.0), its=its, child=child)
    ours.close()
    its.close()


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        (b"<4>it is late\n", ["it is late"]),
        (b"no level\n", ["the application m:app: no level"]),
        (b"\n\n", []),
        (READY + b"\n", []),
        (b"readyish\n", ["the application m:app: readyish"]),
        (b"half of a li", []),
    ],
)
def test_what_it_says_is_logged(run, said, logged, caplog):
    run.its.send(said)
    assert not run.of.look(100.0)
    assert caplog.messages == logged


def test_pieces_of_a_line_are_one(run, caplog):
    for piece in (b"<3>it ", b"fail", b"ed\n"):
        run.its.send(piece)
        run.of.look(100.0)
    assert caplog.messages == ["it failed"]


@pytest.mark.parametrize(("code", "said"), [(0, []), (8, ["exit code 8"]), (-11, ["SIGSEGV"])])
def test_how_it_ended_is_logged_unless_it_was_as_it_should(run, code, said, caplog):
    run.its.send(b"<3>the last word\n")
    run.child.code = code
    assert run.of.look(100.0)
    assert caplog.messages[0] == "the last word"
    assert len(caplog.messages) == 1 + len(said)
    assert all(word in caplog.messages[1] for word in said)


def test_its_state(run):
    assert run.of.state == "starting"
    run.its.send(READY + b"\n")
    run.of.look(100.0)
    assert run.of.state == "serving"
    run.of.wants_to_leave = True
    assert run.of.state == "leaving"
    run.of.end(100.0)
    assert run.of.state == "draining"
    assert run.its.recv(10) == b"e"
