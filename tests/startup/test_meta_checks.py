"""What -t says of `.meta` files."""

import os

import pytest

from gemd.startup.meta_checks import find_meta_warnings
from gemd.startup.warnings import find_all_warnings


@pytest.fixture
def said(configure, root):
    """What is said of these locations of a capsule, and of the host itself."""

    def said(*locations, **keys):
        host = {"name": "localhost", "root": str(root), "meta-files": True, **keys, "location": list(locations)}
        return [str(problem) for problem in find_meta_warnings(configure(host=[host]))]

    return said


def test_what_is_in_order_or_not_there_is_not_mentioned(said, root):
    assert said() == []
    (root / ".meta").write_text("a: 52 Gone\n")
    assert said({"path": "/none/"}) == []
    (root / "page.gmi").write_text("a page")
    assert said({"path": "/page.gmi", "match": "exact"}) == []


def test_mistakes_are_told_once_by_file_and_line(said, root):
    (root / "a").mkdir()
    (root / ".meta").write_text("# fine\nwrong\n")
    (root / "a/.meta").write_text("a: 99\n")
    assert said({"path": "/a/"}, {"path": "/gone/", "gone": True}, {"path": "/b", "root": str(root)}) == [
        f"host[1].meta-files: {root}/.meta, line 2: there is no colon: "
        "expected 'pattern: ;lang=de', 'pattern: text/plain' or 'pattern: 52 Gone'",
        f"host[1].location[1].meta-files: {root}/a/.meta, line 1: there is no status 99",
    ]
    assert said(**{"meta-files": False}) == []


def test_what_is_no_file_is_told(said, root):
    os.mkfifo(root / ".meta")
    assert said() == [f"host[1].meta-files: {root}/.meta is left alone: it is no file"]
    (root / ".meta").unlink()
    (root / ".meta").symlink_to("/etc/passwd")
    assert said() == [
        f"host[1].meta-files: {root}/.meta is left alone: it is, or is reached by, a symbolic link "
        "that must not be followed (symlinks)"
    ]


def test_it_is_a_warning(configure, root):
    (root / ".meta").write_text("wro\x1bng\n")
    (warning,) = find_all_warnings(configure(host=[{"name": "localhost", "root": str(root), "meta-files": True}]))
    assert str(warning).startswith(f"host[1].meta-files: {root}/.meta, line 1: ")
    assert not list(find_all_warnings(configure(host=[{"name": "localhost", "root": str(root)}])))
