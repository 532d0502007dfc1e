"""No name shows the source of a script, wherever it is that scripts are."""

import os

import pytest

from gemd.responders import script_looks, sources
from gemd.system.beneath import has_openat2
from tests.conftest import need_root
from tests.support.descriptors import open_descriptors

pytestmark = pytest.mark.skipif(not has_openat2(), reason="this kernel has no openat2, and follows no links")

SCRIPT = "#!/bin/sh\necho 20 text/plain; echo SECRET"


@pytest.fixture
def tree(capsule):
    """Scripts here and there, pages beside them, and links."""
    for name, mode in {
        "tools/x.py": 0o755,
        "tools/lost.py": 0o644,
        "tools/deep/y.py": 0o755,
        "tools/page.txt": 0o644,
        "tools/build.sh": 0o755,
        "users/ann/cgi-bin/z": 0o755,
        "users/ann/cgi-bin/data": 0o644,
        "users/ann/page.txt": 0o644,
    }.items():
        path = capsule / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SCRIPT if name != "tools/page.txt" else "page")
        path.chmod(mode)
    for name, target in {
        "link.txt": "tools/x.py",
        "lost.txt": "tools/lost.py",
        "t": "tools",
        "ann": "users/ann",
        "z.txt": "users/ann/cgi-bin/z",
    }.items():
        (capsule / name).symlink_to(target)
    return capsule


GLOBS = ["tools/*.py", "users/*/cgi-bin"]


@pytest.mark.parametrize("policy", ["beneath", "any"])
@pytest.mark.parametrize("url", ["/link.txt", "/lost.txt", "/t/x.py", "/t/lost.py", "/ann/cgi-bin/data", "/z.txt"])
def test_no_name_shows_what_a_pattern_matches(ask, tree, url, policy):
    answer = ask(url, cgi=GLOBS, symlinks=policy)
    assert (answer.status, b"SECRET" in answer.body) == (51, False)
    assert ask(url, symlinks=policy).status == 20  # where there are none


def test_what_no_pattern_matches_is_a_file(ask, tree):
    for url in ("/tools/page.txt", "/tools/build.sh", "/tools/deep/y.py", "/users/ann/page.txt", "/t/page.txt"):
        assert ask(url, cgi=GLOBS).status == 20, url


def test_another_host_or_root_does_not_show_it_either(ask, tree):
    owner = {"name": "g", "root": str(tree), "cgi": GLOBS}
    inside = {"path": "/inside/", "root": str(tree / "tools")}
    home = {"path": "/home/", "root": str(tree / "users/ann")}
    place = {"path": "/place/", "root": str(tree / "users/ann/cgi-bin")}
    around = {"path": "/around/", "root": str(tree.parent)}
    linked = {"path": "/linked/", "root": str(tree / "t")}
    locations = [inside, home, place, around, linked]
    for url in (
        *("/tools/x.py", "/tools/lost.py", "/inside/x.py", "/inside/lost.py", "/linked/lost.py"),
        *("/home/cgi-bin/data", "/home/cgi-bin/", "/place/data", "/place/", "/around/capsule/tools/lost.py"),
    ):
        assert ask(url, hosts=[owner], location=locations).status == 51, url
        assert ask(url, location=locations).status == 20, url
    for url in ("/inside/page.txt", "/home/page.txt", "/around/capsule/tools/page.txt"):
        assert ask(url, hosts=[owner], location=locations).status == 20, url


@need_root
def test_a_mount_of_the_directory_where_wildcards_begin_shows_none(ask, tree):
    (tree / "mount").mkdir()
    if os.system(f"mount --bind {tree}/tools {tree}/mount 2>/dev/null"):
        pytest.skip("needs to mount")
    try:
        assert ask("/mount/lost.py", cgi=GLOBS).status == 51
        assert ask("/mount/page.txt", cgi=GLOBS).status == 20
    finally:
        os.system(f"umount {tree}/mount")


def test_a_name_that_a_file_system_may_fold_is_not_shown(ask, tree):
    (tree / "tools/LOST.PY").write_text(SCRIPT)  # as if it were the same file
    assert ask("/tools/LOST.PY", cgi=GLOBS).status == 51


def test_a_file_that_is_named_is_a_script_by_any_name(ask, tree):
    os.link(tree / "tools/lost.py", tree / "hard.txt")
    for url in ("/hard.txt", "/lost.txt"):
        assert ask(url, cgi=["tools/lost.py"]).status == 51
        assert ask(url, cgi=["tools/x.py"]).status == 20


def test_what_is_executable_and_has_several_names_may_be_a_script(ask, tree, caplog):
    """A hard link to a script is executable, since that belongs to the file."""
    os.link(tree / "tools/x.py", tree / "hard.txt")
    assert ask("/hard.txt", cgi=GLOBS).status == 51
    assert f"{tree}/hard.txt is executable and has several hard links: it is not sent" in caplog.text
    assert ask("/hard.txt").status == 20
    assert ask("/tools/build.sh", cgi=GLOBS).status == 20


EVERYWHERE = {
    "executable": ("/around/capsule/tools/x.py", 51),
    "by a link": ("/around/link", 51),
    "known by its extension": ("/around/capsule/tools/lost.py", 51),
    "known by its first line": ("/around/capsule/users/ann/page.txt", 51),
    "a page": ("/around/capsule/tools/page.txt", 20),
    "a root within": ("/inside/lost.py", 51),
    "a page there": ("/inside/page.txt", 20),
}


@pytest.mark.parametrize(("url", "status"), EVERYWHERE.values(), ids=EVERYWHERE)
def test_where_all_that_is_executable_is_a_script_so_is_all_that_looks_like_one(ask, tree, url, status):
    (tree.parent / "link").symlink_to("capsule/tools/x.py")
    owner = {"name": "g", "root": str(tree), "cgi": "."}
    around = {"path": "/around/", "root": str(tree.parent)}
    inside = {"path": "/inside/", "root": str(tree / "tools")}
    assert ask(url, hosts=[owner], location=[around, inside]).status == status
    assert ask(url, location=[around, inside]).status == 20


def test_where_the_disk_has_to_be_asked_a_thread_looks(ask, tree, monkeypatch):
    monkeypatch.setattr(script_looks, "read_from_memory", lambda *_: None)
    (tree / "lost").write_text(SCRIPT)
    before = open_descriptors()
    assert ask("/page.gmi", cgi=".").body == b"page"
    assert ask("/lost", cgi=".").status == 42
    assert ask("/", cgi=".").body == b"# home"
    assert open_descriptors() == before


def test_what_is_private_does_not_tell_what_it_looks_like(ask, tree):
    (tree / "users/link").symlink_to("../tools")
    private = [{"path": "/tools", "client-certificate": "any"}]
    for url in ("/users/link/lost.py", "/users/link/none.py"):
        assert ask(url, cgi=".", location=private).status in (60, 51)
    assert ask("/users/link/lost.py", cgi=".", location=private).status == 60


def test_the_directories_above_a_path_end(tmp_path):
    found = sources.find_above(str(tmp_path), lambda path: (1, os.stat(path).st_ino))
    assert len(found) == len(tmp_path.parts) - 1


def test_no_location_has_scripts_without_a_place(configure):
    assert not sources.Sources(configure().hosts[0].locations)
    assert not sources.Sources(configure(cgi=[]).hosts[0].locations)
    assert sources.Sources(configure(cgi=".").hosts[0].locations)
