"""The body of an upload: what is read of a connection, in TLS and without, and handed on."""

import socket
import ssl
import time

import pytest

from gemd.protocol.errors import BadRequest
from gemd.protocol.peer import Peer
from gemd.protocol.upload import MAX_TAKEN
from gemd.system.plain import PlainConnection
from gemd.system.tls import TLSError
from gemd.worker.connection import Connection
from gemd.worker.incoming import IncomingBody
from tests.support.gemini_client import tcp_pair
from tests.support.intakes import ScriptedIntake
from tests.support.tls_client import make_context

LINE = b"titan://localhost/a;size=5\r\n"


def prompt_pair():
    """A pair whose client sends each piece at once."""
    client, server = tcp_pair()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client, server


class PlainClient:
    """What a client does without TLS."""

    def __init__(self, sock):
        self.socket = sock

    def send(self, data):
        self.socket.sendall(data)

    def finish(self):
        self.socket.shutdown(socket.SHUT_WR)


class Stage:
    def __init__(self, client, connection, intake, first=b""):
        self.client, self.connection, self.intake = client, connection, intake
        self.body = IncomingBody(intake, first)
        self.body.begin(None)

    def receive(self, most=1000):
        """As far as it reaches."""
        for _ in range(most):
            if self.body.is_whole or not self.body.receive(self.connection):
                return
        raise AssertionError("it does not come to rest")


@pytest.fixture(params=["1.3", "1.2", "plain"])
def make_stage(request, connect):
    """A client whose request is complete, and its body."""
    made = []

    def make(size, first=b"", **options):
        intake = ScriptedIntake(size, **options)
        if request.param == "plain":
            its, ours = prompt_pair()
            made.extend((its, ours))
            tls = PlainConnection()
            connection = Connection(ours, tls, Peer("127.0.0.1", 1, "127.0.0.1", 1965, tls), time.monotonic() + 60)
            client = PlainClient(its)
            client.send(LINE)
            tls.feed(connection.receive(4096))
            assert tls.handshake()
            assert tls.receive(4096) == LINE
            return Stage(client, connection, intake, first)
        context = make_context()
        if request.param == "1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        client, connection = connect(prompt_pair(), shaken=True, client_context=context)
        client.finish = client.finish_sending
        return Stage(client, connection, intake, first)

    yield make
    for sock in made:
        sock.close()


def test_a_body_comes_whole_in_the_order_in_which_it_was_sent(make_stage):
    body = bytes(range(256)) * 1024
    stage = make_stage(len(body), body[:100])
    for start in range(100, len(body), 20_000):
        stage.client.send(body[start : start + 20_000])
        stage.receive()
    assert stage.body.is_whole
    assert stage.body.is_over
    assert stage.intake.data == body
    assert max(map(len, stage.intake.pieces)) <= MAX_TAKEN
    stage.body.look_behind(stage.connection)


def test_what_came_along_with_the_request_comes_first(make_stage):
    stage = make_stage(10, b"01234")
    stage.receive()
    assert (stage.intake.data, stage.body.is_whole) == (b"01234", False)
    stage.client.send(b"56789")
    stage.receive()
    assert stage.intake.data == b"0123456789"


def test_what_tls_has_still_of_the_request_s_records_belongs_to_it(connect):
    """The last read of the request may have given TLS more than the reader was given."""
    client, connection = connect(prompt_pair(), shaken=True)
    stage = Stage(client, connection, ScriptedIntake(8), b"01")
    connection.tls.feed(client.encrypt(b"234") + client.encrypt(b"567"))
    assert stage.body.receive(connection)
    assert stage.body.is_whole
    assert stage.intake.data == b"01234567"


def test_nothing_at_all_is_whole_as_well_once_that_was_seen(make_stage):
    stage = make_stage(0)
    assert not stage.body.is_whole
    stage.receive()
    assert stage.body.is_whole
    assert stage.intake.pieces == []


@pytest.mark.parametrize("first", [b"", b"012345"])
def test_more_than_was_announced_is_refused_and_not_given_to_anybody(make_stage, first):
    stage = make_stage(5, first)
    if not first:
        stage.client.send(b"012345")
    with pytest.raises(BadRequest, match="More than 5 bytes came"):
        stage.receive()
    assert stage.intake.pieces == []


def test_more_that_is_here_when_it_is_whole_is_noticed(make_stage):
    stage = make_stage(5, b"01234")
    stage.receive()
    assert stage.body.is_whole
    stage.body.look_behind(stage.connection)
    stage.client.send(b"5")
    with pytest.raises(BadRequest, match="More than 5 bytes came"):
        stage.body.look_behind(stage.connection)


def test_the_end_behind_the_body_is_none_of_our_business(make_stage):
    stage = make_stage(5, b"01234")
    stage.client.finish()
    stage.receive()
    assert stage.body.is_whole
    stage.body.look_behind(stage.connection)


@pytest.mark.parametrize("first", [b"", b"012"])
def test_an_end_before_that_of_the_body_is_told_with_figures(make_stage, first):
    stage = make_stage(5, first)
    stage.client.finish()
    with pytest.raises(BadRequest, match=f"Only {len(first)} of 5 bytes came"):
        stage.receive()


def test_so_is_close_notify(connect):
    client, connection = connect(prompt_pair(), shaken=True)
    stage = Stage(client, connection, ScriptedIntake(5))
    client.send(b"0123")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    client.push()
    with pytest.raises(BadRequest, match="Only 4 of 5 bytes came"):
        stage.receive()


def test_close_notify_behind_the_body_is_its_end(connect):
    client, connection = connect(prompt_pair(), shaken=True)
    stage = Stage(client, connection, ScriptedIntake(4))
    client.send(b"0123")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    client.push()
    stage.receive()
    assert stage.body.is_whole
    stage.body.look_behind(connection)


def test_a_reset_is_told_as_one(make_stage):
    stage = make_stage(5)
    stage.client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    stage.client.socket.close()
    with pytest.raises(TLSError, match="ECONNRESET"):
        stage.receive()


def test_a_refusal_of_the_intake_s_is_passed_on(make_stage):
    refusal = BadRequest("no room")
    stage = make_stage(5, b"01", refusal=refusal)
    with pytest.raises(BadRequest, match="no room"):
        stage.receive()


def test_progress_is_what_has_come_since_it_was_noted(make_stage):
    stage = make_stage(10, b"012")
    stage.receive()
    assert (stage.body.progress, stage.body.account) == (3, "3 of 10 bytes came")
    stage.body.note_progress()
    assert stage.body.progress == 0


# What it holds


def test_what_it_holds_is_counted_until_it_is_whole(make_stage):
    stage = make_stage(10, b"01234")
    assert stage.body.held == 5  # which nobody has taken
    stage.receive()
    assert stage.body.held == 5  # which may not be written yet
    stage.intake.ready = False
    assert stage.body.held == 64 * 1024
    stage.intake.ready = True
    stage.client.send(b"56789")
    stage.receive()
    assert stage.body.held == 0


def test_half_of_a_record_is_held(connect):
    client, connection = connect(prompt_pair(), shaken=True)
    stage = Stage(client, connection, ScriptedIntake(20_000))
    octets = client.encrypt(bytes(10_000))
    client.socket.sendall(octets[:3000])
    stage.receive()
    assert stage.body.held == 3000
    client.socket.sendall(octets[3000:])
    stage.receive()
    assert stage.body.received == 10_000
    assert stage.body.held < 16 * 1024 + 10_000


def test_it_is_closed_once(make_stage):
    stage = make_stage(10, b"01234")
    stage.body.close()
    stage.body.close()
    assert stage.intake.closed == 1
    assert stage.body.is_over
    assert stage.body.held == 0


# What is encrypted badly


def test_small_records_are_read_a_little_at_a_time_and_are_no_fault(connect):
    """A byte in each, as from a client that writes each by itself."""
    client, connection = connect(prompt_pair(), shaken=True)
    stage = Stage(client, connection, ScriptedIntake(1000))
    client.socket.sendall(b"".join(client.encrypt(b"x") for _ in range(1000)))
    stage.receive()
    assert stage.body.is_whole
    assert stage.intake.data == b"x" * 1000
    assert max(map(len, stage.intake.pieces)) < 200


class TLS:
    """Octets in, and what `decrypt` makes of them out."""

    def __init__(self, decrypt):
        self._decrypt = decrypt
        self._data = b""

    def feed(self, octets):
        self._data = self._decrypt(octets)

    def receive(self, _size):
        data, self._data = self._data, b""
        return data or None


class EndlessLine:
    """A connection from which as much comes as is asked for."""

    def __init__(self, decrypt):
        self.tls = TLS(decrypt)
        self.sizes = []

    def receive(self, size):
        self.sizes.append(size)
        return bytes(size)


def read_from(line):
    """Read a body a thousand times."""
    body = IncomingBody(ScriptedIntake(1 << 30), b"")
    body.begin(None)
    for _ in range(1000):
        assert body.receive(line)


def read_what_is_wasted(line):
    with pytest.raises(BadRequest, match="Too little of what comes is the upload itself"):
        read_from(line)


def test_good_records_are_read_in_ever_larger_pieces():
    line = EndlessLine(lambda octets: octets[22:])
    read_from(line)
    assert line.sizes[:5] == [4096, 8192, 16384, MAX_TAKEN, MAX_TAKEN]


def test_a_record_may_be_larger_than_a_piece():
    waiting = b""

    def decrypt(octets):
        nonlocal waiting
        waiting += octets
        records = len(waiting) // 16406
        waiting = waiting[records * 16406 :]
        return bytes(records * 16384)

    line = EndlessLine(decrypt)
    read_from(line)
    assert line.sizes[100] == MAX_TAKEN


def test_what_says_nothing_at_all_is_refused_after_a_record_s_size():
    """As new keys and empty records do, each of which costs time."""
    line = EndlessLine(lambda _: b"")
    read_what_is_wasted(line)
    assert 16 * 1024 < sum(line.sizes) < 24 * 1024


def test_what_is_padded_beyond_reason_is_read_a_little_at_a_time_and_refused():
    line = EndlessLine(lambda _: b"x")
    read_what_is_wasted(line)
    assert line.sizes[1:] == [1024] * (len(line.sizes) - 1)
    assert 16 * 1024 < sum(line.sizes) < 24 * 1024
