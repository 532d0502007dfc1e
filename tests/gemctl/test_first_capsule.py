"""What is written, and that it is all or nothing."""

import os
import stat
import tomllib
from pathlib import Path

import msgspec
import pytest

from gemd.config import parse_config
from gemd.gemctl import first_capsule
from gemd.gemctl.failure import Failure
from gemd.gemctl.first_capsule import Capsule, render_configuration, render_page, write_capsule
from gemd.gemctl.former_servers import FORMER_SERVERS, NONE


@pytest.fixture
def capsule(tmp_path):
    return Capsule(tmp_path / "a/b", "example.org", FORMER_SERVERS[NONE])


def tables_of(capsule):
    return tomllib.loads(render_configuration(capsule))


def files_below(path):
    return sorted(str(found.relative_to(path)) for found in path.rglob("*"))


@pytest.mark.parametrize("name", FORMER_SERVERS)
def test_the_configuration_is_in_order(capsule, name):
    capsule = msgspec.structs.replace(capsule, server=FORMER_SERVERS[name], root=Path('/srv/a "b"\\c'))
    config = parse_config(tables_of(capsule), base=capsule.directory, source=None, cpus=1)
    location = config.hosts[0].locations[0]
    assert (config.hosts[0].name, location.root) == ("example.org", '/srv/a "b"\\c')
    assert str(config.listen[0].address) == "[::]:1965"
    assert config.tls.certificates == str(capsule.directory / "certificates")
    if name not in (NONE, "agate"):
        assert location.cgi_dialect == name
    assert max(map(len, render_configuration(capsule).splitlines())) <= 120


def test_localhost_is_for_this_machine_alone(capsule):
    assert tables_of(msgspec.structs.replace(capsule, name="localhost"))["listen"] == ["localhost:1965"]


def test_a_socket_for_gemctl_where_it_can_be(capsule):
    assert tables_of(capsule)["control"] == "control.sock"
    assert "control" not in tables_of(msgspec.structs.replace(capsule, directory=Path("/" + "x" * 100)))


def test_root_becomes_somebody(capsule):
    tables = tables_of(msgspec.structs.replace(capsule, user="gemd"))
    assert (tables["user"], "control" in tables) == ("gemd", False)


def test_a_certificate_stays_where_it_is(capsule):
    host = tables_of(msgspec.structs.replace(capsule, certificate=(Path("/c.pem"), Path("/k.pem"))))["host"][0]
    assert (host["certificate"], host["key"]) == ("/c.pem", "/k.pem")


def test_scripts_are_run_where_they_are(capsule, tmp_path):
    capsule = msgspec.structs.replace(capsule, root=tmp_path)
    assert "cgi" not in tables_of(capsule)["host"][0]
    (tmp_path / "cgi-bin").mkdir()
    assert tables_of(capsule)["host"][0]["cgi"] == "cgi-bin"


def test_all_is_written(capsule, tmp_path):
    kept = msgspec.structs.replace(capsule, kept=(b"certificate", b"key"), owner=(os.getuid(), os.getgid()))
    written = [str(path.relative_to(kept.directory)) for path in write_capsule(kept)]
    names = ["capsule/index.gmi", "certificates/example.org.crt", "certificates/example.org.key", "gemd.conf"]
    assert written == names
    assert [path for path in files_below(kept.directory) if (kept.directory / path).is_file()] == names
    assert (kept.directory / "capsule/index.gmi").read_text() == render_page("example.org")
    assert (kept.directory / "gemd.conf").read_text() == render_configuration(kept)
    modes = [stat.S_IMODE((kept.directory / path).stat().st_mode) for path in ("certificates", names[2])]
    assert modes == [0o700, 0o600]


def test_pages_that_are_there_are_left_as_they_are(capsule, tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/a.gmi").touch()
    write_capsule(msgspec.structs.replace(capsule, root=tmp_path / "pages"))
    assert files_below(tmp_path / "pages") == ["a.gmi"]


def test_a_root_that_is_empty_has_a_page(capsule, tmp_path):
    (tmp_path / "pages").mkdir()
    write_capsule(msgspec.structs.replace(capsule, root=tmp_path / "pages"))
    assert files_below(tmp_path / "pages") == ["index.gmi"]


def test_nothing_is_overwritten_and_nothing_half_stays(capsule, tmp_path):
    capsule.directory.mkdir(parents=True)
    (capsule.directory / "gemd.conf").symlink_to("nowhere")
    with pytest.raises(Failure, match=r"gemd\.conf is there already, so nothing was written"):
        write_capsule(capsule)
    assert files_below(tmp_path) == ["a", "a/b", "a/b/gemd.conf"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_whatever_happens_nothing_half_stays(capsule, tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(first_capsule, "render_configuration", fail)
    with pytest.raises(Failure if isinstance(error, OSError) else KeyboardInterrupt):
        write_capsule(capsule)
    assert files_below(tmp_path) == []


def test_what_can_not_be_written_is_named(capsule, tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(Failure, match="/a is there already, so nothing was written"):
        write_capsule(capsule)
