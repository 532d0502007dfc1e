"""The PROXY header that a server behind is sent."""

import pytest

from gemd.protocol.proxy_header import Endpoint
from gemd.protocol.proxy_v1 import encode_v1
from gemd.protocol.proxy_v2 import parse_v2
from gemd.protocol.proxy_versions import encode_proxy_header
from tests.responders.asking import peer

ADA, HERE = Endpoint("192.0.2.7", 50000), Endpoint("198.51.100.1", 1965)
PEER = peer(address=ADA.address, local_address=HERE.address, local_port=HERE.port)


def test_without_a_version_there_is_none():
    assert encode_proxy_header(None, PEER, server_name="a.example", hops=0) == b""


def test_version_1_has_both_ends_and_no_more():
    assert encode_proxy_header("v1", PEER, server_name="a.example", hops=3) == encode_v1(ADA, HERE)


@pytest.mark.parametrize("server_name", [None, "a.example"])
def test_version_2_counts_this_gemd_as_well(server_name):
    header = parse_v2(encode_proxy_header("v2", PEER, server_name=server_name, hops=3))
    assert (header.source, header.destination) == (ADA, HERE)
    assert (header.server_name, header.hops) == (server_name, 4)


def test_a_unix_socket_has_no_ends():
    nobody = peer(address="unix", local_address="unix", local_port=0)
    assert encode_proxy_header("v1", nobody, server_name=None, hops=0) == b"PROXY UNKNOWN\r\n"
    assert parse_v2(encode_proxy_header("v2", nobody, server_name=None, hops=0)).source is None
