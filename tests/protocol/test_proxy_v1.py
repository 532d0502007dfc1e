"""PROXY protocol, version 1: the line that is sent, and where one that is read ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.proxy_header import Endpoint, ProxyHeader
from gemd.protocol.proxy_v1 import encode_v1, find_end, parse_v1
from tests.protocol.proxy_vectors import CLIENT, CLIENT6, GOOD, SERVER, SERVER6, UNIX

ENDPOINTS = st.builds(lambda address, port: Endpoint(str(address), port), st.ip_addresses(), st.integers(0, 65535))


def test_the_lines_that_are_sent():
    assert encode_v1(CLIENT, SERVER) == GOOD["v1 TCP4"][0]
    assert encode_v1(CLIENT6, SERVER6) == GOOD["v1 TCP6"][0]
    assert encode_v1(UNIX, SERVER) == encode_v1(UNIX, UNIX) == b"PROXY UNKNOWN\r\n"


@given(ENDPOINTS, ENDPOINTS)
def test_what_is_sent_is_read_as_it_was(source, destination):
    line = encode_v1(source, destination)
    assert find_end(line) == len(line) <= 107
    header = parse_v1(line)
    # IPv4 within IPv6, which hypothesis may find, is IPv4 for who reads it.
    assert header == parse_v1(encode_v1(header.source, header.destination))
    if "::ffff" not in line.decode():
        assert header == ProxyHeader(source, destination)


def test_of_a_mixed_pair_both_are_read_as_they_were():
    assert parse_v1(encode_v1(CLIENT, SERVER6)) == ProxyHeader(CLIENT, SERVER6)
    assert parse_v1(encode_v1(CLIENT6, SERVER)) == ProxyHeader(CLIENT6, SERVER)


@pytest.mark.parametrize("line", [b"PROXY TCP4 ", b"PROXY UNKNOWN\r", b"PROXY UNKNOWN\n", b"PROXY UNKNOWN" + b"f" * 93])
def test_a_line_may_go_on(line):
    assert find_end(line) is None
