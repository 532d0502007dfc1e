"""A call that another process answers, as the event loop has it."""

import os
import socket
import time

import pytest

from gemd.protocol.errors import CGIError, Overloaded
from gemd.protocol.fastcgi import (
    ParamsReader,
    ProtocolStatus,
    RecordType,
    encode_end,
    encode_record,
    encode_stream,
)
from gemd.protocol.response import BrokenBody, ClientLeft
from gemd.responders.app.relayed import AppProcess, RelayedCall
from gemd.system.descriptors import receive_descriptors

URL = "gemini://localhost/x?secret"
PARAMS = {b"GEMINI_URL": URL.encode(), b"REMOTE_ADDR": b"192.0.2.1"}


class Helper:
    client = "192.0.2.1"

    def __init__(self):
        self.woken = 0

    def wake(self):
        self.woken += 1


@pytest.fixture
def helper():
    return Helper()


@pytest.fixture
def asked():
    """What leads to a process, and what it hears."""
    requests, served = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield requests, served
    requests.close()
    served.close()


@pytest.fixture
def process(asked):
    return AppProcess("m:app", asked[0], 60.0)


class Other:
    """The process's side of a call."""

    def __init__(self, served):
        _, (descriptor,) = receive_descriptors(served, 1, 1)
        self.socket = socket.socket(fileno=descriptor)
        self.socket.settimeout(5)

    def read(self):
        reader = ParamsReader()
        while not reader.feed(self.socket.recv(65536)):
            pass
        return reader.params

    def say(self, text, end=None):
        data = encode_stream(RecordType.STDOUT, text)
        self.socket.sendall(data + (encode_end(*end) if end is not None else b""))

    def close(self):
        self.socket.close()


@pytest.fixture
def call(process, asked, helper):
    """A call that has begun, and the other side."""
    call = RelayedCall(process, PARAMS, URL)
    call.begin(helper)
    other = Other(asked[1])
    yield call, other
    call.close()
    other.close()


def test_the_process_is_told_everything(call):
    _, other = call
    assert other.read() == PARAMS


def test_an_answer_that_is_complete_is_sent_at_once(call):
    relayed, other = call
    assert relayed.settle() is None
    assert relayed.descriptors
    other.say(b"20 text/plain\r\nhello", end=(0,))
    response = relayed.settle()
    assert (response.status, response.meta, response.body) == (20, "text/plain", b"hello")


def test_an_answer_comes_piece_by_piece(call):
    relayed, other = call
    other.say(b"20 tex")
    assert relayed.settle() is None
    other.say(b"t/plain\r\none")
    response = relayed.settle()
    assert response.body is relayed
    assert relayed.read() == b"one"
    assert relayed.read() is None
    other.say(b"two", end=(0,))
    assert [relayed.read(), relayed.read()] == [b"two", b""]


@pytest.mark.parametrize("header", [b"51 None here\r\n", b"30 \r\n", b"10 Name?\r\n", b"44 10\r\n", b"51\r\n"])
def test_only_a_success_has_a_body(call, header):
    relayed, other = call
    other.say(header + b"never sent")
    response = relayed.settle()
    assert (response.status, response.meta.encode(), response.body) == (int(header[:2]), header[3:-2], b"")


def test_a_redirect_is_encoded_where_it_has_one_reading(call):
    relayed, other = call
    other.say("30 /wiki/Über\r\n".encode())
    assert relayed.settle().meta == "/wiki/%C3%9Cber"


def test_what_breaks_off_is_broken_off(call):
    relayed, other = call
    other.say(b"20 text/plain\r\nhalf")
    relayed.settle()
    assert relayed.read() == b"half"
    other.close()
    with pytest.raises(BrokenBody, match="the application m:app ended before its answer did"):
        relayed.read()


def test_what_the_process_breaks_off_is_broken_off(call):
    relayed, other = call
    other.say(b"20 text/plain\r\nhalf", end=(1,))
    assert relayed.settle().body is relayed
    assert relayed.read() == b"half"
    with pytest.raises(BrokenBody, match="broke its answer off"):
        relayed.read()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda other: other.close(), "ended before its answer did"),
        (lambda other: other.say(b"", end=(0,)), "ended without an answer"),
        (lambda other: other.say(b"", end=(1,)), "ended without an answer"),
        (lambda other: other.say(b"99 x\r\n"), "bad header b'99 x'"),
        (lambda other: other.say(b"30 /x y\r\n"), "bad header b'30 /x y': a URL has no blank"),
        (lambda other: other.say(b"20 \x1b\r\n"), "bad header b'20 \\x1b'"),
        (lambda other: other.say(b"hello\r\n"), "bad header b'hello'"),
        (lambda other: other.say(b"a" * 2000), "bad header b'aaa"),
        (lambda other: other.socket.sendall(b"HTTP/1.1 200 OK\r\n"), "can't be understood"),
        (lambda other: other.socket.sendall(encode_record(RecordType.PARAMS)), "can't be understood"),
    ],
)
def test_what_is_no_answer_is_42_and_the_log_says_why(call, spoil, said, caplog):
    relayed, other = call
    spoil(other)
    with pytest.raises(CGIError, match="An unexpected error occurred"):
        relayed.settle()
    (line,) = caplog.messages
    assert line.startswith("the application m:app ")
    assert said in line
    assert "secret" not in line
    assert "gemini://localhost/x" in line


def test_one_that_has_too_much_to_do_is_41(call):
    relayed, other = call
    other.say(b"", end=(0, ProtocolStatus.OVERLOADED))
    with pytest.raises(Overloaded):
        relayed.settle()


def test_a_process_that_hears_nothing_is_41_when_too_many_wait(process, helper):
    waiting = []
    while True:
        call = RelayedCall(process, PARAMS, URL)
        call.begin(helper)
        waiting.append(call)
        if helper.woken:
            break
        assert len(waiting) < 5000
    with pytest.raises(Overloaded):
        call.settle()
    assert len(waiting) > 50  # which a process that is being started will find
    for call in waiting:
        call.close()


def test_a_process_that_is_gone_for_good_is_41(process, asked, helper, caplog):
    asked[1].close()
    call = RelayedCall(process, PARAMS, URL)
    call.begin(helper)
    with pytest.raises(Overloaded):
        call.settle()
    assert "can't be asked" in caplog.text
    call.close()


def test_one_that_says_nothing_in_time_is_42(call, monkeypatch, caplog):
    relayed, _ = call
    assert relayed.deadline == pytest.approx(time.monotonic() + 61, abs=1)
    relayed._end_at -= 1000
    with pytest.raises(CGIError, match="took too long"):
        relayed.settle()
    assert "did not answer in time (timeouts.app)" in caplog.text


def test_one_that_goes_on_for_too_long_is_broken_off(call):
    relayed, other = call
    other.say(b"20 text/plain\r\none")
    relayed.settle()
    relayed.read()
    relayed._end_at -= 1000
    with pytest.raises(BrokenBody, match="took too long"):
        relayed.read()


def test_its_worker_ends(call, process, caplog):
    relayed, other = call
    process.end_by(time.monotonic() + 100)
    process.end_by(time.monotonic() - 1)
    assert relayed.deadline < time.monotonic()
    with pytest.raises(CGIError):
        relayed.settle()
    assert "timeouts.stop" in caplog.text
    other.say(b"20 text/plain\r\none")
    relayed.settle()
    assert relayed.read() == b"one"
    with pytest.raises(ClientLeft):
        relayed.read()


def test_what_nobody_wants_any_more_is_told_by_the_end_of_the_socket(call):
    relayed, other = call
    other.read()
    relayed.close()
    assert other.socket.recv(10) == b""
    relayed.close()


def test_no_descriptor_is_left(process, asked, helper):
    import os

    before = len(os.listdir("/proc/self/fd"))
    call = RelayedCall(process, PARAMS, URL)
    call.begin(helper)
    Other(asked[1]).close()
    call.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_uploaded_goes_along(process, asked, helper, tmp_path):
    (tmp_path / "body").write_bytes(b"hello")
    with (tmp_path / "body").open("rb") as body:
        call = RelayedCall(process, PARAMS, URL, body.fileno())
        call.begin(helper)
    _, descriptors = receive_descriptors(asked[1], 1, 2)
    call.close()
    sock, came = descriptors
    assert os.pread(came, 10, 0) == b"hello"
    os.close(came)
    os.close(sock)
