"""Each check of the certificate fails where that is wrong."""

import datetime

import msgspec
import pytest
import trustme

from gemd.gemctl.check.certificate_probes import PROBES
from gemd.gemctl.gemini_client import NoHandshake
from gemd.gemctl.known_hosts import KnownHost, KnownHosts, default_path

NAMES = [one.rule.name for one in PROBES]
NOW = datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize("name", NAMES)
def test_a_certificate_that_is_right(said_by, name):
    assert said_by(PROBES, name) == (None, "")


def days(number):
    return NOW + datetime.timedelta(days=number, hours=12)  # the test may come long after this was imported


FACTS = {
    "names": ("certificate-names", {"names": ("example.org", "*.example.org")}, "fault",
              "it names example.org, *.example.org"),
    "no name": ("certificate-names", {"names": ()}, "fault", "it names nobody"),
    "expired": ("certificate-dates", {"not_after": datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC)}, "fault",
                "it expired on 2020-01-02"),
    "soon": ("certificate-dates", {"not_after": days(3)}, "fault", "it expires in 3 days"),
    "in time": ("certificate-dates", {"not_after": days(15)}, None, ""),
    "not yet": ("certificate-dates", {"not_before": days(1)}, "fault", "it is not valid before "),
    "Ed25519": ("certificate-key", {"key_type": "Ed25519"}, "note", "it is Ed25519, which some clients can't use"),
    "P-521": ("certificate-key", {"key_type": "ECDSA P-521"}, "note", "it is ECDSA P-521, which some clients "),
    "RSA": ("certificate-key", {"key_type": "RSA 2048"}, None, ""),
    "short": ("certificate-key", {"key_type": "RSA 1024"}, "fault", "it is RSA 1024, which most clients refuse"),
    "curve": ("certificate-key", {"key_type": "ECDSA secp256k1"}, "fault", "it is ECDSA secp256k1, which "),
    "old": ("certificate-key", {"key_type": "DSA"}, "fault", "it is DSA, which most clients refuse"),
}  # fmt: skip


@pytest.mark.parametrize("case", FACTS)
def test_facts(checked, outcome_of, case):
    name, changes, kind, begins = FACTS[case]
    visitor = checked().visitor()
    visitor.facts = msgspec.structs.replace(visitor.facts, **changes)
    outcome = outcome_of(PROBES, name, visitor)
    assert (outcome.kind, outcome.text[: len(begins)]) == (kind, begins)


def test_another_name_that_is_shown(said_by):
    found = said_by(PROBES, "certificate-names", folder="other", names=("example.org",))
    assert found == ("fault", "it names example.org")


def test_a_chain_to_nobody_that_is_known(checked, outcome_of):
    server = checked()
    trustme.CA().issue_cert("localhost").configure_cert(server.context)
    outcome = outcome_of(PROBES, "certificate-issuer", server.visitor())
    assert (outcome.kind, outcome.text[:31]) == ("note", "it is signed by somebody else, ")


def test_who_can_not_be_reached_is_no_stranger(checked, outcome_of, monkeypatch):
    """As where there are limits of connections."""
    monkeypatch.setattr("gemd.gemctl.check.pace._FIRST_WAIT", 0.01)
    answers = iter([None, b"", b"", b""])
    with pytest.raises(NoHandshake):
        outcome_of(PROBES, "certificate-issuer", checked(greet=lambda octets: next(answers)).visitor())


def test_a_chain_to_an_authority(checked, outcome_of, tmp_path, monkeypatch):
    server, authority = checked(), trustme.CA()
    authority.issue_cert("localhost").configure_cert(server.context)
    authority.cert_pem.write_to_path(str(tmp_path / "authorities.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities.pem"))
    assert outcome_of(PROBES, "certificate-issuer", server.visitor()).kind is None


def test_dates_are_no_matter_of_the_issuer(checked, outcome_of):
    server, old = checked(), datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC)
    authority = trustme.CA()
    authority.issue_cert("localhost", not_before=old, not_after=old).configure_cert(server.context)
    assert outcome_of(PROBES, "certificate-dates", server.visitor()).text == "it expired on 2020-01-02"


KNOWN = {
    "as it is": (lambda facts: (facts.fingerprint, facts.public_key_fingerprint), None, ""),
    "renewed": (lambda facts: ("0" * 64, facts.public_key_fingerprint), "note",
                "it is another one than gemctl has seen before, for the same key"),
    "another": (lambda facts: ("0" * 64, "1" * 64), "fault",
                "it is another one than gemctl has seen before, and so is its key: clients warn their users"),
}  # fmt: skip


@pytest.mark.parametrize("case", KNOWN)
def test_who_is_known_already(checked, outcome_of, case):
    fingerprints, kind, found = KNOWN[case]
    visitor = checked().visitor()
    certificate, key = fingerprints(visitor.facts)
    KnownHosts(default_path()).remember(KnownHost(visitor.subject.place, certificate, days(9), key))
    before = default_path().read_bytes()
    outcome = outcome_of(PROBES, "certificate-known", visitor)
    assert (outcome.kind, outcome.text) == (kind, found)
    assert default_path().read_bytes() == before


def test_nothing_is_remembered(said_by):
    said_by(PROBES, "certificate-known")
    assert not default_path().exists()
