"""What is reached by way of links: opened by its names without any, known by the directories that it is in."""

import contextlib
import errno
import os

import pytest

from gemd.system import resolved as resolved_module
from gemd.system.beneath import has_openat2, open_root
from gemd.system.resolved import Link, follow_links, identify, identify_path, open_resolved
from tests.support.descriptors import open_descriptors
from tests.support.swapping import swapping
from tests.support.waiting import wait_for

needs_openat2 = pytest.mark.skipif(not has_openat2(), reason="this kernel has no openat2, and follows no links")


@pytest.fixture
def top(tmp_path):
    """A tree with links of every kind, and what they lead to outside."""
    inside = tmp_path / "root"
    (inside / "a/b").mkdir(parents=True)
    (tmp_path / "outside/c").mkdir(parents=True)
    (tmp_path / "outside/c/file").write_text("outside")
    (inside / "a/b/file").write_text("inside")
    for name, target in {
        "to-a": "a",
        "to-file": "a/b/file",
        "chain": "to-b/file",
        "to-b": "./a//b/",
        "a/up": "../to-a/b",
        "dangling": "a/nothing",
        "loop": "loop",
        "out": "../outside",
        "climbs": "a/../../outside",
        "absolute": str(inside / "a"),
        "absolute-out": str(tmp_path / "outside/c"),
    }.items():
        (inside / name).symlink_to(target)
    return inside


@pytest.fixture
def root(top):
    descriptor = open_root(str(top))
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def find(top, root):
    """What a path below the root leads to: its names, the way to it by paths, and whether it is outside."""

    def find(path, policy="beneath"):
        found = open_resolved(root, str(top), path.split("/") if path else [], policy)
        try:
            base = "/" if found.is_outside else str(top)
            paths = [os.path.join(base, *found.names[:depth]) for depth in range(len(found.names) + 1)]
            assert found.trace(root) == [identify(os.stat(path, follow_symlinks=False)) for path in paths]
            assert identify(os.fstat(found.descriptor)) == identify(found.status) == found.trace(root)[-1]
            return "/".join(found.names), bool(found.links), found.is_outside
        finally:
            os.close(found.descriptor)

    return find


FOUND = {
    "": ("", False),
    "a": ("a", False),
    "a/b/file": ("a/b/file", False),
    "to-a": ("a", True),
    "to-a/b/file": ("a/b/file", True),
    "to-file": ("a/b/file", True),
    "chain": ("a/b/file", True),
    "a/up/file": ("a/b/file", True),
    "to-a/up/../b": None,
}


@needs_openat2
@pytest.mark.parametrize("policy", ["beneath", "any"])
@pytest.mark.parametrize(("path", "found"), [(path, found) for path, found in FOUND.items() if found])
def test_the_names_without_links(find, path, found, policy):
    assert find(path, policy) == (*found, False)


@needs_openat2
def test_what_is_inside_by_an_absolute_link_is_below_the_root(find):
    assert find("absolute/b", "any") == ("a/b", True, False)


@needs_openat2
@pytest.mark.parametrize(
    ("path", "end"), [("out/c/file", "c/file"), ("climbs/c", "c"), ("absolute-out/file", "c/file")]
)
def test_what_is_outside_has_its_names_from_the_top(find, tmp_path, path, end):
    assert find(path, "any") == (f"{os.path.realpath(tmp_path)[1:]}/outside/{end}", True, True)


LINKS = {  # a path; the directory of each link, how much is left of it at most, and whether that is outside
    "a/b/file": [],
    "to-a/b": [("", 0, False)],
    "chain": [("", 0, False), ("", 0, False)],
    "a/up/file": [("a", 0, False), ("", 0, False)],
    "climbs/c": [("", -1, False)],
    "out/c": [("", -1, False)],
}


@needs_openat2
@pytest.mark.parametrize(("path", "links"), LINKS.items())
def test_the_links_on_the_way(top, root, path, links):
    for policy in ("beneath", "any") if path not in ("climbs/c", "out/c") else ("any",):
        found = open_resolved(root, str(top), path.split("/"), policy)
        os.close(found.descriptor)
        assert [("/".join(link.names), link.kept, link.is_outside) for link in found.links] == links
        assert [link.trace(root)[-1] for link in found.links] == [identify((top / name).stat()) for name, *_ in links]


@needs_openat2
def test_absolute_links_and_links_outside(top, root, tmp_path):
    (tmp_path / "outside/back").symlink_to("../root/a")
    (top / "away").symlink_to(tmp_path / "outside")
    found = open_resolved(root, str(top), ["away", "back", "b"], "any")
    os.close(found.descriptor)
    assert found.names == ("a", "b")
    first, second = found.links
    outside = tuple(os.path.realpath(tmp_path / "outside").split("/")[1:])
    assert (first.names, first.is_outside, first.kept < 0) == ((), False, True)
    assert (second.names, second.is_outside, second.kept) == (outside, True, len(outside) - 1)
    assert second.trace(root)[-1] == identify((tmp_path / "outside").stat())


REFUSED = {
    "out/c/file": "EXDEV",
    "climbs/c": "EXDEV",
    "absolute/b": "EXDEV",
    "dangling": "ENOENT",
    "loop": "ELOOP",
    "nothing": "ENOENT",
    "a/b/file/x": "ENOTDIR",
}


@needs_openat2
@pytest.mark.parametrize(("path", "error"), REFUSED.items())
def test_what_the_policy_forbids(find, path, error):
    with pytest.raises(OSError) as caught:
        find(path)
    assert errno.errorcode[caught.value.errno] == error
    with pytest.raises(OSError) as caught:
        find(path, "none")
    assert errno.errorcode[caught.value.errno] in ("ELOOP", error)


def test_dot_dot_is_a_way_out(find):
    with pytest.raises(OSError) as caught:
        find("to-a/../a")
    assert caught.value.errno == errno.EXDEV


@pytest.mark.parametrize(("names", "error"), [(["out"], "EXDEV"), (["absolute"], "EXDEV"), (["loop"], "ELOOP")])
def test_links_are_followed_beneath_the_root_alone(root, names, error):
    """Whatever the kernel has said before: a link may be another one by now."""
    with pytest.raises(OSError) as caught:
        follow_links(root, names)
    assert errno.errorcode[caught.value.errno] == error


def test_links_have_so_many_names_and_no_more(top, root):
    """A chain of links through many directories would hold up everybody else."""
    (top / "way").symlink_to("a/../" * 500 + "a")
    assert follow_links(root, ["way"])[0] == ["a"]
    (top / "long").symlink_to("a/../" * 300 + "way")
    with pytest.raises(OSError) as caught:
        follow_links(root, ["long"])
    assert caught.value.errno == errno.ENAMETOOLONG
    deep = ["d"] * 300
    (top / "/".join(deep)).mkdir(parents=True)
    (top / "/".join(deep) / "link4").touch()
    for number in range(4):
        (top / "/".join(deep) / f"link{number}").symlink_to(f"./link{number + 1}")
    assert follow_links(root, [*deep, "link1"])[0] == [*deep, "link4"]
    with pytest.raises(OSError) as caught:
        follow_links(root, [*deep, "link0"])
    assert caught.value.errno == errno.ENAMETOOLONG


@needs_openat2
def test_the_directory_that_it_is_in(top, root):
    for path, parent in (("to-file", "a/b"), ("a/b/file", "a/b"), ("to-a", "")):
        found = open_resolved(root, str(top), path.split("/"), "beneath")
        directory = found.open_parent(root)
        assert identify(os.fstat(directory)) == identify((top / parent).stat())
        os.close(directory)
        os.close(found.descriptor)


def test_a_directory_in_which_it_is_no_more(top, root):
    before = open_descriptors()
    found = open_resolved(root, str(top), ["a", "b", "file"], "beneath")
    (top / "new").write_text("another")
    (top / "new").rename(top / "a/b/file")
    with pytest.raises(FileNotFoundError):
        found.open_parent(root)
    os.close(found.descriptor)
    assert open_descriptors() == before


@needs_openat2
@pytest.mark.parametrize("policy", ["beneath", "any"])
def test_a_link_that_becomes_another_one_is_what_it_was_or_what_it_is(find, top, policy):
    """Never one for the names and the other for what was opened, which `find` compares."""
    (top / "d").mkdir()
    (top / "d/file").touch()
    seen = set()

    def look():
        seen.add(find("swap/file", policy)[0])

    with swapping(top / "swap", "a/b", "d"):
        for _ in range(1000):
            look()
        wait_for(lambda: look() or len(seen) > 1, "both of them")
    assert seen == {"a/b/file", "d/file"}


@needs_openat2
def test_a_link_in_the_place_of_a_directory_is_looked_at_again(find, monkeypatch):
    """Between the look at the links and the opening."""
    stale = [(["to-a", "b"], []), (["to-a", "b"], [Link((), 0)])]
    follow = resolved_module.follow_links
    monkeypatch.setattr(
        resolved_module, "follow_links", lambda root, names: stale.pop() if stale else follow(root, names)
    )
    assert find("to-a/b") == ("a/b", True, False)
    monkeypatch.setattr(resolved_module, "follow_links", lambda *_: (["to-a", "b"], []))
    with pytest.raises(BlockingIOError):
        find("to-a/b")


@needs_openat2
def test_no_descriptor_is_left_open(find):
    before = open_descriptors()
    for path in (*FOUND, *REFUSED):
        for policy in ("beneath", "none", "any"):
            with contextlib.suppress(OSError):
                find(path, policy)
    assert open_descriptors() == before


def test_what_is_at_a_path_and_what_is_not(tmp_path, monkeypatch):
    (tmp_path / "d").mkdir()
    (tmp_path / "link").symlink_to("d")
    (tmp_path / "loop").symlink_to("loop")
    assert (
        identify_path(str(tmp_path), "d") == identify_path(str(tmp_path), "link") == identify((tmp_path / "d").stat())
    )
    assert identify_path(str(tmp_path), "nothing") is identify_path(str(tmp_path), "loop") is None

    def fail(_path):
        raise OSError(errno.EIO, "")

    monkeypatch.setattr(os, "stat", fail)
    with pytest.raises(OSError, match="5"):
        identify_path(str(tmp_path))
