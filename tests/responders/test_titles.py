import os
import sys

import pytest

from gemd.config.host_settings import Location
from gemd.responders import titles as titles_module
from gemd.responders.protection import Protection
from gemd.responders.titles import RememberedTitles
from gemd.responders.viewer import Viewer
from gemd.system.beneath import open_root
from tests.support.descriptors import open_descriptors

from .asking import peer


@pytest.fixture
def root(tmp_path):
    descriptor = open_root(str(tmp_path))
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def viewer(tmp_path):
    return Viewer(Protection({}), Location(root=str(tmp_path)), peer())


@pytest.fixture
def looked_at(monkeypatch):
    """What headings were looked for in."""
    looked_at, find_heading = [], titles_module.find_heading
    monkeypatch.setattr(titles_module, "find_heading", lambda octets: looked_at.append(octets) or find_heading(octets))
    return looked_at


def test_a_file_is_read_once(root, viewer, tmp_path, looked_at, long_ago):
    (tmp_path / "a").write_text("# One\n")
    titles = RememberedTitles()
    assert [titles.read(root, ["a"], viewer) for _ in range(3)] == ["One"] * 3
    assert len(looked_at) == 1


def test_and_again_when_it_has_changed(root, viewer, tmp_path, looked_at, long_ago):
    (tmp_path / "a").write_text("# One\n")
    titles = RememberedTitles()
    assert titles.read(root, ["a"], viewer) == "One"
    status = os.stat(tmp_path / "a")
    (tmp_path / "a").write_text("# Two\n")
    os.utime(tmp_path / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [titles.read(root, ["a"], viewer) for _ in range(2)] == ["Two"] * 2
    assert len(looked_at) == 2


def test_and_each_time_for_a_moment_after_it_has_changed(root, viewer, tmp_path, looked_at):
    (tmp_path / "a").write_text("# One\n")
    titles = RememberedTitles()
    assert [titles.read(root, ["a"], viewer) for _ in range(2)] == ["One"] * 2
    assert len(looked_at) == 2


def test_no_more_than_its_beginning_is_read(root, viewer, tmp_path, looked_at):
    (tmp_path / "a").write_text("x" * 4090 + "\n# Beginning of a title\n" + "x" * 100_000)
    assert RememberedTitles().read(root, ["a"], viewer) == "Beg"
    assert len(looked_at[0]) == 4096


def test_all_together_have_a_limit(root, viewer, tmp_path, looked_at, long_ago):
    for name in "abcd":
        (tmp_path / name).write_text(f"# {name}\n")
    titles = RememberedTitles(3 * (sys.getsizeof("a") + titles_module._OVERHEAD))
    for name in "abcd":
        assert titles.read(root, [name], viewer) == name
    for name in "dcb":
        titles.read(root, [name], viewer)
    assert len(looked_at) == 4
    titles.read(root, ["a"], viewer)
    titles.read(root, ["d"], viewer)
    assert len(looked_at) == 6  # d was not asked for longest


@pytest.mark.timeout(10)
def test_what_can_not_be_read_has_no_title(root, viewer, tmp_path):
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "out").symlink_to("/etc/passwd")
    before = open_descriptors()
    for name in ("directory", "fifo", "out", "none"):
        assert RememberedTitles().read(root, [name], viewer) == ""
    assert open_descriptors() == before
