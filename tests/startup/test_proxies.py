"""What passing requests on takes of this machine."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gemd.startup.proxies import (
    find_known_servers,
    find_proxies,
    find_proxy_authorities,
    find_proxy_certificates,
    load_proxy_certificates,
    meets_servers,
    open_servers_met,
)
from gemd.system.certificates import CertificateError, find_or_make
from gemd.system.privileges import Identity

TO = "gemini://127.0.0.1:1966"


@pytest.fixture
def proxied(configure):
    """A configuration of one host that has these keys in its `proxy` table."""
    return lambda **keys: configure(host=[{"name": "h", "proxy": {"to": TO, **keys}}])


@pytest.mark.parametrize(
    ("keys", "is_met"),
    [
        ({}, True),
        ({"fingerprint": "ab" * 32}, False),
        ({"ca": "/ca.pem"}, False),
        ({"to": "http://127.0.0.1:8000"}, False),
    ],
)
def test_who_is_trusted_at_first_sight(proxied, tmp_path, keys, is_met):
    config = proxied(**keys)
    assert [where for where, _ in find_proxies(config)] == ["host[1]"]
    assert meets_servers(config) == is_met
    path = tmp_path / "certificates" / "known_servers"
    assert find_known_servers(config) == (str(path) if is_met else None)
    opened = open_servers_met(config, None)
    assert (opened is not None) == path.exists() == is_met
    if opened is not None:
        opened.close()
    assert dict(find_proxy_authorities(config)) == ({"host[1].proxy.ca": keys["ca"]} if "ca" in keys else {})


def test_the_file_is_for_who_serves(proxied, tmp_path):
    owner = Identity("somebody", os.getuid(), os.getgid(), (), "/")
    opened = open_servers_met(proxied(), owner)
    assert os.fstat(opened.fileno()).st_uid == os.getuid()
    opened.close()


def test_nothing_is_needed_where_nothing_is_passed_on(configure):
    config = configure()
    assert not meets_servers(config)
    assert find_known_servers(config) is open_servers_met(config, None) is None
    assert load_proxy_certificates(config) == {}


def test_certificates_are_loaded_with_their_keys(proxied, tmp_path):
    made = find_or_make(tmp_path, ("gemd",))
    certificate, key = str(made.path), str(made.path.with_suffix(".key"))
    config = proxied(certificate=certificate, key=key)
    assert find_proxy_certificates(config) == {certificate: key}
    assert load_proxy_certificates(config)[certificate].fingerprint == made.fingerprint
    with pytest.raises(CertificateError, match=r"none\.pem"):
        load_proxy_certificates(proxied(certificate="/none.pem", key=key))
    other = find_or_make(tmp_path, ("other",))
    with pytest.raises(CertificateError, match="is not the key of"):
        load_proxy_certificates(proxied(certificate=certificate, key=str(other.path.with_suffix(".key"))))


def test_an_ed25519_key_is_a_matter_of_the_server_that_is_asked(proxied, tmp_path):
    secret = ed25519.Ed25519PrivateKey.generate()
    pem = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "gemd.key").write_bytes(pem)
    (tmp_path / "gemd.key").chmod(0o600)
    certificate, key = str(find_or_make(tmp_path, ("gemd",)).path), str(tmp_path / "gemd.key")
    assert load_proxy_certificates(proxied(certificate=certificate, key=key))[certificate].warnings == ()
