"""What scripts may touch: the paths that are allowed, on trees of every shape, and what a script can do in the end."""

import os
import sys

import pytest

from gemd.system import confinement
from gemd.system.confinement import Confinement, ConfinementError, directories_above, is_beneath
from gemd.system.landlock import ALL, READ, Access


class Rules:
    """A ruleset that remembers what was allowed, below one directory."""

    def __init__(self, handled):
        self.handled, self.allowed = handled, []

    def allow(self, path, access):
        if os.path.lexists(path):
            self.allowed.append((path, access))


@pytest.fixture
def allowed(monkeypatch, tmp_path):
    """The paths below tmp_path that a confinement allows, relative to it, each with what is allowed. It begins there:
    what is beside it on the machine is not looked at."""
    monkeypatch.setattr(confinement, "Ruleset", Rules)

    def allowed(*private, needed=(), read=None, write=None, chroot=None):
        def below(paths):
            return None if paths is None else tuple(str(tmp_path / path) for path in paths)

        top = None if chroot is None else str(tmp_path / chroot)
        confined = Confinement(below(private), below(needed), below(read), below(write), top)
        rules = confined.make_ruleset()
        found = {}
        for path, access in rules.allowed:
            if is_beneath(path, str(tmp_path)):
                name = os.path.relpath(path, tmp_path)
                found[name] = found.get(name, Access(0)) | access
        return found

    return allowed


@pytest.fixture
def tree(tmp_path):
    """Make files, and their directories; what ends with a slash is a directory."""

    def tree(*paths):
        for path in paths:
            place = tmp_path / path
            (place if path.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
            if not path.endswith("/"):
                place.touch()

    return tree


CASES = {  # what there is, what is private, what is needed; what is allowed
    "its directory": (["state/key", "state/more", "capsule/a", "x"], ["state/key"], ["capsule"], {"capsule", "x"}),
    "what is beside it on the way": (
        ["var/lib/gemd/key", "var/lib/other/a", "var/log/a"],
        ["var/lib/gemd/key"],
        [],
        {"var/lib/other", "var/log"},
    ),
    "several": (["a/1", "a/b/2", "c/3", "d/4"], ["a/1", "a/b/2", "c/3"], [], {"d"}),
    "a root in the directory": (
        ["home/key", "home/capsule/a", "home/b"],
        ["home/key"],
        ["home/capsule"],
        {"home/capsule", "home/b"},
    ),
    "in the root": (["root/key", "root/a", "root/b/c"], ["root/key"], ["root"], {"root/a", "root/b"}),
    "below the root": (["root/keys/key", "root/keys/a", "root/b"], ["root/keys/key"], ["root"], {"root/b"}),
    "in the directory of scripts": (["root/cgi/key", "root/cgi/a"], ["root/cgi/key"], ["root/cgi"], {"root/cgi/a"}),
    "it does not exist": (["state/a", "b"], ["state/key"], [], {"b"}),
    "nor does its directory": (["b"], ["state/key"], [], {"b"}),
    "similar names": (["state/key", "state2/a", "stat/a"], ["state/key"], [], {"state2", "stat"}),
}


@pytest.mark.parametrize(("paths", "private", "needed", "expected"), CASES.values(), ids=CASES)
def test_all_is_allowed_but_what_is_hidden(tree, allowed, paths, private, needed, expected):
    tree(*paths)
    assert allowed(*private, needed=needed) == dict.fromkeys(expected, ALL)


def test_where_a_link_leads_is_hidden_and_the_link_as_well(tree, allowed, tmp_path):
    """As certbot has them."""
    tree("archive/key1", "other/a", "live/host/", "live/b")
    (tmp_path / "live/host/key").symlink_to("../../archive/key1")
    assert set(allowed("live/host/key")) == {"other", "live/b"}


def test_a_directory_may_be_a_link(tree, allowed, tmp_path):
    tree("real/state/key", "real/a")
    (tmp_path / "state").symlink_to("real/state")
    found = allowed("state/key")
    assert set(found) == {"real/a"}


def test_every_link_on_the_way_is_hidden(tree, allowed, tmp_path):
    """Who could replace one would have the next worker look elsewhere, and show what was hidden."""
    tree("a/more", "b/more", "real/state/key", "real/a", "deep/more")
    (tmp_path / "deep/state").symlink_to(tmp_path / "real/state")  # a directory
    (tmp_path / "b/key").symlink_to("../deep/state/key")
    (tmp_path / "a/key").symlink_to("../b/./key")
    hidden = Confinement((str(tmp_path / "a/key"),)).find_hidden()
    names = {"a", "a/key", "b", "b/key", "deep/state", "real/state", "real/state/key"}
    assert hidden == {str(tmp_path / name) for name in names}
    assert set(allowed("a/key")) == {"deep/more", "real/a"}


def test_links_in_a_circle_are_hidden(tree, allowed, tmp_path):
    tree("a/more", "b")
    (tmp_path / "a/x").symlink_to("y")
    (tmp_path / "a/y").symlink_to("x")
    assert set(allowed("a/x")) == {"b"}


@pytest.mark.parametrize("path", ["/etc/x.key", "/tmp/x.log", "/run/gemd.pid", "/var/lib/x", "/home/x", "/x"])
def test_a_directory_of_everybody_is_not_hidden_with_a_file(path):
    assert Confinement((path,)).find_hidden() == {path}


@pytest.mark.parametrize("path", ["/etc/gemd/x.key", "/etc/ssl/private/x", "/var/log/gemd/x", "/run/gemd/x"])
def test_one_for_such_files_is(path):
    assert Confinement((path,)).find_hidden() == {path, os.path.dirname(path)}


def test_the_interpreter_stays_within_reach():
    directory = os.path.realpath(sys.prefix)
    assert directory not in Confinement((f"{directory}/key",)).find_hidden()


def test_lists_are_all_there_is(tree, allowed):
    tree("a/1", "b/1", "c/1", "cgi/x", "state/key", "state/data/1")
    assert allowed("state/key", needed=["cgi"], read=["a"], write=["b"]) == {"a": READ, "cgi": READ, "b": ALL}
    assert allowed("state/key", needed=["cgi"], read=["a"]) == {"a": ALL, "cgi": READ}
    assert allowed("state/key", needed=["cgi"], read=[], write=[]) == {"cgi": READ}
    assert allowed("state/key", needed=["cgi"], read=[]) == {"cgi": READ}


def test_programs_and_devices_are_those_of_a_root_directory_of_its_own(tree, allowed):
    tree("jail/usr/bin/sh", "jail/bin/sh", "jail/dev/null", "jail/srv/a", "usr/a", "state/key")
    expected = {"jail/usr": READ, "jail/bin": READ, "jail/dev": READ, "jail/dev/null": ALL}
    assert allowed("state/key", read=[], chroot="jail") == expected


def test_without_a_list_to_read_all_is_read(tree, allowed):
    tree("a/1", "b/1", "state/key")
    assert allowed("state/key", write=["b"]) == {"a": READ, "b": ALL}
    assert allowed("state/key", write=[]) == {"a": READ, "b": READ}


def test_in_a_list_what_is_private_stays_hidden(tree, allowed):
    tree("state/key", "state/data/1", "a")
    assert allowed("state/key", read=["."]) == {"a": ALL}
    assert allowed("state/key", read=["state", "state/key"]) == {}
    assert allowed("state/key", read=["state/data"]) == {"state/data": ALL}  # but what is named lies beside it


def test_names_are_kept_only_where_all_that_may_be_seen_is_listed(monkeypatch):
    monkeypatch.setattr(confinement, "Ruleset", Rules)
    assert Confinement(()).make_ruleset().handled == ALL & ~Access.READ_DIR
    assert Confinement((), read=()).make_ruleset().handled == ALL


def test_of_a_directory_that_cannot_be_listed_what_is_needed_is_allowed(tree, allowed, monkeypatch, tmp_path):
    tree("home/state/key", "home/capsule/a", "home/b")
    real = os.listdir

    def listdir(path):
        if path == str(tmp_path / "home"):
            raise PermissionError
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    assert set(allowed("home/state/key", needed=["home/capsule"])) == {"home/capsule"}


def test_a_kernel_that_refuses_is_told_of(monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(confinement, "Ruleset", Rules)
    for name in ("allow", "__init__"):  # a rule that can't be made is no file out of reach
        monkeypatch.setattr(Rules, name, refuse)
        with pytest.raises(ConfinementError, match=r"Operation not permitted; see cgi\.confine"):
            Confinement(()).make_ruleset()


SPOTS = {
    "none": (["/var/lib/gemd/key", "/run/gemd/x", "/var/log/gemd/x"], ["/srv/gemini/cgi"], []),
    "files of the system": (["/etc/gemd/key"], [], [("/etc", "/etc/gemd")]),
    "itself in there": (["/etc/key"], [], [("/etc", "/etc/key")]),
    "in a root": (["/srv/c/keys/key"], ["/srv/c", "/srv/c/cgi"], [("/srv/c", "/srv/c/keys")]),
    "deep": (["/srv/c/a/b/key"], ["/srv/c"], [("/srv/c/a", "/srv/c/a/b"), ("/srv/c", "/srv/c/a/b")]),
}


@pytest.mark.parametrize(("private", "needed", "expected"), SPOTS.values(), ids=SPOTS)
def test_where_scripts_miss_what_comes_later(private, needed, expected):
    assert list(Confinement(tuple(private), tuple(needed)).find_blind_spots()) == expected


@pytest.mark.parametrize(
    ("paths", "expected"),
    [((), set()), (("/a",), {"/"}), (("/a/b/c", "/a/d"), {"/", "/a", "/a/b"}), (("/a", "/a/b"), {"/", "/a"})],
)
def test_directories_that_lead_to_something(paths, expected):
    assert directories_above(paths) == expected
    assert all(any(is_beneath(path, directory) for path in paths) for directory in expected)


def test_nothing_is_allowed_twice(tree, allowed, monkeypatch):
    """A rule costs three calls, and /tmp alone may have a thousand files."""
    tree("state/key", "a")
    monkeypatch.setattr(Rules, "allow", lambda _rules, path, _access: paths.append(path))
    paths = []
    allowed("state/key")
    assert len(paths) == len(set(paths)) > 1
