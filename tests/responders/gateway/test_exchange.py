"""One request to an upstream, step by step, with whatever an upstream may do."""

import errno
import math
import os
import socket
import time
from contextlib import ExitStack, suppress

import pytest

from gemd.protocol.errors import Overloaded, ProxyFailed
from gemd.protocol.response import BrokenBody, ClientLeft, when_writable
from gemd.responders.gateway import exchange as module
from gemd.responders.gateway.codec import BadAnswer, CodecError, UploadFault
from gemd.responders.gateway.exchange import RelayedRequest
from gemd.responders.gateway.scgi import SCGICodec
from tests.support.pump import Pump
from tests.support.waiting import wait_for

from .upstream_programs import NAME, upstreams_at


@pytest.fixture
def upstreams(server):
    return upstreams_at(server.place)


class Plain(SCGICodec):
    """Says "ask"; what comes is the answer. `fault` is raised for the next that comes."""

    def __init__(self, request=b"ask"):
        super().__init__({})
        self._request = request
        self.size = len(request)
        self.fault = None

    def feed(self, data):
        if self.fault is not None:
            raise self.fault
        return data


class Asked:
    """A request that has begun, and the upstream's side of it."""

    def __init__(self, server, upstreams, pump, codec, timeout, max_output, upload):
        self.upstreams, self.pump, self.codec = upstreams, pump, codec
        self.answer = RelayedRequest(upstreams, self.make_codec, timeout, max_output, upload=upload)
        self.answer.begin(pump)
        self.server = server
        self.sock = self.heard = None
        self.is_body = False

    def make_codec(self, address):
        assert str(address) in (self.server.place, "127.0.0.1:1")
        return self.codec

    def connect(self):
        assert self.answer.settle() is None
        wait_for(lambda: self.answer.settle() is None and self.server.is_asked(), "a connection")
        self.sock = self.server.accept()
        if self.codec.size < 100:
            self.heard = self.sock.recv(100)  # or closing is a reset
        return self.sock

    def say(self, data, *, ends=False):
        if self.sock is None:
            self.connect()
        self.sock.sendall(data)
        if ends:
            self.sock.close()

    def settle(self):
        response = self.pump.wait_for(self.answer, self.answer.settle)
        self.is_body = response.body is self.answer
        return response

    def read(self):
        return self.pump.wait_for(self.answer, self.answer.read)


@pytest.fixture
def ask(server, upstreams):
    made = []
    with ExitStack() as stack:

        def ask(*, codec=None, timeout=30.0, max_output=1 << 20, to=upstreams, client="192.0.2.1", upload=None):
            pump = stack.enter_context(Pump())
            pump.client = client
            made.append(Asked(server, to, pump, codec or Plain(), timeout, max_output, upload))
            return made[-1]

        yield ask
        for asked in made:
            asked.answer.close()
        assert upstreams.places.taken == 0


# The header


def test_it_asks_and_answers(ask):
    asked = ask()
    asked.connect()
    assert asked.heard == b"ask"
    asked.say(b"20 text/gemini\r\n# Hi\n", ends=True)
    response = asked.settle()
    assert (response.status, response.meta) == (20, "text/gemini")
    body = response.body if not asked.is_body else asked.read()
    assert body == b"# Hi\n"


def test_what_is_whole_at_once_goes_out_at_once(ask):
    asked = ask()
    asked.say(b"20 text/gemini\n# Hi\n", ends=True)
    wait_for(lambda: is_at_end(asked.answer._link._socket), "the end to be here")
    assert asked.answer.settle().body == b"# Hi\n"
    assert asked.upstreams.places.taken == 0  # others may come


def is_at_end(sock):
    """Whether its other side has closed, and all that came is here."""
    with socket.socket(fileno=os.dup(sock.fileno())) as other:
        return other.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 8  # CLOSE_WAIT


def test_a_header_in_halves(ask):
    asked = ask()
    for piece in (b"2", b"0 text/gem", b"ini\r"):
        asked.say(piece)
        assert asked.answer.settle() is None
    asked.say(b"\n")
    assert asked.settle().meta == "text/gemini"


BAD_HEADERS = {
    "nothing": (b"", "ended without a header"),
    "half a header": (b"20 text/ge", "ended without a header: b'20 text/ge'"),
    "no header": (b"Hello\n", "has to begin with a line such as '20 text/gemini', not b'Hello'"),
    "HTTP": (b"HTTP/1.1 200 OK\r\n\r\n", "which is a header of HTTP"),
    "a status that is none": (b"99 x\r\n", "has a bad header"),
    "too long": (b"20 " + b"x" * 1027 + b"\r\n", "has to begin with a line"),
    "no end": (b"20 " + b"x" * 2000, "has to begin with a line"),
    "a control character": (b"20 a\x1bb\r\n", "has a bad header"),
}


@pytest.mark.parametrize(("data", "text"), BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_what_is_no_answer_is_43(ask, server, data, text, caplog):
    asked = ask()
    asked.say(data, ends=True)
    with pytest.raises(ProxyFailed) as caught:
        asked.settle()
    assert caught.value.status == 43
    (record,) = caplog.records
    assert record.message.startswith(f"{NAME}: {server.place} ")
    assert text in record.message


def test_nobody_there_is_43(ask, caplog, tmp_path):
    asked = ask(to=upstreams_at(f"unix:{tmp_path}/none"))
    with pytest.raises(ProxyFailed):
        asked.answer.settle()
    assert "can't be reached: No such file or directory" in caplog.records[0].message


def test_one_that_resets_is_43(ask, caplog):
    asked = ask()
    reset(asked.connect())
    with pytest.raises(ProxyFailed):
        asked.settle()
    assert "broke off: Connection reset by peer" in caplog.records[0].message


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def test_one_that_says_nothing_is_43(ask, caplog):
    asked = ask(timeout=0.05)
    asked.connect()
    with pytest.raises(ProxyFailed):
        asked.settle()
    assert "did not answer within 0.05 s (timeout)" in caplog.records[0].message


def test_nor_has_one_more_time_that_says_something_else(ask, monkeypatch):
    """As one that complains all the time does, or sends its header by the octet."""
    asked = ask(codec=Plain(), timeout=5.0)
    asked.codec.feed = lambda data: b""
    asked.connect()
    now = time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: now + 5.1)
    asked.say(b"x" * 1000)
    with pytest.raises(ProxyFailed):
        asked.answer.settle()


def test_a_codec_that_can_not_be_made_is_43(ask, caplog):
    asked = ask()

    def make_codec(address):
        raise CodecError("and gemd can't agree on TLS")

    asked.answer._make_codec = make_codec
    with pytest.raises(ProxyFailed):
        asked.settle()
    assert caplog.records[0].message.endswith("and gemd can't agree on TLS")


def test_what_a_codec_holds_back_comes_before_more_is_received(ask):
    """Nor does any descriptor tell of that."""
    asked = ask()
    asked.connect()
    held = []

    def feed(data):
        if data:
            held.extend([b"", b"", b"", b"", b"", b"20 text/plain\r\n", b"", b"", b"", b"", b"", b"a", b"b"])
        piece = held.pop(0)
        asked.codec.has_more = bool(held)
        asked.codec.is_complete = not held
        return piece

    asked.codec.feed = feed
    asked.say(b"x")
    asked.settle()
    body = b""
    while data := asked.read():
        body += data
    assert body == b"ab"


def test_what_a_codec_holds_back_is_left_for_the_next_turn(ask):
    asked = ask()
    asked.connect()
    fed = []
    asked.codec.feed = lambda data: fed.append(data) or b""
    asked.codec.has_more = True
    woken = asked.pump.woken
    for turn in range(1, 4):
        asked.answer.settle()
        assert (len(fed), asked.pump.woken - woken) == (turn, turn)


def test_one_that_never_stops_does_not_stop_others(ask):
    """Each turn takes its share, and the next one comes at once."""
    asked = ask()
    asked.codec.feed = lambda data: b""
    asked.connect()
    received = []
    receive = asked.answer._link._receive
    asked.answer._link._receive = lambda: received.append(1) or receive()
    asked.sock.setblocking(False)
    for _ in range(20):
        try:
            while True:
                asked.sock.send(bytes(65536))
        except BlockingIOError:
            received.clear()
            assert asked.answer.settle() is None
            assert 1 <= len(received) <= 4


def test_what_is_held_back_comes_once_in_a_turn(ask):
    """However much there is: who asks goes on until there is nothing."""
    asked = ask()
    begin_body(asked)
    fed = []

    def feed(data):
        fed.append(data)
        asked.codec.has_more = True
        return b"x"

    asked.codec.feed = feed
    asked.say(b"all of it")
    for turn in range(1, 4):
        assert asked.read() == b"x"
        woken = asked.pump.woken
        assert asked.answer.read() is None
        assert (len(fed), asked.pump.woken) == (turn, woken + 1)


def test_a_codec_s_complaint_is_43(ask, caplog):
    asked = ask()
    asked.connect()
    asked.codec.fault = CodecError("is overloaded")
    asked.say(b"x")
    with pytest.raises(ProxyFailed):
        asked.settle()
    assert caplog.records[0].message.endswith(" is overloaded")


# Status without a body


def test_what_follows_a_header_without_a_body_is_not_sent(ask):
    asked = ask()
    asked.say(b"30 /there\r\n" + bytes(100000), ends=True)
    response = asked.settle()
    assert (response.status, response.meta, response.body) == (30, "/there", b"")


def test_one_that_does_not_end_then_is_not_waited_for(ask, monkeypatch):
    monkeypatch.setattr(module, "_END_TIMEOUT", 0.05)
    asked = ask()
    asked.say(b"51 Not here\r\n")
    assert asked.settle().status == 51


def test_one_that_breaks_off_then_has_answered(ask):
    asked = ask()
    asked.say(b"10 Name?\r\n")
    reset(asked.sock)
    assert asked.settle().meta == "Name?"


# The body


def begin_body(asked, data=b"first"):
    asked.say(b"20 text/plain\r\n" + data)
    assert asked.settle().body is asked.answer
    if data:
        assert asked.read() == data


def test_a_body_comes_piece_by_piece(ask):
    asked = ask()
    begin_body(asked)
    assert asked.answer.read() is None
    asked.say(b"second")
    assert asked.read() == b"second"
    asked.say(b"", ends=True)
    assert asked.read() == b""


def test_it_is_read_only_when_it_is_wanted(ask):
    asked = ask(max_output=1 << 30)
    begin_body(asked)
    asked.sock.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            asked.sock.send(bytes(1 << 20))
    assert asked.answer._output == b""
    assert 0 < len(asked.read()) <= 128 * 1024


def test_one_that_breaks_off_before_its_body_is_43(ask, caplog):
    """For there is an answer still, and no more than an end without one would be lost."""
    asked = ask()
    asked.connect()
    asked.codec.end = lambda: (_ for _ in ()).throw(CodecError("closed before its answer ended"))
    asked.say(b"20 text/plain\r\n", ends=True)
    wait_for(lambda: is_at_end(asked.answer._link._socket), "the end to be here")
    with pytest.raises(ProxyFailed):
        asked.answer.settle()
    assert caplog.records[0].message.endswith("closed before its answer ended")


def test_a_body_that_stalls_breaks_off(ask):
    asked = ask(timeout=0.05)
    begin_body(asked)
    with pytest.raises(BrokenBody, match=r"sent nothing more within 0.05 s \(timeout\)"):
        asked.read()


def test_a_client_that_reads_slowly_takes_nothing_of_the_upstream_s_time(ask, monkeypatch):
    asked = ask(timeout=5.0)
    begin_body(asked)
    later = time.monotonic() + 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert asked.answer.read() is None
    assert asked.answer.deadline == later + 5.0


def test_what_came_before_a_reset_is_sent(ask):
    asked = ask()
    begin_body(asked)
    asked.codec.feed, feed = lambda data: fail_after(asked, feed(data)), asked.codec.feed
    asked.say(b"last")
    assert asked.read() == b"last"
    with pytest.raises(BrokenBody, match="broke off: "):
        asked.read()


def fail_after(asked, data):
    """The next thing that is told is a reset."""

    def receive():
        raise CodecError(f"broke off: {os.strerror(errno.ECONNRESET)}")

    asked.answer._link._receive = receive
    return data


def test_too_much_is_broken_off(ask):
    asked = ask(max_output=1000)
    begin_body(asked)
    asked.say(bytes(2000))
    with pytest.raises(BrokenBody, match=r"sent more than 1000 bytes \(limits.cgi-output\)"):
        asked.read()


# The request


def test_one_that_answers_before_it_has_read_the_request(ask):
    asked = ask(codec=Plain(bytes(32 << 20)))
    sock = asked.connect()
    fd = asked.answer._link._socket.fileno()
    assert set(asked.answer.descriptors) == {fd, when_writable(fd)}
    sock.sendall(b"59 Too much\r\n")
    sock.shutdown(socket.SHUT_WR)
    assert asked.settle().status == 59


def test_one_that_closes_before_it_has_read_the_request(ask):
    asked = ask(codec=Plain(bytes(32 << 20)))
    sock = asked.connect()
    sock.sendall(b"20 text/plain\r\nenough")
    assert asked.settle().status == 20
    assert asked.read() == b"enough"
    sock.close()
    with pytest.raises(BrokenBody):  # a reset, for it has not read all
        asked.read()


def test_a_large_request_goes_out_bit_by_bit(ask):
    request = os.urandom(4 << 20)
    asked = ask(codec=Plain(request))
    sock, got = asked.connect(), b""
    while len(got) < len(request):
        asked.answer.settle()
        got += sock.recv(1 << 20)
    assert got == request
    asked.say(b"20 text/plain\r\n", ends=True)
    assert asked.settle().status == 20


def test_what_a_codec_has_to_say_to_what_came_is_said_at_once(ask):
    asked = ask()
    asked.connect()
    asked.codec.feed = lambda data: setattr(asked.codec, "_request", b"again") or b""
    asked.say(b"x")
    wait_for(lambda: asked.answer.settle() is None and asked.codec._request == b"", "an answer to that")
    assert asked.sock.recv(10) == b"again"


# Turns, and the end


def test_a_turn_that_does_not_come_is_41(ask, server):
    upstreams = upstreams_at(server.place, connections=1)
    first = ask(to=upstreams)
    second = ask(to=upstreams, timeout=0.05, client="192.0.2.2")
    assert first.answer.settle() is None
    with pytest.raises(Overloaded):
        second.settle()
    assert first.answer.settle() is None


def test_who_has_too_many_already_is_told_at_once(ask, server):
    upstreams = upstreams_at(server.place, connections=4)  # of which one client may have one
    ask(to=upstreams)
    second = ask(to=upstreams)
    with pytest.raises(Overloaded):
        second.answer.settle()
    assert ask(to=upstreams, client="192.0.2.2").answer.settle() is None


def test_its_time_begins_with_its_turn(ask, server, monkeypatch):
    upstreams = upstreams_at(server.place, connections=1)
    first = ask(to=upstreams)
    second = ask(to=upstreams, timeout=5.0, client="192.0.2.2")
    later = time.monotonic() + 4.0
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert second.answer.settle() is None
    first.answer._route.leave()
    assert second.answer.deadline <= later + 5.0
    assert second.answer._until == later + 5.0


def test_a_worker_that_ends_breaks_a_body_off(ask):
    asked = ask()
    begin_body(asked)
    asked.upstreams.end_by(time.monotonic() - 1.0)
    asked.say(b"more")
    with pytest.raises(ClientLeft, match="goes on, and its worker ends"):
        asked.answer.read()


def test_and_what_has_not_answered_is_43(ask, caplog):
    asked = ask()
    asked.connect()
    asked.upstreams.end_by(time.monotonic() + 0.05)
    assert asked.answer.deadline < time.monotonic() + 1.0
    with pytest.raises(ProxyFailed):
        asked.settle()
    assert "did not answer before its worker has to end (timeouts.stop)" in caplog.records[0].message


def test_who_leaves_closes_the_connection(ask):
    asked = ask()
    sock = asked.connect()
    asked.answer.close()
    assert sock.recv(1) == b""


def test_what_an_upstream_says_besides_is_logged(ask, server, caplog):
    asked = ask()
    asked.codec.complaints = lambda: b"one\ntwo\x1b"
    asked.say(b"20 text/plain\r\n", ends=True)
    asked.settle()
    asked.answer.close()
    whose = f"{NAME}: {server.place}"
    assert [record.message for record in caplog.records] == [
        f"{whose} says: one",
        f"{whose} says: two\x1b",
    ]


def test_one_whose_answer_is_of_no_use_is_not_left_out(ask, server, caplog):
    """As for a page that fails, which is no reason to leave all others to the next one."""
    asked = ask(to=upstreams_at(server.place, "127.0.0.1:1"))
    asked.connect()
    asked.codec.fault = BadAnswer("answered with 500")
    asked.say(b"x")
    with pytest.raises(ProxyFailed):
        asked.settle()
    assert [record.message.rpartition(" answered")[2] for record in caplog.records] == [" with 500"]


def test_one_that_does_not_answer_is_left_out(ask, server, caplog):
    upstreams = upstreams_at(server.place, "127.0.0.1:1")
    asked = ask(to=upstreams, timeout=0.05)
    asked.connect()
    with pytest.raises(ProxyFailed):
        asked.settle()
    assert "is left out" in caplog.records[-1].message
    assert str(upstreams.take_order()[0].address) == "127.0.0.1:1"


def test_nothing_is_waited_for_before_its_time(ask):
    asked = ask()
    begin_body(asked)
    assert asked.answer.deadline == math.inf


def test_each_answer_is_counted_once(ask, upstreams):
    counted = []
    upstreams.count = counted.append
    asked = ask()
    asked.say(b"20 text/plain\r\nx", ends=True)
    asked.settle()
    asked = ask()
    asked.say(b"51 Not here\r\n", ends=True)
    asked.settle()
    asked = ask()
    asked.say(b"nonsense\n")
    with pytest.raises(ProxyFailed):
        asked.settle()
    assert counted == [20, 51, 43]


def test_a_turn_that_does_not_come_is_counted(ask, server):
    upstreams, counted = upstreams_at(server.place, connections=4), []
    upstreams.count = counted.append
    ask(to=upstreams)
    with pytest.raises(Overloaded):
        ask(to=upstreams).answer.settle()
    assert counted == [41]


# An upload


class Uploaded:
    """One that was begun, which says when a piece was taken, and closed."""

    has_begun = is_closed = False

    def begin(self, helper, note_progress):
        assert not self.has_begun
        self.has_begun, self.note_progress = True, note_progress

    def close(self):
        assert not self.is_closed
        self.is_closed = True


def test_an_upload_begins_with_the_connection_and_ends_with_the_answer(ask):
    asked = ask(upload=Uploaded())
    assert not asked.answer._upload.has_begun
    asked.connect()
    assert asked.answer._upload.has_begun
    asked.answer.close()
    assert asked.answer._upload.is_closed
    asked.answer._upload.is_closed = False  # it is closed once more with the test


def test_progress_of_an_upload_gives_an_upstream_its_time_anew(ask):
    asked = ask(upload=Uploaded())
    asked.connect()
    until = asked.answer.deadline

    def has_more_time():
        asked.answer._upload.note_progress()
        return asked.answer.settle() is None and asked.answer.deadline > until

    wait_for(has_more_time, "a later end")


def test_progress_of_an_upload_keeps_no_answer_that_is_there(ask):
    asked = ask(upload=Uploaded())
    asked.say(b"30 gemini://h/\r\n")
    wait_for(lambda: asked.answer.settle() is None and asked.answer._header is not None, "the header")
    until = asked.answer.deadline
    asked.answer._upload.note_progress()
    assert asked.answer.deadline == until


def test_an_upload_that_can_t_be_read_is_no_fault_of_the_upstream(ask, server, caplog):
    two = upstreams_at(server.place, "127.0.0.1:1")
    asked = ask(to=two)

    def refuse():
        raise UploadFault("was not sent all of an upload: broken")

    asked.codec.take_upload = refuse
    with pytest.raises(ProxyFailed):
        asked.settle()
    assert "was not sent all of an upload: broken" in caplog.text
    assert all(not upstream.left_out_until for upstream in two._upstreams)
