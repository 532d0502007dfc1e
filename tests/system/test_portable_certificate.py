"""A certificate that goes to another process, and what may arrive there."""

import json

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gemd.system.certificates import CertificateError, ServerCertificate, find_or_make
from gemd.system.portable_certificate import (
    PortableCertificate,
    pack_certificate,
    pack_certificates,
    unpack_certificate,
    unpack_certificates,
)
from tests.support.certificate_chains import Link, make_leaf


@pytest.fixture
def certificate(tmp_path):
    made = find_or_make(tmp_path, ("localhost",))
    return msgspec.structs.replace(made, warnings=("it expires",))


def test_it_arrives_as_it_was(certificate):
    packed = json.loads(json.dumps(msgspec.to_builtins(pack_certificate(certificate))))
    arrived = unpack_certificate(msgspec.convert(packed, PortableCertificate))
    assert (arrived.chain, arrived.path, arrived.warnings) == (
        certificate.chain,
        certificate.path,
        certificate.warnings,
    )
    assert arrived.key.private_numbers() == certificate.key.private_numbers()


def test_a_chain_with_an_rsa_key(tmp_path):
    key = rsa.generate_private_key(65537, 2048)
    leaf = Link("leaf", key=key, issuer=Link(), ca=False)
    made = ServerCertificate((leaf.certificate, Link().certificate), key, tmp_path / "a.pem")
    assert unpack_certificate(pack_certificate(made)).chain == made.chain


def der_of(key):
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


OTHERS = {
    "no chain": {"chain": ()},
    "no certificate": {"chain": (b"nonsense",)},
    "no key": {"key": b"nonsense"},
    "another's key": {"key": der_of(Link("other").key)},
    "a key of another kind": {"key": der_of(ed448.Ed448PrivateKey.generate())},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_what_is_wrong_is_named(certificate, changes):
    with pytest.raises(CertificateError, match=r"localhost\.crt can't be handed on"):
        unpack_certificate(msgspec.structs.replace(pack_certificate(certificate), **changes))


def test_several_certificates():
    chain = make_leaf(Link(), 2).chain
    assert pack_certificates(unpack_certificates(chain)) == chain
    with pytest.raises(ValueError, match="error parsing"):
        unpack_certificates((b"nonsense",))
