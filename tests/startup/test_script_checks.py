import os

import msgspec
import pytest

from gemd.config import ConfigError
from gemd.startup import script_checks
from gemd.startup.checks import check_machine
from gemd.startup.script_checks import find_idle_places, find_missing_places, find_missing_scripts
from gemd.startup.warnings import find_all_warnings


@pytest.fixture
def from_file(configure, root):
    """A configuration that a file has, of one host with these keys."""

    def from_file(**keys):
        host = {"name": "localhost", "root": str(root), **keys}
        return msgspec.structs.replace(configure(host=[host]), source="gemd.conf")

    return from_file


def missing(config):
    return {problem.path: problem.text for problem in find_missing_places(config, needs_default=False)}


def idle(config):
    return {problem.path: problem.text for problem in find_idle_places(config)}


def test_each_entry_that_is_missing_is_named(from_file, root):
    (root / "tools").mkdir()
    (root / "file").touch()
    config = from_file(cgi=["tools", "gone", "file", "tools/*.py", "lost/*.py", "file/*", "tools/a/b", "."])
    assert missing(config) == {
        "host[1].cgi[2]": f"{root}/gone can't be opened: No such file or directory",
        "host[1].cgi[5]": f"{root}/lost can't be opened: No such file or directory",
        "host[1].cgi[6]": f"{root}/file is no directory",
        "host[1].cgi[7]": f"{root}/tools/a/b can't be opened: No such file or directory; there is no {root}/tools/a",
    }


def test_a_place_is_a_directory_or_a_file(from_file, root):
    os.mkfifo(root / "fifo")
    assert missing(from_file(cgi="fifo")) == {"host[1].cgi": f"{root}/fifo is neither a directory nor a file"}


def test_all_of_the_root_is_there(from_file):
    config = from_file(cgi=".")
    assert (missing(config), idle(config)) == ({}, {})


def test_what_matches_nothing_is_said(from_file, root):
    (root / "tools/deep").mkdir(parents=True)
    config = from_file(cgi=["tools/*.py", "**/*.cgi", "tools/?eep", "tools"])
    assert missing(config) == {}
    assert idle(config) == {
        "host[1].cgi[1]": f"{root}/tools/*.py matches nothing at the moment",
        "host[1].cgi[2]": f"{root}/**/*.cgi matches nothing at the moment",
    }
    (root / "tools/deep/x.cgi").touch()
    (root / "tools/x.py").touch()
    assert idle(config) == {}


def test_looking_for_what_is_matched_has_an_end(from_file, root, monkeypatch):
    monkeypatch.setattr(script_checks, "_MAX_ENTRIES", 10)
    for number in range(20):
        (root / f"{number}.txt").touch()
    assert idle(from_file(cgi="*.cgi")) == {}
    (root / "loop").mkdir()
    (root / "loop/again").symlink_to(".")
    assert set(idle(from_file(cgi="loop/**/*.cgi"))) == {"host[1].cgi"}


def test_what_leads_out_of_the_root_is_said(from_file, root, tmp_path):
    (tmp_path / "outside").mkdir()
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "in").symlink_to("tools")
    (root / "tools").mkdir()
    text = 'leads out of the root, or over a link, which symlinks = "beneath" forbids: nothing is run there'
    assert idle(from_file(cgi=["out", "in", "out/*"])) == {
        "host[1].cgi[1]": f"{root}/out {text}",
        "host[1].cgi[3]": f"{root}/out/* {text}",
    }
    assert idle(from_file(cgi=["out", "in"], symlinks="any")) == {}
    assert set(idle(from_file(cgi=["out", "in"], symlinks="none"))) == {"host[1].cgi[1]", "host[1].cgi[2]"}


def test_each_is_looked_at_where_it_is_named(from_file, root, tmp_path):
    (root / "tools").mkdir()
    locations = [
        {"path": "/inherits"},
        {"path": "/other", "root": str(tmp_path)},
        {"path": "/names/", "root": str(tmp_path), "cgi": "*.py"},
    ]
    assert set(idle(from_file(cgi="tools/*.py", location=locations))) == {"host[1].cgi", "host[1].location[3].cgi"}


def test_it_is_a_warning(from_file, root):
    warnings = map(str, find_all_warnings(from_file(cgi="*.py")))
    assert f"host[1].cgi: {root}/*.py matches nothing at the moment" in warnings


def test_a_location_s_script_has_to_be_there(from_file, root, tmp_path):
    (tmp_path / "x.py").touch(0o644)
    locations = [
        {"path": "/a", "script": str(tmp_path / "gone")},
        {"path": "/b", "script": str(tmp_path)},
        {"path": "/c", "script": "x.py"},
        {"path": "/d", "script": "x.py"},
    ]
    config = from_file(location=locations)
    assert {problem.path: problem.text for problem in find_missing_scripts(config)} == {
        "host[1].location[1].script": f"{tmp_path}/gone can't be used: No such file or directory",
        "host[1].location[2].script": f"{tmp_path} is no file",
        "host[1].location[3].script": f"{tmp_path}/x.py is not executable: chmod +x {tmp_path}/x.py",
    }
    (tmp_path / "x.py").chmod(0o700)
    assert find_missing_scripts(from_file(location=locations[2:])) == []


def test_a_location_of_a_script_needs_no_root(configure, tmp_path):
    (tmp_path / "x.py").touch(0o755)
    check_machine(configure(host=[{"name": "localhost", "script": "x.py"}]))
    with pytest.raises(ConfigError, match=r"host\[1\].script: .*/y.py can't be used: No such file"):
        check_machine(configure(host=[{"name": "localhost", "script": "y.py"}]))
