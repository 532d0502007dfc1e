"""What a worker says to a Gemini server, and what it makes of the answer: all in memory."""

import ssl

import pytest

from gemd.responders.gateway.codec import CodecError
from gemd.responders.gateway.gemini import GeminiCodec
from gemd.system.server_trust import Distrusted
from gemd.system.tls_client import ClientContext
from tests.support.tls_server import TLSServer, make_server_context

LINE = b"gemini://h/page.gmi\r\n"
PAGE = b"20 text/gemini\r\n# A page\n"
WITHOUT_BODY = [
    b"10 Your name\r\n",
    b"31 /there\r\n",
    b"44 60\r\n",
    b"51 Not found\r\n",
    b"60 Who are you?\r\n",
    b"62\r\n",
]
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class Talk:
    """A codec, and the server that it talks to."""

    def __init__(self, context, check=lambda chain: None, first=b"", upload=None):
        self.server = TLSServer(context)
        self.codec = GeminiCodec(ClientContext().connect("h"), check, LINE, first, upload)

    def ask(self):
        """As far as the request."""
        for _ in range(10):
            self.server.feed(self.codec.take())
            if self.server.request:
                return self
            assert self.codec.feed(self.server.take()) == b""
        raise AssertionError("the request does not come")

    def say(self, *pieces, is_end=True):
        """What the server sends, as octets."""
        for piece in pieces:
            self.server.tls.write(piece)
        if is_end:
            self.server.end()
        return self.server.take()

    def read(self, octets, size=65536):
        """What the codec makes of it, fed in pieces of this size."""
        output = b""
        for i in range(0, len(octets), size):
            output += self.codec.feed(octets[i : i + size])
            while self.codec.has_more:
                output += self.codec.feed(b"")
        return output


@pytest.fixture
def talk(tmp_path):
    return lambda version=None, **options: Talk(make_server_context(tmp_path, version=version), **options)


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("size", [1, 7, 65536])
def test_a_page(talk, version, size):
    one = talk(version).ask()
    assert one.server.request == LINE
    assert one.read(one.say(PAGE), size) == PAGE
    assert one.codec.is_complete
    one.codec.end()
    assert one.codec.complaints() == b""


@pytest.mark.parametrize("size", [1, 65536])
def test_a_host_that_it_does_not_serve_is_told_the_log(talk, size):
    one = talk().ask()
    header = b"53 Not here\r\n"
    assert one.read(one.say(header), size) == header
    assert one.codec.complaints().startswith(b"53 Not here (it is asked for a host and port ")


def test_what_is_in_the_clear_comes_first_and_once(talk):
    one = talk(first=b"PROXY UNKNOWN\r\n")
    data = one.codec.take()
    assert data.startswith(b"PROXY UNKNOWN\r\n\x16\x03")
    one.server.feed(data.removeprefix(b"PROXY UNKNOWN\r\n"))
    one.codec.feed(one.server.take())
    assert not one.codec.take().startswith(b"PROXY")


@pytest.mark.parametrize("header", WITHOUT_BODY)
@pytest.mark.parametrize("rest", [b"", b"what nobody asked for"])
def test_an_answer_without_a_body_is_whole_with_its_header(talk, header, rest):
    one = talk().ask()
    assert one.read(one.say(header[:3], header[3:] + rest, is_end=False)) == header
    assert one.codec.is_complete
    one.codec.end()


def test_an_end_without_close_notify_is_no_end(talk):
    one = talk().ask()
    octets = one.say(PAGE)
    assert one.read(octets[:-1]) == PAGE
    assert not one.codec.is_complete
    with pytest.raises(CodecError, match="closed without close_notify"):
        one.codec.end()


def test_an_end_in_the_handshake(talk):
    one = talk()
    with pytest.raises(CodecError, match="closed in the handshake"):
        one.codec.end()


@pytest.mark.parametrize("version", [V12, V13])
def test_who_is_not_the_one_that_is_meant_gets_no_request(talk, version):
    def check(chain):
        assert len(chain) == 1
        raise Distrusted("is another one")

    one = talk(version, check=check)
    one.server.feed(one.codec.take())
    with pytest.raises(CodecError, match="is another one"):
        one.codec.feed(one.server.take())
    assert not one.server.request


def test_the_server_is_judged_once(talk):
    seen = []
    one = talk(V12, check=seen.append).ask()
    one.read(one.say(PAGE), 1)
    assert len(seen) == 1


@pytest.mark.parametrize("garbage", [b"20 text/gemini\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(70000)])
def test_what_is_no_tls(talk, garbage):
    with pytest.raises(CodecError, match="can't agree on TLS: "):
        talk().codec.feed(garbage)


def test_an_answer_that_was_changed_on_its_way_is_broken_off(talk):
    one = talk().ask()
    first, second = one.say(PAGE, is_end=False), bytearray(one.say(b"more"))
    second[10] ^= 1
    assert one.codec.feed(first + second) == PAGE
    assert one.codec.has_more
    assert not one.codec.is_complete
    with pytest.raises(CodecError, match=r"broke off: .*bad record mac"):
        one.codec.feed(b"")


def test_many_small_records_are_given_a_few_at_a_time(talk):
    one = talk().ask()
    octets = one.say(b"20 text/gemini\r\n", *[b"x"] * 1000)
    output = one.codec.feed(octets)
    assert one.codec.has_more
    assert not one.codec.is_complete
    assert len(output) < 200
    while one.codec.has_more:
        output += one.codec.feed(b"")
    assert output == b"20 text/gemini\r\n" + b"x" * 1000
    assert one.codec.is_complete


def test_records_without_an_answer_are_bounded(talk, tmp_path):
    """As tickets are, and new keys, each of which a server may want to be told anew."""
    context = make_server_context(tmp_path)
    for count, is_too_many in ((60, False), (70, True)):
        context.num_tickets = count
        one = Talk(context)
        one.server.feed(one.codec.take())
        one.codec.feed(one.server.take())
        one.server.feed(one.codec.take())
        octets = one.say(PAGE)
        if is_too_many:
            with pytest.raises(CodecError, match="sends records of TLS without an answer"):
                one.read(octets)
        else:
            assert one.read(octets) == PAGE


def test_a_few_records_at_a_time_in_the_handshake_too(talk):
    one = talk(V12)
    one.server.feed(one.codec.take())
    assert one.codec.feed(b"\x16\x03\x03\x00\x04\x00\x00\x00\x00" * 100 + one.server.take()) == b""  # HelloRequest
    assert (one.codec.has_more, one.codec.take()) == (True, b"")
    assert one.codec.feed(b"") == b""
    assert (one.codec.has_more, one.codec.take() == b"") == (False, False)


def test_a_large_body(talk):
    body = bytes(range(256)) * 4096
    one = talk().ask()
    assert one.read(one.say(b"20 text/plain\r\n", body)) == b"20 text/plain\r\n" + body
    assert one.codec.is_complete


class Uploaded:
    """Pieces of an upload, one of which is not there yet."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.size = sum(map(len, pieces))

    @property
    def is_over(self):
        return not self.pieces

    def take(self):
        return self.pieces.pop(0) if self.pieces else b""


@pytest.mark.parametrize("version", [V12, V13])
def test_an_upload_follows_the_line(talk, version):
    upload = Uploaded(b"a" * 70_000, b"", b"b")
    one = talk(version, upload=upload)
    assert one.codec.take_upload() == b""  # before the server is known
    assert not upload.is_over
    one.ask()
    while not upload.is_over:
        one.server.feed(one.codec.take_upload())
        one.server.feed(one.codec.take())
    assert one.server.request == LINE + b"a" * 70_000 + b"b"
    assert one.read(one.say(PAGE)) == PAGE


def test_without_an_upload_nothing_follows(talk):
    assert talk().ask().codec.take_upload() == b""
