import pytest

from gemd.protocol.peer import ClientCertificate, network_of

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


def test_a_certificate_that_could_not_be_read_is_never_valid():
    certificate = ClientCertificate(b"", "ab" * 32, fault="ValueError")
    assert certificate.not_after == certificate.not_before
    assert certificate.not_after.tzinfo is not None
