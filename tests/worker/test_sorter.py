"""Whose a connection is."""

import pytest

from gemd.worker.sorter import OURS, Destination, Sorter
from tests.support.gemini_client import Client, tcp_pair
from tests.support.tls_client import make_context

UPSTREAM = object()


@pytest.fixture
def sorter():
    return Sorter({b"b.example": UPSTREAM}.get, lambda *given: passed.append(given))


passed = []


def hello(name):
    client, server = tcp_pair()
    try:
        made = Client(client)
        made.tls = make_context().wrap_bio(made._incoming, made._outgoing, server_hostname=name)
        return made.hello()
    finally:
        client.close()
        server.close()


def test_a_name_that_is_passed_on(sorter):
    octets = hello("b.example")
    assert sorter.find(b"") is None
    assert sorter.find(octets[:-1]) is None
    assert sorter.find(octets) == sorter.find(octets + b"early data") == Destination(b"b.example", UPSTREAM)


def test_another_name_and_none(sorter):
    assert sorter.find(hello("a.example")) == Destination(b"a.example", None)
    assert sorter.find(hello(None)) == OURS


@pytest.mark.parametrize("octets", [b"gemini://b.example/\r\n", b"\x16\3\1\0\0", bytes(10), b"\x80"])
def test_what_is_no_hello_is_for_tls_to_refuse(sorter, octets):
    assert sorter.find(octets) == OURS


def test_it_hands_on_what_was_read(sorter):
    sorter.pass_on("connection", b"hello", Destination(b"b.example", UPSTREAM))
    assert passed.pop() == ("connection", b"hello", b"b.example", UPSTREAM)
