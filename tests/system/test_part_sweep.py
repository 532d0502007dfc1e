"""What is left of uploads is removed, and nothing else."""

import errno
import fcntl
import logging
import os

import pytest

from gemd.config.host_settings import PART_PREFIX
from gemd.system import upload_part
from gemd.system.part_sweep import begin_sweep, find_tops, sweep_directory
from gemd.system.upload_part import UploadPart

LEFT = PART_PREFIX + "0123456789abcdef"


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "root"
    path.mkdir()
    return path


def sweep(*directories):
    thread = begin_sweep([str(directory) for directory in directories])
    thread.join(15)
    assert not thread.is_alive()


def names_below(path):
    return sorted(str(each.relative_to(path)) for each in path.rglob("*"))


def test_parts_are_removed_wherever_they_are(root, caplog):
    caplog.set_level(logging.INFO)
    for folder in ("", "a", "a/b", ".hidden"):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / LEFT).write_text("half")
        (root / folder / "page.gmi").write_text("page")
    sweep(root)
    assert names_below(root) == [".hidden", ".hidden/page.gmi", "a", "a/b", "a/b/page.gmi", "a/page.gmi", "page.gmi"]
    assert caplog.text.count("was left of an upload") == 4


def test_what_is_being_written_stays(root, monkeypatch):
    monkeypatch.setattr(upload_part, "_way_to", lambda descriptor: f"/nowhere/{descriptor}")
    directory = os.open(root, os.O_PATH)
    part = UploadPart(directory, 5)
    sweep(root)
    part.publish(directory, "a.gmi")
    part.close()
    os.close(directory)
    assert names_below(root) == ["a.gmi"]


def test_nothing_else_is_removed(root):
    (root / (PART_PREFIX[1:] + "a")).write_text("a name without the dot")
    (root / LEFT).mkdir()
    (root / (LEFT + "1")).symlink_to(root / "page.gmi")
    os.mkfifo(root / (LEFT + "2"))
    (root / "page.gmi").write_text("page")
    before = names_below(root)
    sweep(root)
    assert names_below(root) == before


def test_links_are_not_followed(root, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / LEFT).write_text("half")
    (root / "link").symlink_to(tmp_path / "outside")
    sweep(root)
    assert (tmp_path / "outside" / LEFT).exists()


def test_one_that_gets_its_name_meanwhile_stays(root, monkeypatch):
    (root / LEFT).write_text("whole")
    real_flock = fcntl.flock

    def flock(descriptor, operation):
        (root / LEFT).rename(root / "page.gmi")
        (root / LEFT).write_text("another one")
        real_flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    sweep_directory(str(root))
    assert (root / "page.gmi").read_text() == "whole"
    assert (root / LEFT).read_text() == "another one"


def test_where_it_cant_be_told_whether_somebody_writes_it_stays(root, monkeypatch):
    def flock(*_arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    (root / LEFT).write_text("half")
    sweep_directory(str(root))
    assert (root / LEFT).exists()


def test_a_directory_that_is_not_there_is_no_matter(root):
    (root / LEFT).write_text("half")
    sweep(root / "nothing", root)
    assert names_below(root) == []


def test_very_deep_directories_are_swept_too(root):
    deepest = root
    for _ in range(400):
        deepest = deepest / "a"
        deepest.mkdir()
    (deepest / LEFT).write_text("half")
    sweep(root)
    assert not (deepest / LEFT).exists()


def test_what_is_in_another_one_is_looked_at_once():
    assert find_tops(["/srv/b", "/srv/a/c", "/srv/a", "/srv/ab", "/srv/a"]) == ["/srv/a", "/srv/ab", "/srv/b"]
    assert find_tops(["/srv", "/"]) == ["/"]
