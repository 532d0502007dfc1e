import datetime

import msgspec
import pytest

from gemd.config.settings import CAFile
from gemd.protocol.errors import GeminiError
from gemd.protocol.peer import ClientCertificate
from gemd.responders.access import build_check
from gemd.system.certificates import CertificateError

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
    assert build_check(None) is None


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_authorities_that_can_not_be_loaded_are_named(tmp_path, content):
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(CertificateError, match=r"ca\.pem"):
        build_check(CAFile(ca=str(tmp_path / "ca.pem")))
