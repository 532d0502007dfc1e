"""PROXY protocol, version 2: its fields, and the header that is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.proxy_header import Endpoint, ProxyHeader, ProxyHeaderError
from gemd.protocol.proxy_v2 import encode_v2, find_size, parse_v2
from tests.protocol.proxy_vectors import CLIENT, CLIENT6, GOOD, HERE, SERVER, SERVER6, TCP4, UNIX

SIGNATURE = GOOD["LOCAL"][0][:12]
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda address: address.ipv4_mapped is None))
ENDPOINTS = st.builds(lambda address, port: Endpoint(str(address), port), ADDRESSES, st.integers(0, 65535))
NAMES = st.from_regex(r"[a-z0-9-]{1,20}\.[a-z]{2,20}", fullmatch=True)
CERTIFICATE = bytes.fromhex("30030201") + bytes(300)


def field(kind, value):
    return bytes((kind,)) + len(value).to_bytes(2, "big") + value


ADDRESS_BLOCK = bytes.fromhex(TCP4)


def read(fields, family=0x11, addresses=ADDRESS_BLOCK):
    body = addresses + fields
    header = SIGNATURE + bytes((0x21, family)) + len(body).to_bytes(2, "big") + body
    assert find_size(header, 4096) == len(header)
    return parse_v2(header)


def tls(client, verify=0, *fields):
    return field(0x20, bytes((client,)) + verify.to_bytes(4, "big") + b"".join(fields))


VERSION, CIPHER = field(0x21, b"TLSv1.3"), field(0x23, b"TLS_AES_128_GCM_SHA256")


@pytest.mark.parametrize(
    ("client", "verify", "certificate"),
    [
        (0b001, 1, None),
        (0b001, 0, None),  # nobody gave one
        (0b011, 0, CERTIFICATE),
        (0b011, 18, CERTIFICATE),  # self-signed
        (0b101, 0, CERTIFICATE),  # in the session that was resumed
        (0b111, 0xFFFFFFFF, CERTIFICATE),
        (0b010, 0, None),  # no TLS at all
    ],
)
def test_a_certificate_counts_if_the_client_gave_one(client, verify, certificate):
    header = read(tls(client, verify, VERSION, CIPHER, field(0x28, CERTIFICATE)))
    assert header.certificate == certificate
    has_tls = client & 1
    assert header.tls_version == ("TLSv1.3" if has_tls else "")
    assert header.cipher == ("TLS_AES_128_GCM_SHA256" if has_tls else "")


@pytest.mark.parametrize("text", [b"", b"TLSv1.3\n", b"TLS v1", b"TLS\xe9", b"T" * 65, b"\x1b[31m", b'"'])
def test_a_version_or_cipher_that_is_no_plain_word_is_not_told(text):
    header = read(tls(1, 0, field(0x21, text), field(0x23, text)))
    assert (header.tls_version, header.cipher) == ("", "")


def test_a_version_has_the_name_that_openssl_gives_it():
    assert read(tls(1, 0, field(0x21, b"TLS 1.3"))).tls_version == "TLSv1.3"


def test_an_empty_certificate_is_none():
    assert read(tls(3, 0, field(0x28, b""))).certificate is None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"Example.ORG.", "example.org"),
        (b"xn--bcher-kva.example", "xn--bcher-kva.example"),
        (b"localhost", "localhost"),
        ("bücher.example".encode(), None),
        (b"", None),
        (b"192.0.2.7", None),
        (b"[2001:db8::7]", None),
        (b"2001:db8::7", None),
        (b"a" * 254, None),
        (b"a b", None),
        (b"a\n", None),
        (b"../etc", None),
    ],
)
def test_the_name_that_was_asked_for(value, name):
    assert read(field(0x02, value)).server_name == name


def test_of_two_fields_the_first_counts():
    header = read(field(0x02, b"a.example") + field(0x02, b"b.example") + tls(1, 0, VERSION) + tls(3, 0))
    assert header == ProxyHeader(CLIENT, SERVER, server_name="a.example", tls_version="TLSv1.3")


@pytest.mark.parametrize("kind", [0x00, 0x01, 0x04, 0x05, 0x30, 0x77, 0xE0, 0xEF, 0xF0, 0xFF])
@pytest.mark.parametrize("value", [b"", b"x" * 300])
def test_other_fields_are_skipped(kind, value):
    assert read(field(kind, value)) == HERE


@pytest.mark.parametrize("value", [b"", b"\x05", b"gemd hops", b"gemd hops:", b"gemd hops:12", b"other hop\x05"])
def test_hops_of_others_are_none(value):
    assert read(field(0xE7, value)) == HERE


def test_fields_of_a_header_without_addresses_are_read():
    header = read(field(0x02, b"a.example") + field(0xE7, b"gemd hops:\x03"), family=0, addresses=b"")
    assert header == ProxyHeader(server_name="a.example", hops=3)


def test_a_header_may_be_as_long_as_was_said():
    header = SIGNATURE + bytes.fromhex("21110ff0") + bytes.fromhex(TCP4) + field(0x04, bytes(4065))
    assert len(header) == 4096
    assert find_size(header[:16], 4096) == 4096
    assert parse_v2(header) == HERE
    with pytest.raises(ProxyHeaderError, match="longer than 4095"):
        find_size(header[:16], 4095)


def test_the_headers_that_are_sent():
    assert encode_v2(CLIENT, SERVER) == GOOD["TCP4+crc"][0]
    assert encode_v2(CLIENT6, SERVER6) == GOOD["TCP6+crc"][0]
    header = encode_v2(UNIX, SERVER, hops=1)
    assert header[12:14] == bytes.fromhex("2100")
    assert parse_v2(header) == ProxyHeader(hops=1)


@given(ENDPOINTS, ENDPOINTS, st.none() | NAMES, st.none() | st.integers(0, 255))
def test_what_is_sent_is_read_as_it_was(source, destination, name, hops):
    header = encode_v2(source, destination, server_name=name, hops=hops)
    assert find_size(header[:16], 4096) == len(header)
    assert parse_v2(header) == ProxyHeader(source, destination, server_name=name, hops=hops or 0)


def test_no_octet_of_an_address_or_a_name_may_change_on_the_way():
    header = encode_v2(CLIENT, SERVER6, server_name="example.org", hops=2)
    addresses, name = range(16, 52), range(55, 66)
    assert header[55:66] == b"example.org"
    for at in (*addresses, *name):
        changed = bytearray(header)
        changed[at] ^= 1
        with pytest.raises(ProxyHeaderError, match="checksum"):
            parse_v2(bytes(changed))
