"""From a proxy's header to a request, over a socket pair."""

import socket
import time

import pytest
from msgspec import structs

from gemd.config.listen import Listen
from gemd.config.types import Address
from gemd.protocol.proxy_header import Endpoint
from gemd.protocol.proxy_v1 import encode_v1
from gemd.protocol.proxy_v2 import encode_v2
from gemd.system.listener import Listener
from gemd.system.plain import PlainConnection
from gemd.worker.proxied import Proxied
from tests.worker.conftest import URL, expire

ADA, HERE = Endpoint("192.0.2.7", 40312), Endpoint("198.51.100.1", 1965)
LOCAL = bytes.fromhex("0d0a0d0a000d0a515549540a20000000")
HEADERS = {"version 1": encode_v1(ADA, HERE), "version 2": encode_v2(ADA, HERE)}


@pytest.fixture
def listener(tmp_path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "s"))
    made = Listener(sock, Address("unix", 0, str(tmp_path / "s")))
    yield made
    made.close()


@pytest.fixture
def refused():
    """Addresses of clients that are not admitted."""
    return set()


@pytest.fixture
def left():
    """Addresses of admitted clients whose connections have ended."""
    return []


@pytest.fixture
def reading(make_reading):
    return make_reading()


@pytest.fixture
def proxied(listener, reading, refused, left):
    settings = {listener: Listen(address=listener.address, proxy_protocol=True, trusted=("192.0.2.0/24", "unix"))}

    class Admission:
        def enter(self, address):
            return None if address in refused else lambda: left.append(address)

    return Proxied(settings, reading, Admission())


@pytest.fixture
def join(connect, proxied):
    """A new connection of a proxy, and the client that comes by it."""

    def join():
        client, connection = connect()
        proxied.add(connection)
        return client, connection

    return join


@pytest.fixture(autouse=True)
def forget_those_who_are_ready(poller, ready):
    yield
    for connection in ready:
        poller.unregister(connection.fd)


def ask(client, settle):
    for _ in range(3):
        client.shake_hands()
        settle()
    client.send(URL)
    settle()


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_the_client_is_whom_the_proxy_names(header, join, settle, ready):
    client, connection = join()
    client.socket.sendall(header)
    settle()
    ask(client, settle)
    assert list(ready) == [connection]
    peer = connection.peer
    assert (peer.address, peer.port, peer.local_address, peer.local_port) == ("192.0.2.7", 40312, "198.51.100.1", 1965)
    assert connection.request.peer is peer
    assert connection.client == "192.0.2.7"


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_may_come_byte_by_byte_and_with_what_follows_it(header, join, settle, ready):
    client, connection = join()
    for octet in header[:-1]:
        client.socket.sendall(bytes([octet]))
        settle()
        assert connection.header_reader is not None
    client.socket.sendall(header[-1:] + client.hello())
    settle()
    ask(client, settle)
    assert list(ready) == [connection]


@pytest.mark.parametrize("source", [Endpoint("192.0.2.7", 40312), Endpoint("unix", 0)])
def test_who_is_asked_knows_how_many_have_passed_it_on(source, join, settle, ready):
    client, connection = join()
    assert connection.peer.hops == 0
    client.socket.sendall(encode_v2(source, Endpoint("198.51.100.1", 1965), hops=3))
    settle()
    ask(client, settle)
    assert list(ready) == [connection]
    assert connection.request.peer.hops == 3


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"])
def test_a_proxy_may_speak_for_itself(header, join, settle, ready):
    client, _ = join()
    client.socket.sendall(header)
    ask(client, settle)
    assert [one.peer.address for one in ready] == ["127.0.0.1"]


ITSELF = encode_v1(Endpoint("127.0.0.1", 1), Endpoint("127.0.0.1", 1965))  # as `connect` has the peer


@pytest.mark.parametrize("sent", [b"", LOCAL, b"PROXY UNKNOWN\r\n", ITSELF])
def test_a_health_check_is_no_loss(sent, join, settle, reading, losses):
    client, _ = join()
    client.socket.sendall(sent)
    client.socket.close()
    settle()
    assert (len(reading), losses) == (0, [])


def test_a_client_that_leaves_is_one(join, settle, reading, losses, left):
    client, _ = join()
    client.socket.sendall(HEADERS["version 2"])
    client.socket.close()
    settle()
    assert losses == ["handshake failed: the client left before its request was complete"]
    assert left == ["192.0.2.7"]


def test_half_a_header_is_a_loss(join, settle, reading, losses):
    client, _ = join()
    client.socket.sendall(HEADERS["version 1"][:20])
    client.socket.close()
    settle()
    assert losses == ["PROXY header failed: the proxy left before it was complete"]


BAD = {
    "TLS": b"\x16\x03\x01\x02\x00",
    "a request": URL,
    "a checksum": HEADERS["version 2"][:-1] + b"\x00",
    "much too long": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    "a line without an end": b"PROXY TCP4 " + b"1" * 200,
}


@pytest.mark.parametrize("sent", BAD.values(), ids=BAD)
def test_what_is_no_header_ends_the_connection_without_a_byte(sent, join, settle, reading, losses, caplog):
    client, _ = join()
    client.socket.sendall(sent)
    settle()
    assert len(reading) == 0
    assert client.is_closed()
    assert client.octets == 0
    assert losses == []
    assert "closed a connection of the proxy 127.0.0.1: " in caplog.text


def test_the_header_has_the_time_of_a_request(join, reading, losses):
    client, connection = join()
    client.socket.sendall(b"PROXY")
    connection.deadline = time.monotonic()
    expire(reading, time.monotonic())
    assert len(reading) == 0
    assert client.is_closed()


def test_who_is_named_has_to_be_admitted(join, settle, refused, reading, losses, left):
    refused.add("192.0.2.7")
    client, _ = join()
    client.socket.sendall(HEADERS["version 2"] + client.hello())
    settle()
    assert (len(reading), client.is_closed(), client.octets, losses) == (0, True, 0, [])
    assert left == []


def test_who_is_trusted(connect, proxied, listener, losses):
    _, connection = connect()

    def trusts(address):
        connection.peer = structs.replace(connection.peer, address=address)
        return proxied.trusts(connection, listener)

    assert trusts("192.0.2.200")
    assert trusts("unix")
    assert losses == []
    assert not trusts("192.0.3.1")
    assert not trusts("2001:db8::1")
    # Once a second, and by way of who knows how addresses of clients are to be logged.
    assert losses == [f"closed: no proxy of {listener} has this address (from, in `listen`)"]


def test_a_listener_without_the_key_is_none_of_it(listener, reading):
    settings = {listener: Listen(address=listener.address)}
    assert Proxied(settings, reading, None).listeners == frozenset()


def test_without_tls_the_terminator_says_what_that_would_have_said(connect, proxied, reading, settle, ready):
    client, connection = connect()
    connection.tls = PlainConnection()
    proxied.add(connection)
    client.socket.sendall(encode_v2(ADA, HERE, server_name="localhost") + URL)
    settle()
    assert list(ready) == [connection]
    assert connection.tls.server_name == "localhost"
