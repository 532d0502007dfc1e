"""Where uploads wait that are for a program."""

import os

import msgspec
import pytest

from gemd.config import ConfigError
from gemd.startup import upload_spool
from gemd.startup.upload_spool import find_missing_spool, find_worker, needs_spool, open_upload_spool
from gemd.system.privileges import Identity, find_identity

TITAN = {"titan": {"allow": "any"}}


@pytest.fixture
def host(root):
    return {"name": "localhost", "root": str(root)}


@pytest.fixture
def program(configure, host):
    """A configuration where a program takes uploads."""
    return lambda **keys: configure(host=[{**host, "cgi": ".", **TITAN}], **keys)


def open_path(config):
    spool = open_upload_spool(config)
    try:
        return spool.path
    finally:
        spool.close()


@pytest.mark.parametrize(
    ("keys", "needs"), [({}, False), (TITAN, False), ({"cgi": "."}, False), ({"cgi": ".", **TITAN}, True)]
)
def test_it_is_opened_where_it_is_needed(configure, host, keys, needs, tmp_path):
    config = configure(host=[{**host, **keys}], upload_spool=str(tmp_path / "none"))
    assert needs_spool(config) == needs
    assert bool(find_missing_spool(config)) == needs
    if not needs:
        assert open_upload_spool(config) is None


def test_one_that_is_named_is_the_one(program, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/")
    assert open_path(program(upload_spool=".")) == str(tmp_path)


def test_else_it_is_the_first_that_will_do(program, tmp_path, monkeypatch):
    second = tmp_path / "second"
    monkeypatch.setattr(upload_spool, "_COMMON", (str(tmp_path / "first"), str(second)))
    monkeypatch.delenv("TMPDIR", raising=False)
    with pytest.raises(ConfigError) as error:
        open_upload_spool(program())
    assert str(error.value) == (
        f"upload-spool: {tmp_path}/first can't be used: No such file or directory; "
        f"{second} can't be used: No such file or directory"
    )
    second.mkdir()
    assert open_path(program()) == str(second)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert open_path(program()) == str(tmp_path)


def test_one_that_is_named_and_will_not_do_is_a_mistake(program, tmp_path):
    (problem,) = find_missing_spool(program(upload_spool=str(tmp_path / "none")))
    assert str(problem) == f"upload-spool: {tmp_path}/none can't be used: No such file or directory"


def test_nothing_stays_open(program, tmp_path):
    before = set(os.listdir("/proc/self/fd"))
    assert find_missing_spool(program(upload_spool=str(tmp_path))) == []
    assert set(os.listdir("/proc/self/fd")) == before


def test_it_has_to_be_the_workers_to_write(program, tmp_path, monkeypatch):
    stranger = Identity("stranger", os.geteuid() + 12345, os.getegid() + 12345, ())
    monkeypatch.setattr(upload_spool, "find_worker", lambda _config: stranger)
    tmp_path.chmod(0o700)
    (problem,) = find_missing_spool(program(upload_spool=str(tmp_path)))
    assert problem.text.startswith(f"{tmp_path} can't be written to by stranger: it belongs to ")
    assert problem.text.endswith(", and its mode is 0700")


def test_who_the_workers_are(configure, monkeypatch):
    def worker(user, euid):
        monkeypatch.setattr(upload_spool.os, "geteuid", lambda: euid)
        config = configure()
        return find_worker(msgspec.structs.replace(config, service=msgspec.structs.replace(config.service, user=user)))

    assert worker("nobody", 0) == find_identity("nobody", None)
    assert worker("nobody", 1000) is worker(None, 1000) is worker("root", 0) is None


def test_a_user_that_there_is_not_is_told_elsewhere(program, monkeypatch):
    monkeypatch.setattr(upload_spool.os, "geteuid", lambda: 0)
    config = program()
    config = msgspec.structs.replace(config, service=msgspec.structs.replace(config.service, user="no-such-user"))
    assert find_missing_spool(config) == []
