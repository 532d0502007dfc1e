"""A handshake of TLS 1.1, read by our own reader of handshakes, and answers to it."""

import pytest

from gemd.gemctl.check.old_hello import is_accepted, write_old_hello
from gemd.protocol.client_hello import parse_client_hello


def test_it_is_a_hello_that_asks_for_a_name():
    hello = write_old_hello("example.org")
    assert hello[:3] == b"\x16\x03\x01"
    assert int.from_bytes(hello[3:5], "big") == len(hello) - 5
    assert hello[9:11] == b"\x03\x02"
    assert parse_client_hello(hello).server_name == b"example.org"


def test_it_is_a_hello_without_a_name():
    assert write_old_hello("")[9:11] == b"\x03\x02"
    assert parse_client_hello(write_old_hello("")).server_name is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    {
        "1603020035020000310302": True,
        "1603010035020000310301": True,
        "1603030035020000310303": False,
        "15030200020246": False,
        "": False,
        "160302": False,
    }.items(),
)
def test_an_answer(answer, expected):
    assert is_accepted(bytes.fromhex(answer)) is expected
