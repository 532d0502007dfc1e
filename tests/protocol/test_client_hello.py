"""A ClientHello: real ones in any pieces, and each thing that can be wrong with one."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.client_hello import MAX_HELLO, ClientHello, ClientHelloError, parse_client_hello
from tests.support.tls_client import make_context


def vector(size, data):
    return len(data).to_bytes(size) + data


def extension(kind, data):
    return kind.to_bytes(2) + vector(2, data)


def name_entry(name, kind=0):
    return bytes([kind]) + vector(2, name)


def server_name(*entries):
    return extension(0, vector(2, b"".join(entries)))


def body(
    extensions=b"",
    version=b"\3\3",
    session=b"",
    suites=b"\x13\x01",
    compression=b"\0",
    end=b"",
):
    return version + bytes(32) + vector(1, session) + vector(2, suites) + vector(1, compression) + extensions + end


def message(content, kind=1):
    return bytes([kind]) + vector(3, content)


def record(fragment, kind=22, version=b"\3\1"):
    return bytes([kind]) + version + vector(2, fragment)


def hello(*extensions, **fields):
    return record(message(body(vector(2, b"".join(extensions)), **fields)))


def real_hello(name, **changes):
    context = make_context()
    for key, value in changes.items():
        setattr(context, key, value)
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


NAMED = server_name(name_entry(b"b.example"))
V12 = ssl.TLSVersion.TLSv1_2
REAL = [
    (real_hello("b.example"), b"b.example"),
    (real_hello("b.example", maximum_version=V12), b"b.example"),
    (real_hello(None), None),
    (real_hello("127.0.0.1"), None),
]
MADE = [
    (hello(NAMED), b"b.example"),
    (hello(extension(10, b"\0\2\0\x1d"), NAMED, extension(16, b"")), b"b.example"),
    (hello(NAMED, session=bytes(32)), b"b.example"),
    (hello(NAMED, version=b"\3\1"), b"b.example"),
    (hello(NAMED, compression=b"\1\0"), b"b.example"),
    (hello(server_name(name_entry(b"x" * 255))), b"x" * 255),
    (hello(server_name(name_entry(b"192.0.2.7"))), None),
    (hello(server_name(name_entry(b"2001:db8::7"))), None),
    (hello(server_name(name_entry(b"[2001:db8::7]"))), None),
    (hello(), None),
    (record(message(body())), None),
]


@pytest.mark.parametrize(("data", "name"), REAL + MADE)
def test_a_hello_in_any_pieces(data, name):
    for size in range(len(data)):
        assert parse_client_hello(data[:size]) is None
    assert parse_client_hello(data) == ClientHello(name)
    for rest in (b"\0", data, record(b"\1", kind=20) + record(b"early", kind=23)):
        assert parse_client_hello(data + rest) == ClientHello(name)


@pytest.mark.parametrize(("data", "name"), REAL[:2])
def test_a_hello_split_over_two_records_at_each_place(data, name):
    content = data[5:]
    for at in range(1, len(content)):
        split = record(content[:at]) + record(content[at:])
        assert parse_client_hello(split) == ClientHello(name)
        assert parse_client_hello(split[:-1]) is None


def test_a_hello_in_many_records():
    content = message(body(vector(2, NAMED)))
    size = -(-len(content) // 64)
    pieces = [record(content[at : at + size]) for at in range(0, len(content), size)]
    assert 32 < len(pieces) <= 64
    assert parse_client_hello(b"".join(pieces)) == ClientHello(b"b.example")


def test_a_hello_in_too_many_records():
    with pytest.raises(ClientHelloError, match="more than 64 records"):
        parse_client_hello(b"".join(record(bytes([octet])) for octet in message(body(vector(2, NAMED)))))


def test_the_largest_hello():
    padding = MAX_HELLO - len(message(body(vector(2, NAMED)))) - 4
    content = message(body(vector(2, NAMED + extension(21, bytes(padding)))))
    assert len(content) == MAX_HELLO
    assert parse_client_hello(record(content)) == ClientHello(b"b.example")
    with pytest.raises(ClientHelloError, match="the ClientHello has 16385 bytes"):
        parse_client_hello(record(b"\1" + (MAX_HELLO - 3).to_bytes(3)))  # which is known from its header on


@pytest.mark.parametrize(
    "data",
    [
        b"gemini://b.example/\r\n",
        b"\x80\x2e\1\0\2",  # SSL 2.0
        b"\x16\2",
        b"\x16\3\1\0\0",  # an empty fragment
        b"\x16\3\1\x40\1",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        record(b"\2"),
        record(message(b"", kind=1)),
        record(message(body(), kind=2)),
        record(message(body())[:-1]) + record(b"x", kind=23),  # what is between its fragments
        record(message(body()) + b"\0"),
        record(message(body())[:3]) + record(message(body())[3:] + b"\0"),
        record(message(body(version=b"\2\0"))),
        record(message(body(session=bytes(33)))),
        record(message(body(suites=b""))),
        record(message(body(suites=b"\x13\1\x13"))),
        record(message(body(compression=b""))),
        record(message(body(compression=b"\1"))),
        record(message(body()[:20])),
        record(message(body(b"\0"))),
        record(message(body(vector(2, NAMED)[:-1]))),
        record(message(body(vector(2, NAMED), end=b"\0"))),
        hello(b"\0"),
        hello(b"\0\0\0"),
        hello(b"\0\0\0\1"),
        hello(NAMED, NAMED),
        hello(extension(21, b""), NAMED, extension(21, b"")),
        hello(extension(0, b"")),
        hello(server_name()),
        hello(server_name(name_entry(b""))),
        hello(server_name(name_entry(b"b.example", kind=1))),
        hello(server_name(name_entry(b"a"), name_entry(b"b"))),
        hello(server_name(name_entry(b"a"), name_entry(b"b", kind=1))),
        hello(server_name(name_entry(b"a") + b"\0")),
        hello(extension(0, vector(2, name_entry(b"a")) + b"\0")),
        hello(extension(0, b"\0\7" + name_entry(b"a"))),
        hello(server_name(b"\0\0\2a")),
        hello(server_name(name_entry(b"b.example\0.org"))),
        hello(server_name(name_entry(b"x" * 256))),
        hello(server_name(name_entry("bücher.example".encode()))),
    ],
)
def test_what_is_no_hello(data):
    with pytest.raises(ClientHelloError):
        parse_client_hello(data)


@given(st.binary(max_size=600))
def test_any_bytes_give_a_hello_or_the_error_or_need_more(data):
    judge(data)
    judge(record(data))
    judge(record(message(data)))
    judge(hello(data))
    judge(hello(extension(0, data)))


@given(st.data())
def test_a_hello_with_some_octets_changed(data):
    changed = bytearray(data.draw(st.sampled_from([made for made, _ in REAL + MADE])))
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    judge(bytes(changed))


def judge(data):
    """What comes earlier of a hello, an error and the need for more decides, however much follows."""
    try:
        found = parse_client_hello(data)
    except ClientHelloError:
        with pytest.raises(ClientHelloError):
            parse_client_hello(data + b"\x16\3\1")
        return
    if found is not None:
        assert parse_client_hello(data + b"\x16\3\1") == found
