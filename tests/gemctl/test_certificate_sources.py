"""Where the certificates of other servers are looked for."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gemd.gemctl.certificate_sources import WORDS, find_source
from gemd.gemctl.failure import Failure

HOST = ("example.org", "www.example.org")
KEY = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Where the other server was started, and a home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def put(place):
    """Make files."""

    def put(*names, content=b"", mode=0o600):
        for name in names:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
            (place / name).chmod(mode)

    return put


FOUND = {
    "agate's own": ("agate", ".certificates/example.org/cert.der", ".certificates/example.org/key.der", False),
    "agate's for all": ("agate", ".certificates/cert.der", ".certificates/key.der", True),
    "an alias": ("agate", ".certificates/www.example.org/cert.der", ".certificates/www.example.org/key.der", False),
    "gmcapsule": ("gmcapsule", ".certs/example.org/cert.pem", ".certs/example.org/key.pem", False),
    "gmcapsule at home": ("gmcapsule", "home/.certs/example.org/cert.pem", "home/.certs/example.org/key.pem", False),
    "molly-brown": ("molly-brown", "cert.pem", "key.pem", True),
    "gmid": (
        "gmid",
        "home/.local/share/gmid/example.org.pem",
        "home/.local/share/gmid/example.org.key",
        False,
    ),
    "a directory": ("old", "old/example.org.crt", "old/example.org.key", False),
    "a directory of directories": ("old", "old/example.org/cert.pem", "old/example.org/key.rsa", False),
    "agate's from above": ("old", "old/.certificates/cert.der", "old/.certificates/key.der", True),
    "a lineage": ("old", "old/fullchain.pem", "old/privkey.pem", True),
    "a file": ("old/x.crt", "old/x.crt", "old/x.key", True),
    "a file of agate's": ("old/cert.der", "old/cert.der", "old/key.der", True),
    "older agate's": ("old/cert.pem", "old/cert.pem", "old/key.rsa", True),
}


@pytest.mark.parametrize(("word", "certificate", "key", "is_shared"), FOUND.values(), ids=FOUND)
def test_each_server_has_its_place(put, place, word, certificate, key, is_shared):
    put(certificate, key)
    found = find_source(word, None).find(HOST)
    assert (found.certificate, found.key, found.is_shared) == (place / certificate, place / key, is_shared)


def test_what_is_a_hosts_own_goes_before_what_is_for_all(put, place):
    names = [f".certificates/{infix}{name}.der" for infix in ("", "example.org/") for name in ("cert", "key")]
    put(*names)
    assert find_source("agate", None).find(HOST).certificate == place / names[2]
    (place / names[3]).unlink()
    assert find_source("agate", None).find(HOST).certificate == place / names[0]


def test_gmcapsules_configuration_says_where(put, place):
    put("home/.gmcapsulerc", content=f"[server]\nhost = example.org\ncerts = {place}/elsewhere%\n".encode())
    put("elsewhere%/example.org/cert.pem", "elsewhere%/example.org/key.pem", ".certs/cert.pem", ".certs/key.pem")
    assert find_source("gmcapsule", None).find(HOST).certificate == place / "elsewhere%/example.org/cert.pem"
    for content in (b"nonsense", b"[server]\n", b"\xff"):
        put("home/.gmcapsulerc", content=content)
        assert find_source("gmcapsule", None).find(HOST).certificate == place / ".certs/cert.pem"


def test_a_key_in_the_file_or_by_its_name(put, place):
    put("both.pem", content=KEY)
    put("both.key", "other.key")
    assert find_source("both.pem", None).find(HOST).key == place / "both.pem"
    assert find_source("both.pem", place / "other.key").find(HOST).key == place / "other.key"
    put("agate", "agate.key")
    assert find_source("./agate", None).find(HOST).key == place / "agate.key"


@pytest.mark.parametrize(
    ("word", "key", "text"),
    [
        ("gone", None, f"gone is neither a file nor a directory, nor one of {', '.join(WORDS)}"),
        ("alone.pem", None, "alone.pem has no private key in it, and none beside it: --key FILE names it"),
        ("old", "k", "old is a directory, and --key goes with a certificate's file"),
    ],
)
def test_what_is_none(put, place, word, key, text):
    put("alone.pem", "old/x")
    with pytest.raises(Failure, match=text):
        find_source(word, place / key if key else None)


def test_where_it_was_looked(place):
    source = find_source("agate", None)
    assert source.find(HOST) is None
    assert source.places(HOST)[0] == f"{place}/.certificates/example.org"
    assert "/srv/gemini/.certificates" in source.places(HOST)


def test_what_others_can_have_put_there_is_left_alone(put, place, capsys):
    put("cert.pem", "k")
    (place / "key.pem").symlink_to(place / "k")
    assert find_source("molly-brown", None).find(HOST) is not None
    place.chmod(0o1777)
    assert find_source("molly-brown", None).find(HOST) is None
    assert "key.pem or its certificate may have been put there by another user" in capsys.readouterr().err
    assert find_source("cert.pem", None).find(HOST) is not None  # what is named is taken
