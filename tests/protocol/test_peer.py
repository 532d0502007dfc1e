import msgspec
import pytest

from gemd.protocol.peer import ClientCertificate, Peer, network_of

NETWORKS = {
    "192.0.2.1": "192.0.2.1",
    "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
    "2001:db8:1:2::": "2001:db8:1:2::/64",
    "::1": "::/64",
    "unix": "unix",
    "no:address": "no:address",
}


@pytest.mark.parametrize(("address", "network"), NETWORKS.items())
def test_who_is_one_client(address, network):
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("prefix", "network"), [(32, "2001:db8::/32"), (56, "2001:db8:1:100::/56"), (128, "2001:db8:1:123::9/128")]
)
def test_networks_of_another_size(prefix, network):
    assert network_of("2001:db8:1:123::9", prefix) == network
    assert network_of("192.0.2.1", prefix) == "192.0.2.1"
    assert Peer("2001:db8:1:123::9", 5, "::1", 1965, None, prefix).client == network


def test_a_peer_with_another_address_is_another_client():
    peer = Peer("2001:db8::1", 5, "::1", 1965, None, 48)
    assert peer.client == "2001:db8::/48"
    assert msgspec.structs.replace(peer, address="2001:db8:1::1").client == "2001:db8:1::/48"


def test_a_certificate_that_could_not_be_read_is_never_valid():
    certificate = ClientCertificate(b"", "ab" * 32, fault="ValueError")
    assert certificate.not_after == certificate.not_before
    assert certificate.not_after.tzinfo is not None
