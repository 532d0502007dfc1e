"""Handshakes in memory, with the standard library as the client: no port, no thread, no waiting."""

import contextlib
import ssl

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gemd.system import tls_context
from gemd.system.certificates import find_or_make
from gemd.system.tls import TLSError, has_whole_record
from tests.support.certificate_chains import Link, make_dear_key
from tests.support.tls_client import make_context
from tests.support.tls_pair import Pair

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def only(version):
    context = make_context()
    context.minimum_version = context.maximum_version = version
    return context


def test_a_client_without_a_certificate(connect):
    assert connect().server.client_certificate is None


@pytest.mark.parametrize("version", [V12, V13])
def test_a_self_signed_client_certificate_is_asked_for_and_accepted(connect, tmp_path, version):
    made = find_or_make(tmp_path, ("somebody",))
    client = only(version)
    client.load_cert_chain(made.path, made.path.with_suffix(".key"))
    assert connect(client).server.client_certificate.fingerprint == made.fingerprint


@pytest.mark.parametrize("version", [V12, V13])
def test_what_is_sent_along_is_not_looked_at(certificates, tmp_path, monkeypatch, version, build):
    looked_at = set()
    monkeypatch.setattr(tls_context, "is_key_affordable", lambda der: looked_at.add(der) or True)
    trustme.CA().create_child_ca().issue_cert("jane@h").private_key_and_cert_chain_pem.write_to_path(tmp_path / "jane")
    client = only(version)
    client.load_cert_chain(tmp_path / "jane")
    pair = Pair(build(certificates["h"]), client)
    pair.shake_hands()
    assert len(pair.server.client_chain) == 2
    assert looked_at == {pair.server.client_chain[0]}


@pytest.mark.parametrize("version", [V12, V13])
def test_a_key_whose_signature_costs_too_much_ends_the_handshake(certificates, tmp_path, version, build):
    key = make_dear_key()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "jane").write_bytes(pem + Link("Jane", key=key, issuer=Link()).pem)
    client = only(version)
    client.load_cert_chain(tmp_path / "jane")
    with pytest.raises(TLSError, match="certificate verify failed"):
        Pair(build(certificates["h"]), client).shake_hands()


# Data, and its end


def test_a_request_and_a_response(connect):
    pair = connect()
    assert pair.server.receive(100) is None
    pair.client.write(b"gemini://h/\r\n")
    pair.flush()
    assert pair.server.receive(100) == b"gemini://h/\r\n"
    assert pair.server.receive(100) is None
    pair.server.write(b"51 Not found\r\n")
    assert pair.read() == b"51 Not found\r\n"


def test_close_notify_is_said_without_waiting_for_the_clients(connect):
    pair = connect()
    pair.server.send_close_notify()
    pair.fetch()
    assert pair.client.read(100) == b""  # a clean end; a torn one raises


def test_a_client_that_is_done_sending(connect):
    pair = connect()
    with pytest.raises(ssl.SSLWantReadError):
        pair.client.unwrap()
    pair.flush()
    assert pair.server.receive(100) == b""


@pytest.mark.parametrize("size", [0, 1, 16 * 1024, 96 * 1024 - 100, 96 * 1024, 5_000_000])
def test_all_is_encrypted_and_taken_at_once(connect, size):
    pair = connect()
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    pair.server.write(data)
    pair.server.send_close_notify()
    pair.fetch()
    assert pair.server.take() == b""
    received = b"".join(iter(lambda: pair.client.read(65536), b""))
    assert received == data


def test_a_page_and_its_end_are_two_records(connect):
    pair = connect(only(V13))
    pair.server.write(b"x" * 100)
    pair.server.send_close_notify()
    assert len(pair.fetch()) == (100 + 22) + (2 + 22)


def test_nothing_is_said_after_close_notify(connect):
    pair = connect()
    pair.server.send_close_notify()
    with pytest.raises(TLSError):
        pair.server.write(b"x")


def test_octets_one_by_one(certificates, build):
    pair = Pair(build(certificates["h"]), make_context())
    done = False
    for _ in range(3):
        with contextlib.suppress(ssl.SSLWantReadError):
            pair.client.do_handshake()
        for octet in pair.outgoing.read():
            pair.server.feed(bytes([octet]))
            done = pair.server.handshake()
        pair.fetch()
    assert done
    pair.client.write(b"gemini://h/\r\n")
    received = b""
    for octet in pair.outgoing.read():
        pair.server.feed(bytes([octet]))
        received += pair.server.receive(100) or b""
    assert received == b"gemini://h/\r\n"


def test_no_more_is_received_than_asked_for(connect):
    pair = connect()
    pair.client.write(b"x" * 10_000)
    pair.flush()
    assert pair.server.receive(4000) == b"x" * 4000
    assert pair.server.receive(200_000) == b"x" * 6000
    assert pair.server.receive(1) is None


def test_a_record_that_was_tampered_with(connect):
    pair = connect()
    pair.client.write(b"gemini://h/\r\n")
    octets = bytearray(pair.outgoing.read())
    octets[-1] ^= 1
    pair.server.feed(bytes(octets))
    with pytest.raises(TLSError, match=r"bad record mac|decryption failed"):
        pair.server.receive(100)
    assert pair.server.take()  # an alert


def test_one_connection_s_fault_is_not_another_s(connect):
    """OpenSSL keeps errors in a queue for each thread."""
    good, bad = connect(), connect()
    bad.server.feed(b"x" * 100)
    with pytest.raises(TLSError):
        bad.server.receive(100)
    assert good.server.receive(100) is None
    good.client.write(b"x")
    good.flush()
    assert good.server.receive(100) == b"x"
    good.server.write(b"y")
    assert good.read() == b"y"


@pytest.mark.parametrize(
    "octets",
    [
        b"gemini://h/\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 100,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x80" * 99,
    ],
)
def test_what_is_no_tls_is_an_error_in_words(certificates, octets, build):
    pair = Pair(build(certificates["h"]), make_context())
    pair.server.feed(octets)
    with pytest.raises(TLSError) as caught:
        pair.server.handshake()
    assert str(caught.value).isprintable()
    assert str(caught.value) != "Error"


def test_half_a_handshake_waits_for_more(certificates, build):
    pair = Pair(build(certificates["h"]), make_context())
    with pytest.raises(ssl.SSLWantReadError):
        pair.client.do_handshake()
    hello = pair.outgoing.read()
    assert not pair.server.handshake()
    pair.server.feed(hello[: len(hello) // 2])
    assert not pair.server.handshake()
    assert pair.server.take() == b""
    pair.server.feed(hello[len(hello) // 2 :])
    assert not pair.server.handshake()
    assert pair.server.take()


# Memory


@pytest.mark.parametrize(
    ("data", "is_whole"),
    [
        (b"", False),
        (b"\x16", False),
        (b"\x16\x03\x01\x00", False),
        (b"\x16\x03\x01\x00\x02", False),
        (b"\x16\x03\x01\x00\x02a", False),
        (b"\x16\x03\x01\x00\x02ab", True),
        (b"\x16\x03\x01\x00\x02abc", True),
        (b"\x16\x03\x01\x00\x00", True),
        (b"\x16\x03\x01\x01\x00".ljust(260, b"x"), False),
        (b"\x16\x03\x01\x01\x00".ljust(261, b"x"), True),
        (b"G", True),
        (b"\x15", True),
    ],
)
def test_a_record_is_whole_or_none(data, is_whole):
    assert has_whole_record(data) is is_whole


def test_nothing_is_made_for_half_a_record(certificates, monkeypatch, build):
    pair = Pair(build(certificates["h"]), make_context())
    with contextlib.suppress(ssl.SSLWantReadError):
        pair.client.do_handshake()
    hello = pair.outgoing.read()
    with monkeypatch.context() as changed:
        changed.setattr(type(pair.server), "_begin", lambda _: pytest.fail("too early"))
        for octet in hello[:-1]:
            pair.server.feed(bytes([octet]))
            assert not pair.server.handshake()
            assert pair.server.take() == b""
    pair.server.feed(hello[-1:])
    pair.shake_hands()
