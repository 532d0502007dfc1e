"""Each check of TLS fails where the server is wrong in that alone."""

import socket
import ssl

import pytest

from gemd.gemctl.check.finding import FindingKind
from gemd.gemctl.check.tls_probes import PROBES
from gemd.gemctl.check.visit import Visitor

from .conftest import CONFUSED

NAMES = [one.rule.name for one in PROBES]
OLD_HELLO = bytes.fromhex("160302 0035 02 000031 0302") + bytes(48)
CLEAR = {"greet": lambda octets: CONFUSED if octets[:1] != b"\x16" else None}
OLD = {"greet": lambda octets: OLD_HELLO if octets[9:11] == b"\x03\x02" else None}


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_is_right(said_by, name):
    assert said_by(PROBES, name) == (None, "")


WRONG = {
    "tls-1.2": ({"minimum_version": ssl.TLSVersion.TLSv1_3}, "note", "TLS 1.2 is refused: no TLS with 127.0.0.1:"),
    "tls-1.3": ({"maximum_version": ssl.TLSVersion.TLSv1_2}, "fault", "TLS 1.3 is refused: no TLS with 127.0.0.1:"),
    "tls-1.1": (OLD, "fault", "TLS 1.1 is accepted"),
    "clear-text": (CLEAR, "fault", 'a request in clear text got "20 text/gemini"'),
    "close-notify": ({"proper": False}, "fault", "the answer for the start page ended without close_notify"),
    "no-name": (
        {"knows_name": lambda name: name is not None},
        "note",
        "a client that asks for no name is turned away: no TLS with 127.0.0.1:",
    ),
    "unknown-name": (
        {"knows_name": lambda name: True, "wrong": lambda line: CONFUSED if b"invalid" in line else None},
        "fault",
        'a host that nobody has got "20 text/gemini"',
    ),
    "client-certificate": (
        {"verify_mode": ssl.CERT_OPTIONAL},
        "fault",
        'a client with a certificate got no answer, and an end of the connection, and one without "20 text/gemini"',
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_is_wrong(said_by, name):
    changes, kind, begins = WRONG[name]
    found = said_by(PROBES, name, **changes)
    assert (found[0], found[1][: len(begins)]) == (kind, begins)


def test_only_errors_end_without_close_notify(checked, outcome_of):
    server = checked()
    server.wrong = lambda line: setattr(server, "proper", b"nothing-here" not in line)
    outcome = outcome_of(PROBES, "close-notify", server.visitor())
    expected = "the answer for a page that is not there ended without close_notify"
    assert (outcome.kind, outcome.text) == (FindingKind.FAULT, expected)


def test_a_client_without_a_name_gets_what_is_none(checked, outcome_of):
    server = checked(wrong=lambda line: b"")
    outcome = outcome_of(PROBES, "no-name", server.visitor())
    assert (outcome.kind, outcome.text) == (
        FindingKind.FAULT,
        "a client that asks for no name got no answer, and an end of the connection",
    )


def test_a_host_that_is_an_address_has_no_name(checked, outcome_of):
    assert outcome_of(PROBES, "no-name", checked().visitor(host="127.0.0.1")).kind is FindingKind.SKIPPED
    assert outcome_of(PROBES, "tls-1.1", checked().visitor(host="127.0.0.1")).kind is None


def test_without_a_start_page_nothing_is_compared(said_by):
    assert said_by(PROBES, "client-certificate", pages={}) == (
        "skipped",
        'the start page has no body to compare: "51 Not found"',
    )


@pytest.mark.parametrize("name", ["tls-1.1", "clear-text"])
def test_a_server_that_resets_what_is_not_tls_refuses_it(checked, outcome_of, name, monkeypatch):
    class Reset(socket.socket):
        sendall = recv = lambda *_: (_ for _ in ()).throw(ConnectionResetError)

    visitor = checked().visitor()
    monkeypatch.setattr(Visitor, "dial", lambda self: Reset())
    assert outcome_of(PROBES, name, visitor).kind is None
