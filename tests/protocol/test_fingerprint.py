import pytest

from gemd.protocol.fingerprint import Fingerprint, parse_fingerprint, sha256

HEX = sha256(b"a certificate")
COLONS = ":".join(HEX[i : i + 2] for i in range(0, 64, 2)).upper()


@pytest.mark.parametrize(
    "text", [HEX, HEX.upper(), f"SHA256:{HEX}", f"SHA256:{HEX.upper()}", COLONS, f"SHA256:{COLONS}"]
)
def test_every_spelling_of_a_certificates_fingerprint(text):
    assert parse_fingerprint(text) == Fingerprint("certificate", HEX)


def test_a_public_keys_fingerprint():
    assert parse_fingerprint(f"SPKI-SHA256:{HEX}") == Fingerprint("public key", HEX)


@pytest.mark.parametrize(
    "text", ["", HEX[:-1], HEX + "0", f"sha256:{HEX}", f"MD5:{HEX}", HEX + "\n", "g" * 64, COLONS[:-3]]
)
def test_what_is_none(text):
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        parse_fingerprint(text)
