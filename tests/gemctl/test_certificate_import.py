"""`gemctl cert import`, as an operator uses it."""

import datetime
import os
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gemd.gemctl.__main__ import main
from gemd.system.certificates import find_or_make, load, make_self_signed
from tests.conftest import need_root

DAY = datetime.timedelta(days=1)
HOSTS = """
[[host]]
name = "example.org"
aliases = ["www.example.org"]
root = "/srv"

[[host]]
name = "other.example"
root = "/srv"
"""
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


@pytest.fixture
def kept(tmp_path):
    """Where gemd keeps its certificates."""
    return tmp_path / "kept"


@pytest.fixture
def take(tmp_path, kept, capsys, monkeypatch):
    """Run `gemctl cert import` where the other server was; its exit code, what it printed, and what it said."""
    (tmp_path / "old").mkdir()
    monkeypatch.chdir(tmp_path / "old")
    conf = tmp_path / "gemd.conf"
    conf.write_text(f'[tls]\ncertificates = "{kept}"\n{HOSTS}')

    def take(*arguments, more=""):
        conf.write_text(conf.read_text() + more)
        code = main(["cert", "import", *map(str, arguments), "-c", str(conf)])
        return code, *capsys.readouterr()

    return take


@pytest.fixture
def put(tmp_path):
    """Write a certificate and its key as another server has them; the certificate's fingerprint."""

    def put(certificate, key, names=("example.org", "www.example.org"), form=DER, secret=None, made=None):
        secret = secret or ec.generate_private_key(ec.SECP256R1())
        made = made or make_self_signed(secret, names)
        for name in (certificate, key):
            (tmp_path / "old" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "old" / certificate).write_bytes(made.public_bytes(form))
        (tmp_path / "old" / key).write_bytes(
            secret.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return made.fingerprint(hashes.SHA256()).hex()

    return put


AGATE = ".certificates/cert.der", ".certificates/key.der"


def agate_for(name):
    return f".certificates/{name}/cert.der", f".certificates/{name}/key.der"


def fingerprint_of(kept, name="example.org"):
    return load(kept / f"{name}.crt", kept / f"{name}.key").fingerprint


def test_each_host_has_what_it_had_with_agate(take, put, kept, tmp_path):
    one, two = put(*agate_for("example.org")), put(*agate_for("other.example"), names=("other.example",))
    code, printed, said = take("agate")
    assert (code, said) == (0, "")
    assert (fingerprint_of(kept), fingerprint_of(kept, "other.example")) == (one, two)
    first, second, third = printed.splitlines()[:3]
    place = f"{tmp_path}/old/.certificates/example.org/cert.der"
    assert first == f"imported {place} with its key for example.org, as {kept}/example.org.crt"
    assert second.startswith("it names example.org, www.example.org, and ends on 21")
    assert second.endswith("; its key is ECDSA P-256")
    assert third == f"clients that have pinned it, with the SHA-256 fingerprint {one}, notice nothing"
    assert printed.splitlines()[-1] == "to show it to clients: gemctl reload, or start gemd"
    for suffix, mode in (("crt", 0o644), ("key", 0o600)):
        path = kept / f"example.org.{suffix}"
        assert stat.S_IMODE(path.stat().st_mode) == mode
        assert path.read_bytes().startswith(b"-----BEGIN ")
    assert sorted(os.listdir(kept)) == ["example.org.crt", "example.org.key", "other.example.crt", "other.example.key"]


def test_one_for_all_is_for_those_that_it_names(take, put, kept):
    shown = put(*AGATE)
    assert take("agate")[0] == 0
    assert fingerprint_of(kept) == shown
    assert not (kept / "other.example.crt").exists()


def test_one_that_names_none_of_several_needs_to_be_told_whose_it_is(take, put, kept):
    shown = put(*AGATE, names=("elsewhere.example",))
    code, printed, said = take("agate")
    assert (code, printed) == (1, "")
    assert said.endswith(".certificates/cert.der names elsewhere.example: say --host NAME for one\n")
    code, printed, said = take("agate", "--host", "www.example.org")
    assert code == 0
    assert fingerprint_of(kept) == shown
    assert f"gemctl: warning: {kept}/example.org.crt does not name example.org, www.example.org, which " in said
    assert "`gemctl cert renew example.org` makes another for its key" in said


def test_renew_afterwards_is_for_the_same_key(take, put, kept, tmp_path):
    put(*AGATE, names=("elsewhere.example",))
    take("agate", "--host", "example.org")
    before = load(kept / "example.org.crt", kept / "example.org.key")
    assert main(["cert", "renew", "example.org", "-c", str(tmp_path / "gemd.conf")]) == 0
    after = load(kept / "example.org.crt", kept / "example.org.key", ("example.org",))
    assert after.warnings == ()
    assert after.key.public_key() == before.key.public_key()


@pytest.mark.parametrize(
    ("source", "files", "form"),
    [
        ("gmcapsule", (".certs/example.org/cert.pem", ".certs/example.org/key.pem"), PEM),
        ("lineage", ("lineage/fullchain.pem", "lineage/privkey.pem"), PEM),
        ("x.crt", ("x.crt", "x.key"), PEM),
        ("x.der", ("x.der", "x.key"), DER),
    ],
)
def test_others_have_it_elsewhere(take, put, kept, source, files, form):
    shown = put(*files, form=form)
    assert take(source, "--host", "example.org")[0] == 0
    assert fingerprint_of(kept) == shown


def test_a_file_with_both_and_one_with_its_key_elsewhere(take, put, kept, tmp_path):
    shown = put("c.pem", "k.pem", form=PEM)
    assert take("c.pem", "--key", "k.pem")[0] == 0
    both = tmp_path / "old/both.pem"
    both.write_bytes((tmp_path / "old/c.pem").read_bytes() + (tmp_path / "old/k.pem").read_bytes())
    for path in kept.iterdir():
        path.unlink()
    assert take("both.pem")[0] == 0
    assert fingerprint_of(kept) == shown


def test_what_gemd_has_shown_stays_unless_it_is_said_that_it_shall_not(take, put, kept):
    former = find_or_make(kept, ("example.org",)).fingerprint
    key = (kept / "example.org.key").read_bytes()
    shown = put(*AGATE)
    code, printed, said = take("agate")
    assert (code, printed) == (1, "")
    assert said == (
        f"gemctl: {kept}/example.org.crt or its key is there already, by which clients may know example.org: --replace "
        f"puts the other one in its place, and keeps it as {kept}/example.org.crt.old\n"
    )
    assert fingerprint_of(kept) == former
    code, printed, said = take("agate", "--replace")
    assert (code, said) == (0, "")
    assert f"those that have pinned what was there, now {kept}/example.org.crt.old, will ask their users" in printed
    assert fingerprint_of(kept) == shown
    assert load(kept / "example.org.crt.old", kept / "example.org.key.old").fingerprint == former
    assert (kept / "example.org.key.old").read_bytes() == key
    assert stat.S_IMODE((kept / "example.org.key.old").stat().st_mode) == 0o600
    code, printed, _ = take("agate")
    assert (code, printed.splitlines()[0]) == (0, f"{kept}/example.org.crt is that certificate already")
    assert load(kept / "example.org.crt.old", kept / "example.org.key.old").fingerprint == former


def test_nothing_is_written_for_one_host_where_another_has_one(take, put, kept):
    put(*agate_for("example.org"))
    put(*agate_for("other.example"), names=("other.example",))
    find_or_make(kept, ("other.example",))
    assert take("agate")[0] == 1
    assert sorted(os.listdir(kept)) == ["other.example.crt", "other.example.key"]


def test_a_key_alone_is_not_overwritten(take, put, kept):
    kept.mkdir()
    (kept / "example.org.key").write_text("precious")
    put(*AGATE)
    assert take("agate")[0] == 1
    assert os.listdir(kept) == ["example.org.key"]
    assert take("agate", "--replace")[0] == 0
    assert (kept / "example.org.key.old").read_text() == "precious"


def test_a_full_disk_leaves_nothing(take, put, kept, monkeypatch):
    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    put(*AGATE)
    monkeypatch.setattr(os, "fsync", fail)
    code, _, said = take("agate")
    assert code == 1
    assert said.endswith("example.org.crt and its key: No space left on device\n")
    assert os.listdir(kept) == []
    monkeypatch.undo()


def test_what_comes_meanwhile_stays(take, put, kept, monkeypatch):
    real = os.link

    def lose_the_race(source, target, **options):
        if str(target).endswith(".crt"):
            target.write_text("another's")
        real(source, target, **options)

    put(*AGATE)
    monkeypatch.setattr(os, "link", lose_the_race)
    code, _, said = take("agate", "--host", "example.org")
    assert (code, "can't write " in said) == (1, True)
    assert os.listdir(kept) == ["example.org.crt"]
    assert (kept / "example.org.crt").read_text() == "another's"


# What can't be taken, and what is taken with a warning


def test_what_there_is_not(take, tmp_path):
    code, _, said = take("agate")
    assert code == 1
    assert said.startswith(
        "gemctl: no certificate of Agate with its key was found for example.org, other.example; looked in "
        f"{tmp_path}/old/.certificates/example.org, "
    )
    assert said.endswith(": name its file or directory\n")
    assert take("nowhere")[0] == 2


def test_a_key_of_another(take, put, kept, tmp_path):
    put(*AGATE)
    put("c", "k")
    (tmp_path / "old/k").rename(tmp_path / "old" / AGATE[1])
    code, printed, said = take("agate")
    assert (code, printed) == (1, "")
    assert ".certificates/key.der is not the key of " in said
    assert not kept.exists()


def test_a_short_key(take, put, kept):
    put(*AGATE, secret=rsa.generate_private_key(65537, 1024))
    code, _, said = take("agate")
    assert (code, "cert.der can't be used: its key is shorter than" in said) == (1, True)
    assert not kept.exists()


def test_ed25519_and_what_has_expired_are_taken_as_clients_have_pinned_it(take, put, kept):
    secret = ed25519.Ed25519PrivateKey.generate()
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example.org")])
    builder = x509.CertificateBuilder(name, name, secret.public_key(), 1, now - 2 * DAY, now - DAY)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("*.example.org")]), critical=False)
    shown = put(*AGATE, secret=secret, made=builder.sign(secret, None))
    code, _, said = take("agate", "--host", "example.org")
    assert code == 0
    assert fingerprint_of(kept) == shown
    assert "example.org.crt expired on " in said
    assert "example.org.key is an Ed25519 key: some clients can't do that" in said
    assert "does not name example.org, which" in said


def test_a_configured_certificate_is_not_gemds(take, put, tmp_path):
    put("x.crt", "x.key", form=PEM)
    pair = f'certificate = "{tmp_path}/old/x.crt"\nkey = "{tmp_path}/old/x.key"\n'
    code, _, said = take("x.crt", "--host", "third.example", more=f'[[host]]\nname="third.example"\nroot="/"\n{pair}')
    assert (code, "third.example: its certificate " in said) == (1, True)


def test_every_certificate_is_configured(take, put, tmp_path):
    put("x.crt", "x.key", form=PEM)
    pair = f'certificate = "{tmp_path}/old/x.crt"\nkey = "{tmp_path}/old/x.key"\n'
    conf = tmp_path / "gemd.conf"
    conf.write_text(f'[[host]]\nname="third.example"\nroot="/"\n{pair}')
    code, _, said = take("x.crt")
    assert (code, "put the other server's paths there" in said) == (1, True)


def test_elsewhere_without_a_configuration(put, take, tmp_path, monkeypatch, capsys):
    for module in ("certificate", "certificate_import", "options"):
        monkeypatch.setattr(f"gemd.gemctl.{module}.DEFAULT_CONFIG", tmp_path / "missing.conf")
    shown = put(*AGATE)
    assert main(["cert", "import", "agate", "--directory", str(tmp_path / "d")]) == 2
    assert "--directory takes --host NAME beside it" in capsys.readouterr().err
    assert main(["cert", "import", "agate", "--directory", str(tmp_path / "d"), "--host", "example.org"]) == 0
    assert fingerprint_of(tmp_path / "d") == shown


@need_root
class TestAsRoot:
    OWNER = 65534

    @pytest.mark.parametrize("is_there", [False, True])
    def test_it_belongs_to_who_has_to_read_it(self, take, put, kept, tmp_path, is_there):
        conf = tmp_path / "gemd.conf"
        if is_there:  # as a service manager makes it, for a user that it alone knows
            kept.mkdir(mode=0o700)
            os.chown(kept, self.OWNER, self.OWNER)
        else:
            conf.write_text('user = "nobody"\n' + conf.read_text())
        put(*AGATE)
        assert take("agate")[0] == 0
        for path in (kept, kept / "example.org.crt", kept / "example.org.key"):
            assert (path.stat().st_uid, path.stat().st_gid) == (self.OWNER, self.OWNER)
        put(*AGATE)
        assert take("agate", "--replace")[0] == 0
        for name in os.listdir(kept):
            assert (kept / name).stat().st_uid == self.OWNER
