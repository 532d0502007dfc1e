import contextlib
import socket
import struct

import pytest

from gemd.system.client_socket import (
    acknowledge_now,
    count_undelivered,
    forget_port,
    make_peer,
    name_client,
    reset_on_close,
)


@pytest.fixture(params=["127.0.0.1", "::1", "dual stack"])
def tcp(request):
    """A client's socket, the server's side of it, and what accept said of it."""
    family = socket.AF_INET if request.param == "127.0.0.1" else socket.AF_INET6
    with socket.socket(family) as listener:
        if request.param == "dual stack":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("127.0.0.1" if family == socket.AF_INET else "::", 0))
        listener.listen()
        target = "::1" if request.param == "::1" else "127.0.0.1"
        client = socket.create_connection((target, listener.getsockname()[1]), 10)
        server, address = listener.accept()
    with client, server:
        yield client, server, address, target


def test_who_is_at_the_other_end(tcp):
    client, server, address, target = tcp
    peer = make_peer(server, address, None, tls=None)
    assert (peer.address, peer.port) == (target, client.getsockname()[1])
    assert (peer.local_address, peer.local_port) == (target, client.getpeername()[1])


def test_who_has_left_already_has_no_address(tcp):
    client, server, address, _ = tcp
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    server.close()
    with pytest.raises(OSError):
        make_peer(server, address, None, tls=None)


def test_a_unix_socket_has_neither_address_nor_port():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer = make_peer(ours, "", None, tls=None)
        assert (peer.address, peer.port, peer.local_address, peer.local_port) == ("unix", 0, "unix", 0)
        acknowledge_now(ours)  # has nothing to acknowledge


def test_a_zone_is_no_part_of_an_address(monkeypatch):
    class Socket:
        family = socket.AF_INET6

        def getsockname(self):
            return ("fe80::2%eth0", 1965, 0, 3)

        def fileno(self):
            return 7

    peer = make_peer(Socket(), ("fe80::1%eth0", 5, 0, 3), None, tls=None)
    assert (peer.address, peer.local_address) == ("fe80::1", "fe80::2")


def test_what_was_not_taken_is_undelivered(tcp):
    _, server, _, _ = tcp
    assert not count_undelivered(server)
    server.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while server.send(b"x" * 65536):
            pass
    assert count_undelivered(server)


def test_a_closed_socket_has_nothing_left_to_deliver(tcp):
    class Closed:
        def fileno(self):
            return 10_000

    assert not count_undelivered(Closed())


def test_an_acknowledgement_at_once(tcp):
    _, server, _, _ = tcp
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    acknowledge_now(server)
    assert server.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)


def test_what_the_listener_knows_is_not_asked_for():
    peer = make_peer(None, ("192.0.2.1", 5), ("192.0.2.2", 1965), tls=None)
    assert (peer.address, peer.local_address, peer.local_port) == ("192.0.2.1", "192.0.2.2", 1965)


def test_a_proxy_names_another_client_of_the_same_connection(tcp):
    _, server, address, _ = tcp
    peer = make_peer(server, address, None, None, 48)
    named = name_client(peer, "2001:db8:1:2::7", 9, "2001:db8::1", 1965)
    assert (named.address, named.port, named.local_address, named.local_port) == (
        "2001:db8:1:2::7", 9, "2001:db8::1", 1965,
    )  # fmt: skip
    assert named.client == "2001:db8:1::/48"
    assert (forget_port(named).local_port, forget_port(named).port) == (0, 9)


def test_a_close_may_be_a_reset(tcp):
    client, server, _, _ = tcp
    reset_on_close(server)
    server.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reset_on_close(ours)
