"""Records for the DNS, which say what a client will see."""

import datetime
import hashlib
import re

from cryptography.hazmat.primitives import serialization

from gemd.gemctl.tlsa import explain_omissions, render_records
from gemd.system.certificate_facts import CertificateFacts, read_facts
from gemd.system.certificates import find_or_make, renew_self_signed

NOW = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
FACTS = CertificateFacts(("h",), "ECDSA P-256", NOW, NOW, "a1" * 32, "b2" * 32)


def test_a_line_for_each_name():
    assert render_records(("example.org", "www.example.org", "xn--bcher-kva.example"), FACTS) == (
        f"_1965._tcp.example.org. IN TLSA 3 1 1 {'b2' * 32}\n"
        f"_1965._tcp.www.example.org. IN TLSA 3 1 1 {'b2' * 32}\n"
        f"_1965._tcp.xn--bcher-kva.example. IN TLSA 3 1 1 {'b2' * 32}\n"
    )


def test_what_can_have_none_is_told():
    names = ("192.0.2.1", "::1", "*.example.org", "*")
    assert render_records(names, FACTS) == ""
    assert explain_omissions(("example.org", *names)) == [
        "192.0.2.1: no record for an address",
        "::1: no record for an address",
        "*.example.org: no record for a wildcard, but for each name that it stands for, with the same hash",
        "*: no record for a wildcard, but for each name that it stands for, with the same hash",
    ]


def test_the_hash_is_that_of_the_public_key_and_outlives_a_renewal(tmp_path):
    made = find_or_make(tmp_path, ("h",))
    public_key = made.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = render_records(("h",), read_facts(made.path))
    assert re.fullmatch(r"_1965\._tcp\.h\. IN TLSA 3 1 1 [0-9a-f]{64}\n", record)
    assert record.split()[-1] == hashlib.sha256(public_key).hexdigest()
    renew_self_signed(tmp_path, ("h",))
    assert render_records(("h",), read_facts(made.path)) == record
