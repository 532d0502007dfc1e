"""The values of a PROXY header: addresses in plain form, and in one family."""

from ipaddress import ip_address

import pytest

from gemd.protocol.proxy_header import Endpoint, make_endpoint, parse_pair
from gemd.system.client_socket import show_address


@pytest.mark.parametrize(
    "address", ["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7", "::192.0.2.7", "::", "2001:0DB8:0::7", "::1"]
)
def test_an_address_is_what_a_socket_would_have_told(address):
    assert make_endpoint(ip_address(address), 7) == Endpoint(show_address(address), 7)


@pytest.mark.parametrize("octets", ["00" * 10 + "ffffc0000207"])
def test_ipv4_within_ipv6_is_ipv4(octets):
    assert make_endpoint(ip_address(bytes.fromhex(octets)), 7) == Endpoint("192.0.2.7", 7)


@pytest.mark.parametrize(
    ("source", "destination", "pair"),
    [
        ("192.0.2.7", "198.51.100.1", ("192.0.2.7", "198.51.100.1")),
        ("2001:db8::7", "2001:db8::1", ("2001:db8::7", "2001:db8::1")),
        ("192.0.2.7", "2001:db8::1", ("::ffff:192.0.2.7", "2001:db8::1")),
        ("2001:db8::7", "198.51.100.1", ("2001:db8::7", "::ffff:198.51.100.1")),
    ],
)
def test_a_pair_is_of_one_family(source, destination, pair):
    assert parse_pair(Endpoint(source, 1), Endpoint(destination, 2)) == tuple(map(ip_address, pair))


def test_a_unix_socket_has_no_address():
    assert parse_pair(Endpoint("unix", 0), Endpoint("192.0.2.7", 1)) is None
    assert parse_pair(Endpoint("192.0.2.7", 1), Endpoint("unix", 0)) is None


@pytest.mark.parametrize("address", ["", "localhost", "192.0.2", "2001:db8::7::1"])
def test_what_is_no_address(address):
    with pytest.raises(ValueError, match=r"^(Address|Expected|At most)"):
        parse_pair(Endpoint(address, 1), Endpoint("192.0.2.7", 2))
