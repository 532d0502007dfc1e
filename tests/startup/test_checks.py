"""What is wrong with a configuration on this machine, found without changing anything."""

import os

import msgspec
import pytest

from gemd.config import ConfigError
from gemd.startup.checks import check_machine


def problems_of(config):
    with pytest.raises(ConfigError) as caught:
        check_machine(config)
    return {problem.path: problem.text for problem in caught.value.problems}


def host(root, **keys):
    return {"name": "localhost", "root": str(root), **keys}


def test_a_capsule_is_in_order(configure):
    check_machine(configure())


def test_roots_that_are_none_are_all_named(configure, tmp_path, root):
    (tmp_path / "file").touch()
    location = {"path": "/a/", "root": str(tmp_path / "gone")}
    config = configure(host=[host(root, location=[location]), {"name": "b", "root": str(tmp_path / "file")}])
    problems = problems_of(config)
    assert set(problems) == {"host[1].location[1].root", "host[2].root"}
    assert problems["host[1].location[1].root"] == f"{tmp_path}/gone can't be opened: No such file or directory"
    assert problems["host[2].root"] == f"{tmp_path}/file can't be opened: Not a directory"


def test_a_root_that_locations_inherit_is_named_once(configure, tmp_path):
    config = configure(host=[host(tmp_path / "gone", location=[{"path": "/a/"}, {"path": "/b/"}])])
    assert set(problems_of(config)) == {"host[1].root"}


@pytest.fixture
def from_file(configure):
    """A configuration that a file has, of one host with these keys."""
    return lambda root, **keys: msgspec.structs.replace(configure(host=[host(root, **keys)]), source="gemd.conf")


def test_scripts_need_their_directory(from_file, root):
    problems = problems_of(from_file(root, cgi="cgi-bni"))
    assert problems == {"host[1].cgi": f"{root}/cgi-bni can't be opened: No such file or directory"}
    os.mkfifo(root / "fifo")
    assert problems_of(from_file(root, cgi="fifo")) == {"host[1].cgi": f"{root}/fifo is neither a directory nor a file"}
    (root / "cgi-bni/deep").mkdir(parents=True)
    check_machine(from_file(root, cgi="cgi-bni"))
    check_machine(from_file(root, cgi="/cgi-bni//deep/".strip("/")))


def test_a_root_that_is_none_is_no_mistake_of_its_scripts(from_file, tmp_path):
    assert set(problems_of(from_file(tmp_path / "gone", cgi="cgi-bin"))) == {"host[1].root"}


def test_each_directory_of_scripts_is_looked_at_where_it_is_named(from_file, root, tmp_path):
    (root / "cgi-bin").mkdir()
    (tmp_path / "other").mkdir()
    other = str(tmp_path / "other")
    locations = [
        {"path": "/inherits"},
        {"path": "/other", "root": other},  # the host's name is for the host's root
        {"path": "/names/", "root": other, "cgi": "none"},
        {"path": "/same/", "cgi": "cgi-bni"},
        {"path": "/again/", "cgi": "cgi-bni"},
    ]
    assert set(problems_of(from_file(root, cgi="cgi-bin", location=locations))) == {
        "host[1].location[3].cgi",
        "host[1].location[4].cgi",
    }


def test_where_the_host_has_no_root_its_locations_need_the_directory(configure, root, tmp_path):
    (root / "cgi-bin").mkdir()
    tables = {"name": "h", "gone": True, "cgi": "cgi-bin", "location": [{"path": "/a/", "root": str(root)}]}
    check_machine(msgspec.structs.replace(configure(host=[tables]), source="gemd.conf"))
    tables["location"] += [{"path": "/b/", "root": str(tmp_path)}]
    config = msgspec.structs.replace(configure(host=[tables]), source="gemd.conf")
    assert set(problems_of(config)) == {"host[1].location[2].cgi"}


def test_so_does_the_location_of_everything(from_file, root, tmp_path):
    (root / "cgi-bin").mkdir()
    location = {"path": "/", "root": str(tmp_path)}
    assert set(problems_of(from_file(root, cgi="cgi-bin", location=[location]))) == {"host[1].location[1].cgi"}


def test_a_host_needs_something_to_serve(configure):
    assert problems_of(configure(host=[{"name": "localhost"}])) == {
        "host[1].root": "there is nothing to serve: set a root directory, or another answer, such as proxy"
    }
    check_machine(configure(host=[{"name": "localhost", "redirect": {"to": "gemini://example.org/"}}]))


def test_a_user_and_a_chroot_that_are_missing_are_named(configure, tmp_path, root):
    problems = problems_of(
        configure(
            user="nobody-of-this-name",
            master_user="root",
            chroot=str(tmp_path / "gone"),
            host=[host(tmp_path / "gone" / "a")],
        )
    )
    assert "there is no user 'nobody-of-this-name'" in problems["user"]
    assert problems["chroot"].endswith("/gone can't be opened: No such file or directory")


def test_what_scripts_are_kept_to_has_to_exist(configure, tmp_path):
    (tmp_path / "file").touch()
    check_machine(configure(cgi={"read": ["file"], "write": ["."]}))
    assert problems_of(configure(cgi={"read": ["file", "gone"], "write": ["file/x"]})) == {
        "cgi.read[2]": f"{tmp_path}/gone can't be used: No such file or directory",
        "cgi.write[1]": f"{tmp_path}/file/x can't be used: Not a directory; {tmp_path}/file is none",
    }
