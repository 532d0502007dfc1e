"""Whether a server is the one that is meant."""

from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gemd.config.types import Address
from gemd.protocol.fingerprint import parse_fingerprint, sha256
from gemd.system.known_servers import open_known_servers
from gemd.system.server_trust import Distrusted, MetServers, PinnedServers, VouchedServers
from tests.support.certificate_chains import DAY, NOW, Link, make_key

PLACE = Address("10.0.0.2", 1965)


def names(*texts):
    return x509.SubjectAlternativeName([x509.DNSName(text) for text in texts])


def usage(oid):
    return x509.ExtendedKeyUsage([oid])


def spki(link):
    return sha256(link.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def refusal(trust, chain, address=PLACE, name="b.example"):
    with pytest.raises(Distrusted) as caught:
        trust.check(chain, address, name)
    return str(caught.value)


# Fingerprints


def test_one_of_several_fingerprints_is_enough():
    server = Link("b")
    renewed = Link("b", key=server.key)
    whole, key = parse_fingerprint(f"SHA256:{sha256(server.der)}"), parse_fingerprint(f"SPKI-SHA256:{spki(server)}")
    other = parse_fingerprint("ab" * 32)
    PinnedServers([other, whole]).check((server.der,), PLACE, None)
    PinnedServers([key, other]).check((renewed.der,), PLACE, None)
    text = refusal(PinnedServers([whole, other]), (renewed.der,))
    assert text == f"has another certificate than fingerprint says: it shows SPKI-SHA256:{spki(server)}"


def test_the_digest_of_a_key_is_none_of_a_certificate():
    server = Link("b")
    refusal(PinnedServers([parse_fingerprint(f"SHA256:{spki(server)}")]), (server.der,))
    refusal(PinnedServers([parse_fingerprint(f"SPKI-SHA256:{sha256(server.der)}")]), (server.der,))


def test_only_the_servers_own_certificate_counts():
    root = Link()
    server = Link("b", issuer=root, ca=False)
    refusal(PinnedServers([parse_fingerprint(sha256(root.der))]), (server.der, root.der))


def test_a_certificate_that_can_not_be_read_has_a_fingerprint_all_the_same():
    PinnedServers([parse_fingerprint(sha256(b"0"))]).check((b"0",), PLACE, None)
    assert refusal(PinnedServers([]), (b"0",)).endswith(f"it shows SHA256:{sha256(b'0')}")


# Authorities


def test_an_authority_vouches_for_a_name():
    root = Link()
    trust = VouchedServers((root.certificate,))
    between = Link("between", issuer=root)
    server = Link("b", issuer=between, ca=False, extensions=[names("b.example", "*.c.example")])
    for name in ("b.example", "x.c.example"):
        trust.check((server.der, between.der), PLACE, name)
    assert refusal(trust, (server.der, between.der), name="a.example") == (
        "has a certificate for b.example, *.c.example, and not for a.example: see sni"
    )
    assert "not for 10.0.0.2" in refusal(trust, (server.der, between.der), name=None)
    assert "ca does not vouch for" in refusal(trust, (server.der,))


def test_an_address_is_a_name_too():
    root = Link()
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("10.0.0.2"))])
    server = Link("b", issuer=root, ca=False, extensions=[alternative])
    VouchedServers((root.certificate,)).check((server.der,), PLACE, None)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"end": NOW - DAY / 2}, "ca does not vouch for: .*expired"),
        ({"start": NOW + DAY / 2}, "ca does not vouch for: .*not yet valid"),
        ({"extensions": [usage(ExtendedKeyUsageOID.CLIENT_AUTH), names("b.example")]}, "not meant for servers"),
        ({"extensions": []}, "for nobody, and not for b.example"),
    ],
)
def test_what_an_authority_does_not_vouch_for(options, reason):
    root = Link()
    server = Link("b", issuer=root, ca=False, **{"extensions": [names("b.example")], **options})
    with pytest.raises(Distrusted, match=reason):
        VouchedServers((root.certificate,)).check((server.der,), PLACE, "b.example")


def test_whom_another_authority_vouches_for():
    server = Link("b", issuer=Link(), ca=False, extensions=[names("b.example")])
    assert "ca does not vouch for" in refusal(VouchedServers((Link().certificate,)), server.chain)
    assert "ca does not vouch for" in refusal(VouchedServers((Link().certificate,)), (Link("b.example").der,))
    assert "can't be read" in refusal(VouchedServers((Link().certificate,)), (b"0",))
    good = Link("b", issuer=Link(), ca=False, extensions=[usage(ExtendedKeyUsageOID.SERVER_AUTH), names("b.example")])
    VouchedServers((good.issuer.certificate,)).check(good.chain, PLACE, "b.example")


# First sight


@pytest.fixture
def known(tmp_path):
    opened = open_known_servers(tmp_path)
    yield opened
    opened.close()


def test_a_server_is_known_by_the_key_that_it_had(known):
    trust, server = MetServers(known), Link("b")
    trust.check((server.der,), PLACE, "b.example")
    trust.check((Link("renewed", key=server.key).der,), PLACE, "b.example")
    changed = Link("b", key=make_key())
    text = refusal(trust, (changed.der,))
    assert text.startswith(f"has another key than it had: it shows SPKI-SHA256:{spki(changed)}, and had ")
    assert f"had SPKI-SHA256:{spki(server)}; " in text
    assert f"remove 10.0.0.2:1965 b.example from {known.path} and reload" in text
    trust.check((server.der,), PLACE, "b.example")


def test_another_name_or_place_is_another_server(known):
    trust = MetServers(known)
    trust.check((Link("one").der,), PLACE, "b.example")
    trust.check((Link("two").der,), PLACE, None)
    trust.check((Link("three").der,), Address("10.0.0.2", 1966), "b.example")


def test_nobody_is_trusted_where_nothing_can_be_remembered(known, tmp_path):
    (tmp_path / "known_servers").write_text("nonsense\n")
    assert "can't be trusted: " in refusal(MetServers(known), (Link("b").der,))
    assert "can't be read" in refusal(MetServers(known), (b"0",))
