"""Which files are read for a generation."""

import pytest

from gemd.startup.files import find_authorities, read_files
from gemd.system.certificates import CertificateError
from tests.support.certificate_chains import Link


def test_authorities_of_all_places_are_read_each_once(configure, root, tmp_path):
    for name in ("all.pem", "one.pem"):
        (tmp_path / name).write_bytes(Link(name).pem)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.pem").write_bytes(Link("a").pem + Link("b").pem)
    rule = {"client-certificate": {"ca": "one.pem"}}
    host = {"name": "localhost", "root": str(root), "location": [{"path": "/a", **rule}, {"path": "/b", **rule}]}
    config = configure(host=[host], tls={"ca-file": "all.pem", "ca-path": "more"})
    assert [(key, path.rpartition("/")[2]) for key, path in find_authorities(config)] == [
        ("tls.ca-file", "all.pem"),
        ("tls.ca-path", "more"),
        ("host[1].location[1].client-certificate.ca", "one.pem"),
        ("host[1].location[2].client-certificate.ca", "one.pem"),
    ]
    found = read_files(config)
    assert {path.rpartition("/")[2]: len(several) for path, several in found.authorities.items()} == {
        "all.pem": 1,
        "more": 2,
        "one.pem": 1,
    }
    assert found.mime_table[".gmi"] == "text/gemini"


def test_authorities_that_vouch_for_servers_behind_are_read_too(configure, tmp_path):
    (tmp_path / "ca.pem").write_bytes(Link().pem)
    config = configure(host=[{"name": "h", "proxy": {"to": "gemini://192.0.2.1", "ca": "ca.pem"}}])
    assert list(find_authorities(config)) == [("host[1].proxy.ca", str(tmp_path / "ca.pem"))]
    assert list(read_files(config).authorities) == [str(tmp_path / "ca.pem")]


def test_authorities_that_vouch_for_who_uploads_are_read_too(configure, root, tmp_path):
    (tmp_path / "ca.pem").write_bytes(Link().pem)
    host = {"name": "h", "root": str(root), "titan": {"allow": {"ca": "ca.pem"}}}
    assert list(find_authorities(configure(host=[host]))) == [("host[1].titan.allow.ca", str(tmp_path / "ca.pem"))]


def test_without_authorities_there_are_media_types_alone(configure):
    found = read_files(configure())
    assert found.authorities == {}
    assert found.mime_table


def test_authorities_that_can_not_be_read_are_a_failure(configure, tmp_path):
    with pytest.raises(CertificateError, match=r"none\.pem") as caught:
        read_files(configure(tls={"ca-file": str(tmp_path / "none.pem")}))
    assert caught.value.key == "tls.ca-file"
