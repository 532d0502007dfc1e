"""What OpenSSL says in fact is seen by tests of the running server, in tests/serve/test_counts.py."""

import pytest

from gemd.protocol.counters import FAILURES
from gemd.system.tls_failures import find_reason

SAID = {
    "the client left before its request was complete": "left",
    "ECONNRESET": "left",
    "unexpected eof while reading": "left",
    "more than 2048 bytes came and were not enough": "too-large",
    "a PROXY header came, which nothing expects here: proxy-protocol, in `listen`": "not-tls",
    "http request": "not-tls",
    "wrong version number": "not-tls",
    "unsupported protocol": "version",
    "no shared cipher": "cipher",
    "no suitable key share": "cipher",
    "sslv3 alert certificate unknown": "alert",
    "tlsv1 alert unknown ca": "alert",
    "tlsv1 alert protocol version": "alert",
    "the moon is full": "other",
    "": "other",
}


@pytest.mark.parametrize("text", SAID)
def test_a_reason(text):
    assert find_reason(text) == SAID[text]


def test_reasons_are_those_that_are_counted():
    assert set(SAID.values()) <= set(FAILURES.values)
