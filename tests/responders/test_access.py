import datetime

import msgspec
import pytest
from cryptography import x509

from gemd.config.host_settings import Location
from gemd.config.types import CAFile
from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.peer import ClientCertificate
from gemd.responders.access import build_check, build_location_check
from gemd.responders.judged import Unjudged
from gemd.system.certificates import CertificateError
from gemd.system.client_certificates import parse_client_certificate
from tests.support.certificate_chains import Link, make_leaf, make_rsa_key

from .asking import peer

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
GIVEN = ClientCertificate(
    b"der", fingerprint="ab" * 32, public_key_fingerprint="cd" * 32, not_before=NOW - DAY, not_after=NOW + DAY
)
EXPIRED = msgspec.structs.replace(GIVEN, not_after=NOW - DAY / 2)
NOT_YET = msgspec.structs.replace(GIVEN, not_before=NOW + DAY / 2)
FAULTY = ClientCertificate(b"der", fingerprint="ab" * 32, fault="ValueError")
OTHER = msgspec.structs.replace(GIVEN, fingerprint="ef" * 32, public_key_fingerprint="ef" * 32)

BY_CERTIFICATE = ("SHA256:" + "AB" * 32,)
BY_KEY = ("SPKI-SHA256:" + "cd" * 32,)
CROSSED = ("SPKI-SHA256:" + "ab" * 32, "SHA256:" + "cd" * 32)

TABLE = {
    "any, none": ("any", None, 60),
    "any": ("any", GIVEN, None),
    "any, expired": ("any", EXPIRED, 62),
    "any, not yet": ("any", NOT_YET, 62),
    "any, faulty": ("any", FAULTY, 62),
    "listed, none": (BY_CERTIFICATE, None, 60),
    "listed by certificate": (BY_CERTIFICATE, GIVEN, None),
    "listed by key": (BY_KEY, GIVEN, None),
    "listed by both": (BY_CERTIFICATE + BY_KEY, GIVEN, None),
    "listed as the other": (CROSSED, GIVEN, 61),
    "not listed": (BY_CERTIFICATE, OTHER, 61),
    "not listed and expired": (BY_CERTIFICATE, msgspec.structs.replace(OTHER, not_after=NOW - DAY / 2), 62),
    "listed and expired": (BY_CERTIFICATE, EXPIRED, 62),
    "listed and faulty": (BY_CERTIFICATE, FAULTY, 62),
    "an empty list": ((), GIVEN, 61),
}


@pytest.mark.parametrize(("rule", "given", "status"), TABLE.values(), ids=TABLE)
def test_access(rule, given, status):
    assert status_of(build_check(rule), peer(client_certificate=given)) == status


def status_of(check, asker):
    try:
        check(asker)
    except GeminiError as error:
        return error.status
    return None


def test_everybody_may_pass_without_a_rule():
    assert build_check("none") is None


# Authorities


@pytest.fixture(scope="module")
def root():
    return Link()


@pytest.fixture
def check(root, tmp_path):
    (tmp_path / "ca.pem").write_bytes(root.pem)
    return build_check(CAFile(ca=str(tmp_path / "ca.pem")))


def who_sent(chain):
    return peer(client_certificate=parse_client_certificate(chain[0]), client_chain=chain)


def test_whom_an_authority_vouches_for(check, root):
    assert status_of(check, peer()) == 60
    assert status_of(check, who_sent(make_leaf(root, 1).chain)) is None
    assert status_of(check, who_sent(make_leaf(Link("other")).chain)) == 61
    assert status_of(check, who_sent(make_leaf(root, end=NOW - DAY / 2).chain)) == 62


BEYOND = {
    "length": (lambda root: make_leaf(root, 8), "The client certificate's chain is too long: at most 8 certificates"),
    "key": (
        lambda root: Link("Jane", key=make_rsa_key(4104), issuer=root, ca=False),
        "A key of the client certificate's chain is too large: at most 4096 bits",
    ),
    "exponent": (
        lambda root: Link("Jane", key=make_rsa_key(2048, 34), issuer=root, ca=False),
        "An exponent of the client certificate's chain is too large: at most 33 bits",
    ),
    "usage": (
        lambda root: make_leaf(root, extensions=[x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])]),
        "The client certificate is not meant for clients",
    ),
}


@pytest.mark.parametrize(("make", "text"), BEYOND.values(), ids=BEYOND)
def test_a_chain_beyond_a_bound_is_not_valid(check, root, make, text):
    with pytest.raises(GeminiError) as caught:
        check(who_sent(make(root).chain))
    assert (caught.value.status, caught.value.meta) == (62, text)


@pytest.mark.parametrize(("is_member", "status"), [(True, None), (False, 61)])
def test_a_dear_chain_is_still_to_be_judged(check, root, is_member, status):
    asker = who_sent(make_leaf(root if is_member else Link("other"), 3).chain)
    with pytest.raises(Unjudged) as caught:
        check(asker)
    caught.value.judge()
    assert status_of(check, asker) == status  # now it is known


def test_a_certificate_out_of_its_dates_is_not_judged(check, root):
    assert status_of(check, who_sent(make_leaf(root, 3, end=NOW - DAY / 2).chain)) == 62


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_authorities_that_can_not_be_loaded_are_named(tmp_path, content):
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(CertificateError, match=r"ca\.pem"):
        build_check(CAFile(ca=str(tmp_path / "ca.pem")))


# Networks


def location_of(**keys):
    keys = {key: value for key, value in keys.items() if value is not None}
    return msgspec.convert({"path": "/", **keys}, Location)


DENIED = {"deny": ["192.0.2.0/24"]}


def test_a_location_for_everybody_has_no_check():
    assert build_location_check(location_of()) is None
    assert build_location_check(location_of(**{"access": "any", "client-certificate": "none"})) is None


@pytest.mark.parametrize(
    ("access", "address", "status"),
    [
        (DENIED, "192.0.2.1", 50),
        (DENIED, "198.51.100.1", None),
        (DENIED, "unix", None),
        ({"allow": ["unix"]}, "unix", None),
        ({"allow": ["unix"]}, "192.0.2.1", 50),
        ({**DENIED, "allow": ["192.0.2.1"]}, "192.0.2.1", None),
        ({**DENIED, "status": 40}, "192.0.2.1", 40),
        ({**DENIED, "status": 53}, "192.0.2.1", 53),
    ],
)
def test_by_network(access, address, status):
    assert status_of(build_location_check(location_of(access=access)), peer(address=address)) == status


def test_what_is_hidden_looks_as_what_is_not_there():
    check = build_location_check(location_of(access={**DENIED, "status": 51}))
    with pytest.raises(GeminiError) as caught:
        check(peer(address="192.0.2.1"))
    assert (caught.value.status, caught.value.meta) == (51, NotFound().meta)


@pytest.mark.parametrize(("address", "status"), [("192.0.2.1", 50), ("198.51.100.1", 60)])
def test_the_network_is_looked_at_before_the_certificate(address, status):
    check = build_location_check(location_of(**{"access": DENIED, "client-certificate": "any"}))
    assert status_of(check, peer(address=address)) == status
