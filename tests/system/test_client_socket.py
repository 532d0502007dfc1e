import socket
from types import SimpleNamespace

import pytest

from gemd.system.client_socket import acknowledge_now, count_undelivered, make_peer
from tests.support.gemini_client import tcp_pair

TLS = SimpleNamespace()


@pytest.fixture
def pair():
    pair = tcp_pair(receive=4096, send=1_000_000)
    yield pair
    for sock in pair:
        sock.close()


def test_what_is_not_delivered_is_what_the_other_kernel_has_no_room_for(pair):
    _, server = pair
    assert count_undelivered(server) == 0
    server.setblocking(False)
    sent = server.send(b"x" * 500_000)
    assert 0 < count_undelivered(server) <= sent


def test_acknowledging_is_for_tcp_and_never_fails(pair):
    acknowledge_now(pair[1])
    ours, its = socket.socketpair()
    with ours, its:
        acknowledge_now(ours)


def test_a_client_on_a_unix_socket():
    ours, its = socket.socketpair()
    with ours, its:
        peer = make_peer(ours, "", TLS)
    assert (peer.address, peer.port, peer.local_address, peer.local_port) == ("unix", 0, "unix", 0)


PLACES = {
    "IPv4": (("192.0.2.1", 5), "192.0.2.1"),
    "IPv4 on a socket for both": (("::ffff:192.0.2.1", 5, 0, 0), "192.0.2.1"),
    "IPv6": (("2001:db8::1", 5, 0, 0), "2001:db8::1"),
    "IPv6 with a zone": (("fe80::1%eth0", 5, 0, 2), "fe80::1"),
    "IPv6 in another form": (("2001:DB8:0::1", 5, 0, 0), "2001:db8::1"),
}


@pytest.mark.parametrize(("place", "address"), PLACES.values(), ids=PLACES)
def test_addresses_are_in_one_form(pair, place, address):
    peer = make_peer(pair[1], place, TLS)
    assert (peer.address, peer.port) == (address, 5)
    assert (peer.local_address, peer.local_port) == pair[1].getsockname()
