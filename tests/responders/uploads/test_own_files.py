"""The files that gemd reads."""

import msgspec

from gemd.config import parse_config
from gemd.config.origins import Origins
from gemd.responders.uploads.own_files import find_own_files


def test_what_decides_about_gemd(tmp_path):
    host = {
        "name": "h",
        "root": "capsule",
        "certificate": "h.crt",
        "key": "h.key",
        "titan": {"allow": {"ca": "writers.pem"}},
        "location": [
            {"path": "/a", "client-certificate": {"ca": "readers.pem"}},
            {"path": "/b", "client-certificate": {"ca": "readers.pem"}},
            {"path": "/c", "proxy": {"to": "gemini://[::1]", "ca": "servers.pem", "certificate": "me.crt", "key": "k"}},
        ],
    }
    tables = {"host": [host], "pid-file": "gemd.pid", "tls": {"ca-file": "all.pem", "ca-path": "authorities"}}
    config = parse_config(tables, base=tmp_path, source=str(tmp_path / "gemd.conf"), cpus=1)
    names = [
        "gemd.conf",
        "all.pem",
        "authorities",
        "gemd.pid",
        "gemd.pid.lock",
        "h.crt",
        "readers.pem",
        "servers.pem",
        "me.crt",
        "writers.pem",
    ]
    assert list(find_own_files(config)) == [str(tmp_path / name) for name in names]
    shut_in = msgspec.structs.replace(config.service, chroot=str(tmp_path))
    assert list(find_own_files(msgspec.structs.replace(config, service=shut_in))) == []


def test_what_is_included_decides_too(tmp_path):
    origins = Origins(tmp_path)
    origins.files += [str(tmp_path / "a.conf")]
    tables = {"host": [{"name": "h", "root": "/srv"}]}
    config = parse_config(tables, base=tmp_path, source=None, cpus=1, origins=origins)
    assert next(iter(find_own_files(config))) == str(tmp_path / "a.conf")


def test_there_may_be_none(tmp_path):
    host = {"name": "h", "root": "/srv"}
    tables = {"listen": [{"address": "127.0.0.1:1965", "tls": False}], "host": [host]}
    config = parse_config(tables, base=tmp_path, source=None, cpus=1)
    assert list(find_own_files(config)) == []


def test_a_certificate_that_is_made_is_one_of_them(tmp_path):
    hosts = [{"name": "h", "root": "/srv"}, {"name": "::1", "root": "/srv"}]
    tables = {"host": hosts, "tls": {"certificates": "made"}}
    config = parse_config(tables, base=tmp_path, source=None, cpus=1)
    assert list(find_own_files(config)) == [str(tmp_path / "made" / name) for name in ("h.crt", "__1.crt")]


def test_the_configuration_is_known_by_its_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = parse_config({"host": [{"name": "h", "root": "/srv"}]}, base=tmp_path, source="etc/gemd.conf", cpus=1)
    assert next(find_own_files(config)) == str(tmp_path / "etc/gemd.conf")
