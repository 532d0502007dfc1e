"""`gemctl cert`, as an operator uses it."""

import datetime
import os
import stat
from ipaddress import ip_address

import pytest
import trustme
from cryptography import x509

from gemd.config import Host
from gemd.gemctl.__main__ import main
from gemd.gemctl.certificate import describe_certificate, say_days
from gemd.system import certificates
from gemd.system.certificate_facts import CertificateFacts, read_facts
from gemd.system.certificates import certificate_paths, find_or_make
from tests.conftest import need_root

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime(2026, 11, 23, 12, 0, 0, tzinfo=datetime.UTC)
FACTS = CertificateFacts(("h", "*.h"), "ECDSA P-256", NOW - DAY, NOW + 30 * DAY, "a1" * 32, "b2" * 32)
HOSTS = """
[[host]]
name = "example.org"
aliases = ["www.example.org", "::1"]
root = "/srv"

[[host]]
name = "*.bücher.example"
root = "/srv"
"""


@pytest.fixture
def kept(tmp_path):
    """Where gemd keeps its certificates."""
    return tmp_path / "kept"


@pytest.fixture
def cert(tmp_path, kept, capsys):
    """Run `gemctl cert` with a configuration; return its exit code, what it printed, and what it said."""
    conf = tmp_path / "gemd.conf"
    conf.write_text(f'[tls]\ncertificates = "{kept}"\n{HOSTS}')

    def cert(*arguments, more=""):
        if more:
            conf.write_text(conf.read_text() + more)
        code = main(["cert", *map(str, arguments), "-c", str(conf)])
        return code, *capsys.readouterr()

    return cert


@pytest.fixture
def issued(tmp_path):
    """A host whose certificate an authority has issued, as the configuration has it."""
    authority = trustme.CA()
    leaf = authority.issue_cert("issued.example", not_after=datetime.datetime.now(datetime.UTC) + 20 * DAY)
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "issued.pem"))
    path = f'"{tmp_path}/issued.pem"'
    return f'[[host]]\nname = "issued.example"\nroot = "/srv"\ncertificate = {path}\nkey = {path}\n'


def names_of(path):
    san = read_san(path)
    return san.get_values_for_type(x509.DNSName) + san.get_values_for_type(x509.IPAddress)


def read_san(path):
    return load(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def load(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


# new


def test_new_makes_what_gemd_would_make(cert, kept):
    code, printed, said = cert("new", "WWW.example.org")
    assert (code, said) == (0, "")
    made = find_or_make(kept, ("example.org", "www.example.org", "::1"))
    assert made.warnings == ()
    assert printed == (
        f"made {kept}/example.org.crt for example.org, www.example.org, ::1, "
        f"with the SHA-256 fingerprint {made.fingerprint}\n"
    )
    assert sorted(os.listdir(kept)) == ["example.org.crt", "example.org.key"]


def test_new_says_what_it_has_added(cert, kept, tmp_path):
    code, printed, said = cert("new", "localhost", "--directory", tmp_path / "d")
    assert (code, said) == (0, "")
    first, second = printed.splitlines()
    assert first.startswith(f"made {tmp_path}/d/localhost.crt for localhost, with ")
    assert second == "also in it, as localhost has them: 127.0.0.1, ::1"
    more = '[[host]]\nname = "localhost"\naliases = ["127.0.0.1"]\nroot = "/srv"\n'
    assert cert("new", "localhost", more=more)[1].splitlines()[1:] == ["also in it, as localhost has them: ::1"]


def test_new_for_an_international_wildcard(cert, kept):
    assert cert("new", "*.bücher.example")[0] == 0
    assert names_of(kept / "+.xn--bcher-kva.example.crt") == ["*.xn--bcher-kva.example"]


def test_new_never_replaces(cert, kept):
    cert("new", "example.org")
    before = (kept / "example.org.crt").read_bytes()
    code, printed, said = cert("new", "example.org")
    assert (code, printed) == (1, "")
    assert said.startswith(f"gemctl: {kept}/example.org.crt is there already; `gemctl cert renew example.org`")
    assert (kept / "example.org.crt").read_bytes() == before


def test_new_for_a_key_that_is_there(cert, kept):
    cert("new", "example.org")
    before = load(kept / "example.org.crt").public_key()
    (kept / "example.org.crt").unlink()
    assert cert("new", "example.org")[0] == 0
    assert load(kept / "example.org.crt").public_key() == before


def test_new_elsewhere(cert, tmp_path, kept):
    assert cert("new", "example.org", "--directory", tmp_path / "d")[0] == 0
    assert names_of(tmp_path / "d/example.org.crt") == ["example.org", "www.example.org", ip_address("::1")]
    assert cert("new", "other.example", "--directory", tmp_path / "d")[0] == 0
    assert names_of(tmp_path / "d/other.example.crt") == ["other.example"]
    assert not kept.exists()


def test_new_elsewhere_needs_no_configuration(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("gemd.gemctl.certificate.DEFAULT_CONFIG", tmp_path / "missing.conf")
    monkeypatch.setattr("gemd.gemctl.options.DEFAULT_CONFIG", tmp_path / "missing.conf")
    assert main(["cert", "new", "example.org", "--directory", str(tmp_path / "d")]) == 0
    assert names_of(tmp_path / "d/example.org.crt") == ["example.org"]
    assert main(["cert", "new", "example.org"]) == 3
    assert "missing.conf: can't be read" in capsys.readouterr().err


def test_new_where_nothing_can_be_made(cert, tmp_path):
    (tmp_path / "file").touch()
    code, _, said = cert("new", "example.org", "--directory", tmp_path / "file/d")
    assert (code, said.startswith("gemctl: can't make a certificate in ")) == (1, True)


@need_root
class TestAsRoot:
    OWNER = 65534

    def test_new_is_readable_to_the_user_whom_gemd_becomes(self, cert, kept, tmp_path):
        conf = tmp_path / "gemd.conf"
        conf.write_text('user = "nobody"\n' + conf.read_text())
        assert cert("new", "example.org")[0] == 0
        for path, mode in ((kept, 0o700), (kept / "example.org.crt", 0o644), (kept / "example.org.key", 0o600)):
            entry = path.stat()
            assert (entry.st_uid, stat.S_IMODE(entry.st_mode)) == (self.OWNER, mode)

    @pytest.mark.parametrize("line", ['user = "root"', 'user = "nobody"\nmaster-user = "root"'])
    def test_new_stays_roots_where_the_master_does(self, cert, kept, tmp_path, line):
        conf = tmp_path / "gemd.conf"
        conf.write_text(f"{line}\n" + conf.read_text())
        assert cert("new", "example.org")[0] == 0
        assert (kept / "example.org.key").stat().st_uid == 0

    def test_new_belongs_to_whose_the_directory_is(self, cert, kept, tmp_path, capsys):
        """As it is where a service manager starts gemd as its user, and the configuration has none."""
        kept.mkdir(mode=0o700)
        os.chown(kept, self.OWNER, self.OWNER)
        assert cert("new", "example.org")[0] == 0
        assert main(["cert", "new", "other.example", "--directory", str(kept)]) == 0
        for name in os.listdir(kept):
            assert ((kept / name).stat().st_uid, (kept / name).stat().st_gid) == (self.OWNER, self.OWNER)

    def test_a_key_that_was_roots_before_is_told(self, cert, kept):
        cert("new", "example.org")
        os.chown(kept, self.OWNER, self.OWNER)
        code, _, said = cert("renew", "example.org")
        assert (code, (kept / "example.org.crt").stat().st_uid) == (0, self.OWNER)
        assert said == (
            f"gemctl: {kept}/example.org.key is root's, and {kept} is not: who that belongs to can't read the key; "
            f"chown --reference={kept} {kept}/example.org.key\n"
        )
        (kept / "example.org.crt").unlink()
        assert "chown --reference=" in cert("new", "example.org")[2]

    def test_renew_leaves_owner_and_mode(self, cert, kept):
        cert("new", "example.org")
        os.chown(kept / "example.org.crt", self.OWNER, self.OWNER)
        (kept / "example.org.crt").chmod(0o440)
        assert cert("renew", "example.org")[0] == 0
        for name in ("example.org.crt", "example.org.crt.old"):
            entry = (kept / name).stat()
            assert (entry.st_uid, entry.st_gid, stat.S_IMODE(entry.st_mode)) == (self.OWNER, self.OWNER, 0o440)

    def test_a_user_who_does_not_exist(self, cert, tmp_path):
        conf = tmp_path / "gemd.conf"
        conf.write_text('user = "no-such-user"\n' + conf.read_text())
        code, _, said = cert("new", "example.org")
        assert (code, "there is no user 'no-such-user'" in said) == (3, True)


# renew


def test_renew_keeps_the_key_and_the_old_certificate(cert, kept):
    cert("new", "example.org")
    path = kept / "example.org.crt"
    before, key = path.read_bytes(), (kept / "example.org.key").read_bytes()
    known = read_facts(path)
    code, printed, said = cert("renew", "example.org")
    assert (code, said) == (0, "")
    renewed = read_facts(path)
    assert renewed.public_key_fingerprint == known.public_key_fingerprint
    assert renewed.fingerprint != known.fingerprint
    assert renewed.fingerprint in printed
    assert "gemctl reload" in printed
    assert (kept / "example.org.crt.old").read_bytes() == before
    assert (kept / "example.org.key").read_bytes() == key
    assert sorted(os.listdir(kept)) == ["example.org.crt", "example.org.crt.old", "example.org.key"]


def test_renew_takes_the_names_of_the_configuration(cert, kept):
    find_or_make(kept, ("example.org",))
    assert cert("renew", "example.org")[0] == 0
    assert names_of(kept / "example.org.crt") == ["example.org", "www.example.org", ip_address("::1")]


def test_renew_twice_keeps_the_one_before(cert, kept):
    cert("new", "example.org")
    cert("renew", "example.org")
    before = (kept / "example.org.crt").read_bytes()
    assert cert("renew", "example.org")[0] == 0
    assert (kept / "example.org.crt.old").read_bytes() == before


def test_renew_without_anything_to_renew(cert, kept):
    code, _, said = cert("renew", "example.org")
    assert (code, said) == (1, f"gemctl: {kept}/example.org.crt is not there; `gemctl cert new example.org` makes it\n")


def test_renew_without_the_key_changes_nothing(cert, kept):
    cert("new", "example.org")
    (kept / "example.org.key").unlink()
    before = (kept / "example.org.crt").read_bytes()
    code, _, said = cert("renew", "example.org")
    assert (code, "example.org.key can't be read: No such file" in said) == (1, True)
    assert os.listdir(kept) == ["example.org.crt"]
    assert (kept / "example.org.crt").read_bytes() == before


def test_renew_leaves_what_an_authority_issued(cert, kept):
    kept.mkdir()
    leaf = trustme.CA().issue_cert("example.org")
    leaf.cert_chain_pems[0].write_to_path(str(kept / "example.org.crt"))
    leaf.private_key_pem.write_to_path(str(kept / "example.org.key"))
    code, _, said = cert("renew", "example.org")
    assert (code, "example.org.crt is not self-signed: renew it where it was issued" in said) == (1, True)


def test_a_full_disk_leaves_the_old_one(cert, kept, monkeypatch):
    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    cert("new", "example.org")
    before = (kept / "example.org.crt").read_bytes()
    monkeypatch.setattr(certificates.os, "fsync", fail)
    code, _, said = cert("renew", "example.org")
    assert (code, "example.org.crt: No space left on device" in said) == (1, True)
    assert sorted(os.listdir(kept)) == ["example.org.crt", "example.org.key"]
    assert (kept / "example.org.crt").read_bytes() == before


@pytest.mark.parametrize("action", ["new", "renew"])
def test_a_configured_certificate_is_not_gemds(cert, issued, action):
    code, _, said = cert(action, "issued.example", more=issued)
    assert (code, "is configured, and not gemd's to make or renew" in said) == (1, True)


# show


def test_show_everything(cert, kept, issued, tmp_path):
    made = find_or_make(kept, ("example.org", "www.example.org"))
    code, printed, said = cert("show", more=issued)
    assert code == 1
    assert said.startswith("gemctl: *.xn--bcher-kva.example: no certificate yet: gemd makes one when it starts")
    first, second = printed.split("\n\n")
    assert first.startswith(f"example.org\n  certificate  {kept}/example.org.crt (self-signed, kept by gemd)\n")
    assert "  names        example.org, www.example.org\n  lacks        ::1\n  key          ECDSA P-256\n" in first
    assert f"  fingerprint  SHA256:{made.fingerprint}\n  public key   SPKI-SHA256:" in first
    assert second.startswith(f"issued.example\n  certificate  {tmp_path}/issued.pem (configured)\n")
    assert "(19 days left)" in second


def test_show_one_by_any_of_its_names(cert, kept):
    find_or_make(kept, ("example.org", "www.example.org", "::1"))
    for name in ("example.org", "www.example.org", "::1", "[::1]"):
        code, printed, said = cert("show", name)
        assert (code, said) == (0, "")
        assert printed.startswith("example.org\n")
        assert "lacks" not in printed


def test_show_as_records_for_the_dns(cert, kept, issued, tmp_path):
    find_or_make(kept, ("example.org", "www.example.org", "::1"))
    code, printed, said = cert("show", "--tlsa", more=issued)
    own, other = (
        read_facts(path).public_key_fingerprint for path in (kept / "example.org.crt", tmp_path / "issued.pem")
    )
    assert printed == (
        f"_1965._tcp.example.org. IN TLSA 3 1 1 {own}\n"
        f"_1965._tcp.www.example.org. IN TLSA 3 1 1 {own}\n"
        f"_1965._tcp.issued.example. IN TLSA 3 1 1 {other}\n"
    )
    assert code == 1  # for the host that has no certificate yet
    first, second = said.splitlines()
    assert first == "gemctl: ::1: no record for an address"
    assert second.startswith("gemctl: *.xn--bcher-kva.example: no certificate yet")
    assert cert("show", "--tlsa", "issued.example")[:2] == (0, printed.splitlines(keepends=True)[-1])


@pytest.mark.parametrize("action", ["show", "new", "renew"])
def test_a_host_that_is_not_configured(cert, action):
    code, _, said = cert(action, "other.example")
    assert (code, "has no host other.example; it has example.org, *.xn--bcher-kva.example" in said) == (2, True)


def test_what_can_be_no_host(cert):
    code, _, said = cert("show", "a b\x1b")
    assert (code, said.startswith("gemctl: a b\\x1b can't be a host: ")) == (2, True)


def test_what_is_no_certificate(cert, kept):
    find_or_make(kept, ("example.org",))
    (kept / "example.org.crt").write_text("nothing")
    code, printed, said = cert("show", "example.org")
    assert (code, printed) == (1, "")
    assert f"gemctl: example.org: {kept}/example.org.crt has no certificate in PEM or DER form\n" in said


def test_a_configuration_that_is_wrong(cert):
    code, _, said = cert("show", more="[[host]]\n")
    assert (code, 'host[3]: needs the key "name"' in said) == (3, True)


def test_a_certificate_in_words(tmp_path):
    assert describe_certificate(Host(name="h", aliases=("a.h", "g")), tmp_path / "h.crt", FACTS, NOW) == (
        f"""h
  certificate  {tmp_path}/h.crt (self-signed, kept by gemd)
  names        h, *.h
  lacks        g
  key          ECDSA P-256
  not before   2026-11-22 12:00:00 UTC
  not after    2026-12-23 12:00:00 UTC (30 days left)
  fingerprint  SHA256:{"a1" * 32}
  public key   SPKI-SHA256:{"b2" * 32}
"""
    )


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (-2, "not valid yet"),
        (0, "30 days left"),
        (29.5, "0 days left"),
        (31.5, "expired 1 day ago"),
        (40, "expired 10 days ago"),
    ],
)
def test_days(days, text):
    assert say_days(FACTS, NOW + days * DAY) == text


@pytest.mark.parametrize("name", ["example.org", "*.example.org", "::1"])
def test_the_paths_are_those_of_the_server(tmp_path, name):
    made = find_or_make(tmp_path, (name,))
    path, key = certificate_paths(tmp_path, name)
    assert path == made.path
    assert key.exists()


def test_who_has_the_rest_has_no_certificate_of_its_own(cert, kept):
    more = "[[host]]\nname = '*'\nroot = '/srv'\n"
    assert cert("new", "example.org", more=more)[0] == 0
    code, printed, _ = cert("show")
    assert "*.xn--" not in printed.partition("example.org")[0]
    for action in ("show", "new", "renew"):
        code, _, said = cert(action, "*")
        assert code
        assert "has the certificate of the first host" in said
    code, _, said = cert("new", "*", "--directory", kept)
    assert code
    assert "has the certificate of the first host" in said


def test_variables_stand_for_a_file_that_there_is_not(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("gemd.gemctl.certificate.DEFAULT_CONFIG", tmp_path / "missing.conf")
    monkeypatch.setattr("gemd.gemctl.options.DEFAULT_CONFIG", tmp_path / "missing.conf")
    variables = {"NAME": "example.org", "ROOT": str(tmp_path)}
    for name, value in variables.items():
        monkeypatch.setenv(f"GEMD_HOST_{name}", value)
    monkeypatch.setenv("GEMD_TLS_CERTIFICATES", str(tmp_path / "kept"))
    assert main(["cert", "new", "example.org"]) == 0
    assert (tmp_path / "kept/example.org.crt").exists()
    assert main(["cert", "show", "other.example"]) == 2
    assert "the environment has no host other.example; it has example.org" in capsys.readouterr().err
    monkeypatch.delenv("GEMD_HOST_NAME")
    monkeypatch.delenv("GEMD_HOST_ROOT")
    assert main(["cert", "show"]) == 3
    assert "missing.conf: can't be read" in capsys.readouterr().err
