import datetime
import os
import stat
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from gemd.system import certificates
from gemd.system.certificates import CertificateError, find_or_make, load, make_self_signed
from tests.conftest import need_user

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def key():
    return ec.generate_private_key(ec.SECP256R1())


def pem(key, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def certify(key, *, start=NOW - DAY, end=NOW + 365 * DAY):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "h")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(end)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def files(tmp_path):
    """Write a certificate and a key, return their paths."""

    def write(certificate, key_pem, mode=0o600):
        paths = tmp_path / "c.pem", tmp_path / "k.pem"
        for path, content in zip(paths, (certificate, key_pem), strict=True):
            if content is not None:
                path.write_bytes(content)
                path.chmod(mode)
        return paths

    return write


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


# Made once and kept


def test_a_certificate_is_made_once_and_kept(tmp_path):
    first, second = find_or_make(tmp_path / "d", ("h",)), find_or_make(tmp_path / "d", ("h",))
    assert first.fingerprint == second.fingerprint
    assert sorted(os.listdir(tmp_path / "d")) == ["h.crt", "h.key"]
    assert second.warnings == ()


def test_a_name_that_it_lacks_is_worth_a_look(tmp_path):
    names = ("h", "*.h", "::1", "192.0.2.1")
    before = find_or_make(tmp_path, names[:1])
    after = find_or_make(tmp_path, names)
    assert after.fingerprint == before.fingerprint
    text = f"{tmp_path}/h.crt does not name *.h, ::1, 192.0.2.1, which clients mind that check names: "
    assert after.warnings == (f"{text}`gemctl cert renew h` makes another for its key",)
    (tmp_path / "h.crt").unlink()
    assert find_or_make(tmp_path, names).warnings == ()


def test_only_the_owner_may_read_the_key_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        find_or_make(tmp_path / "d", ("h",))
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "d") == 0o700
    assert mode_of(tmp_path / "d" / "h.key") == 0o600
    assert mode_of(tmp_path / "d" / "h.crt") == 0o644


def test_a_key_without_a_certificate_is_certified_again(tmp_path):
    before = find_or_make(tmp_path, ("h",))
    (tmp_path / "h.crt").unlink()
    after = find_or_make(tmp_path, ("h",))
    assert after.fingerprint != before.fingerprint
    assert after.chain[0].public_key() == before.chain[0].public_key()


def test_a_certificate_without_its_key_is_an_error_and_stays(tmp_path):
    find_or_make(tmp_path, ("h",))
    content = (tmp_path / "h.crt").read_bytes()
    (tmp_path / "h.key").unlink()
    with pytest.raises(CertificateError, match=r"h.key can't be read: No such file"):
        find_or_make(tmp_path, ("h",))
    assert os.listdir(tmp_path) == ["h.crt"]
    assert (tmp_path / "h.crt").read_bytes() == content


def test_another_process_that_made_the_key_first_is_believed(tmp_path, monkeypatch, key):
    real = certificates.write_once

    def lose_the_race(path, content, mode, owner):
        if path.suffix == ".key":
            real(path, pem(key), mode, owner)
        real(path, content, mode, owner)

    monkeypatch.setattr(certificates, "write_once", lose_the_race)
    assert find_or_make(tmp_path, ("h",)).key.public_key() == key.public_key()


def test_another_process_that_made_both_first_is_believed(tmp_path, monkeypatch):
    real = certificates.write_once
    other = find_or_make(tmp_path / "other", ("h",))

    def lose_the_race(path, content, mode, owner):
        for name in ("h.key", "h.crt"):
            real(tmp_path / name, (tmp_path / "other" / name).read_bytes(), mode, owner)
        real(path, content, mode, owner)

    monkeypatch.setattr(certificates, "write_once", lose_the_race)
    assert find_or_make(tmp_path, ("h",)).fingerprint == other.fingerprint


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(CertificateError, match=r"can't make a certificate in .*: No space left on device$"):
        find_or_make(tmp_path, ("h",))
    assert os.listdir(tmp_path) == []


def test_a_directory_that_can_not_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CertificateError, match=r"can't make a certificate in .*/file/d: "):
        find_or_make(tmp_path / "file" / "d", ("h",))


@pytest.mark.parametrize(
    ("name", "stem"), [("*.example.org", "+.example.org"), ("::1", "__1"), ("127.0.0.1", "127.0.0.1")]
)
def test_file_names(tmp_path, name, stem):
    find_or_make(tmp_path, (name,))
    assert sorted(os.listdir(tmp_path)) == [f"{stem}.crt", f"{stem}.key"]


# What is made


def names_of(certificate):
    san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return san.get_values_for_type(x509.DNSName), san.get_values_for_type(x509.IPAddress)


@pytest.mark.parametrize(
    ("names", "dns", "addresses"),
    [
        (("h", "*.h", "h"), ["h", "*.h"], []),
        (("192.0.2.1", "::1"), [], ["192.0.2.1", "::1"]),
        (("localhost",), ["localhost"], ["127.0.0.1", "::1"]),
    ],
)
def test_every_name_is_in_the_certificate(key, names, dns, addresses):
    assert names_of(make_self_signed(key, names)) == (dns, [ip_address(address) for address in addresses])


def test_it_lasts_a_century_and_began_yesterday(key):
    certificate = make_self_signed(key, ("h",))
    assert certificate.not_valid_before_utc < NOW - DAY / 2
    assert certificate.not_valid_after_utc > NOW + 36500 * DAY


def test_it_is_an_ecdsa_certificate_of_nobody_else(key):
    certificate = make_self_signed(key, ("h",))
    certificate.verify_directly_issued_by(certificate)
    assert certificate.signature_hash_algorithm.name == "sha256"
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert make_self_signed(key, ("h",)).serial_number != certificate.serial_number


def test_the_longest_host_name_fits(key):
    name = ".".join(["x" * 63] * 3 + ["y" * 61])
    certificate = make_self_signed(key, (name,))
    assert names_of(certificate)[0] == [name]


# Loading


def test_a_chain_is_loaded_leaf_first(files, key):
    other = ec.generate_private_key(ec.SECP256R1())
    loaded = load(*files(certify(key) + certify(other), pem(key)))
    assert len(loaded.chain) == 2
    assert loaded.chain[0].public_key() == key.public_key()


def test_a_key_of_another_certificate_of_the_chain_is_told(files, key):
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(CertificateError, match=r"k.pem is the key of number 2 of .*c.pem, .*: put that first"):
        load(*files(certify(other) + certify(key), pem(key)))


def make_unknown(certificate):
    """The same in DER, for a key of a kind that there is not."""
    content = x509.load_pem_x509_certificate(certificate).public_bytes(serialization.Encoding.DER)
    elliptic = bytes.fromhex("06072a8648ce3d0201")
    assert content.count(elliptic) == 1
    return content.replace(elliptic, elliptic[:-1] + b"\x7f")


def test_a_key_of_a_kind_that_is_not_known(files, key):
    with pytest.raises(CertificateError, match=r"^/.*c.pem is for a key of a kind that is not known here: take"):
        load(*files(make_unknown(certify(key)), pem(key)))


def test_one_in_the_chain_is_another(files, key):
    unknown = x509.load_der_x509_certificate(make_unknown(certify(key)))
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(CertificateError, match="is not the key of"):
        load(*files(certify(other) + unknown.public_bytes(serialization.Encoding.PEM), pem(key)))


def test_of_several_keys_the_first_counts(files, key):
    other = ec.generate_private_key(ec.SECP256R1())
    certificate, keys = files(certify(key), pem(key) + pem(other))
    (warning,) = load(certificate, keys).warnings
    assert warning == f"{keys} has 2 private keys, of which the first is used: leave that alone in it"
    keys.write_bytes(pem(other) + pem(key))
    with pytest.raises(CertificateError, match=r"^the first of 2 private keys in .*k.pem is not the key of .*c.pem, "):
        load(certificate, keys)


def test_certificate_and_key_may_share_a_file(files, key):
    path, _ = files(certify(key) + pem(key), None)
    assert load(path, path).key.public_key() == key.public_key()


def test_an_rsa_key_will_do(files):
    rsa_key = rsa.generate_private_key(65537, 2048)
    assert load(*files(certify(rsa_key), pem(rsa_key))).warnings == ()


def test_the_fingerprint_is_that_of_the_leaf(files, key):
    loaded = load(*files(certify(key), pem(key)))
    assert loaded.fingerprint == loaded.chain[0].fingerprint(hashes.SHA256()).hex()


def der(key, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, encryption)


def to_der(certificate):
    return x509.load_pem_x509_certificate(certificate).public_bytes(serialization.Encoding.DER)


def certify_ed25519(key):
    return make_self_signed(key, ("h",)).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("is_der", [False, True], ids=["PEM", "DER"])
@pytest.mark.parametrize("is_key_der", [False, True], ids=["PEM", "DER"])
def test_what_counts_is_the_content_and_not_the_name(files, key, is_der, is_key_der):
    certificate = certify(key)
    loaded = load(*files(to_der(certificate) if is_der else certificate, der(key) if is_key_der else pem(key)))
    assert loaded.chain == (x509.load_pem_x509_certificate(certificate),)
    assert (loaded.key.private_numbers(), loaded.warnings) == (key.private_numbers(), ())


def test_a_key_in_der_may_be_of_the_older_kinds(files, key):
    for each in (key, rsa.generate_private_key(65537, 2048)):
        older = each.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        assert load(*files(certify(each), older)).key.private_numbers() == each.private_numbers()


@pytest.mark.parametrize("form", [pem, der], ids=["PEM", "DER"])
def test_an_ed25519_key_will_do_for_who_has_pinned_it(files, form):
    ed25519_key = ed25519.Ed25519PrivateKey.generate()
    paths = files(certify_ed25519(ed25519_key), form(ed25519_key))
    loaded = load(*paths)
    assert loaded.chain[0].public_key() == ed25519_key.public_key()
    (warning,) = loaded.warnings
    assert f"{paths[1]} is an Ed25519 key: some clients can't do that" in warning
    assert load(*paths, is_server=False).warnings == ()  # a client's, which chooses its servers


def test_an_ed25519_certificate_is_renewed_for_its_key(tmp_path):
    key = ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "h.key").write_bytes(pem(key))
    (tmp_path / "h.key").chmod(0o600)
    before = find_or_make(tmp_path, ("h",))
    renewed = certificates.renew_self_signed(tmp_path, ("h",))
    renewed.chain[0].verify_directly_issued_by(renewed.chain[0])
    assert renewed.chain != before.chain
    assert renewed.key.public_key() == key.public_key()


COMPLAINTS = {
    "mismatch": (certify, lambda _: pem(ec.generate_private_key(ec.SECP256R1())), "k.pem is not the key of .*c.pem"),
    "encrypted key": (
        certify,
        lambda key: pem(key, b"secret"),
        "k.pem is encrypted, .*`openssl pkey -in .*k.pem -out NEW`",
    ),
    "missing certificate": (lambda _: None, pem, "c.pem can't be read: No such file"),
    "missing key": (certify, lambda _: None, "k.pem can't be read: No such file"),
    "empty certificate": (lambda _: b"", pem, "c.pem is empty: there is no certificate in it$"),
    "empty key": (certify, lambda _: b"", "k.pem is empty: there is no private key in it$"),
    "certificate in place of a key": (
        certify,
        certify,
        "k.pem has no private key in PEM or DER form, but a certificate: ",
    ),
    "key in place of a certificate": (pem, pem, "c.pem has no certificate in PEM or DER form, but a private key: "),
    "broken certificate": (
        lambda key: certify(key)[:200],
        pem,
        "c.pem has a certificate in PEM form that is damaged: ",
    ),
    "not text": (lambda _: bytes(range(256)), pem, "c.pem has no certificate in PEM or DER form$"),
    "Ed448": (certify, lambda _: pem(ed448.Ed448PrivateKey.generate()), "k.pem is neither an ECDSA nor an RSA nor an"),
    "encrypted key in DER": (
        certify,
        lambda key: der(key, b"secret"),
        "k.pem is encrypted, .*`openssl pkey -in .*k.pem -out NEW`",
    ),
    "DER and more": (lambda key: to_der(certify(key)) + b"x", pem, "c.pem has no certificate in PEM or DER form$"),
    "a key in DER and more": (certify, lambda key: der(key)[:-1], "k.pem has no private key in PEM or DER form$"),
}


@pytest.mark.parametrize(("certificate", "key_pem", "complaint"), COMPLAINTS.values(), ids=COMPLAINTS)
def test_a_complaint_names_the_file(files, key, certificate, key_pem, complaint):
    paths = files(certificate(key), key_pem(key))
    with pytest.raises(CertificateError, match=complaint):
        load(*paths)


def test_a_directory_is_no_certificate(tmp_path):
    with pytest.raises(CertificateError, match="can't be read: Is a directory"):
        load(tmp_path, tmp_path)


@need_user
def test_a_key_that_may_not_be_read_is_named(files, key):
    with pytest.raises(CertificateError, match=r"k.pem can't be read: Permission denied"):
        load(files(certify(key), None)[0], files(None, pem(key), 0)[1])


WARNINGS = {
    "expired": ({"end": NOW - DAY / 24}, 0o600, "c.pem expired on"),
    "expires soon": ({"start": NOW - 300 * DAY, "end": NOW + 29 * DAY}, 0o600, "c.pem expires on"),
    "not yet": ({"start": NOW + DAY}, 0o600, "c.pem is not valid before"),
    "readable by others": ({}, 0o644, "k.pem can be read or changed by everyone: chmod 600"),
    "writable by others": ({}, 0o602, "k.pem can be read or changed by everyone"),
}


@pytest.mark.parametrize(("dates", "mode", "warning"), WARNINGS.values(), ids=WARNINGS)
def test_what_is_worth_a_look(files, key, dates, mode, warning):
    (found,) = load(*files(certify(key, **dates), pem(key), mode)).warnings
    assert warning in found


@pytest.mark.parametrize(("dates", "mode"), [({"end": NOW + 31 * DAY}, 0o600), ({}, 0o640), ({}, 0o400)])
def test_what_is_not(files, key, dates, mode):
    assert load(*files(certify(key, **dates), pem(key), mode)).warnings == ()
