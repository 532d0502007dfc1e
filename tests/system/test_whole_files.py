"""Files that are complete or not there."""

import os
import stat

import pytest

from gemd.system.whole_files import find_directory_owner, replace_all, replace_whole, write_all_once, write_once
from tests.conftest import need_root


def test_a_file_is_written_once(tmp_path):
    path = tmp_path / "f"
    write_once(path, b"one", 0o640, None)
    write_once(path, b"two", 0o600, None)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"one", 0o640)
    assert os.listdir(tmp_path) == ["f"]


def test_what_is_replaced_stays_beside_it(tmp_path):
    path = tmp_path / "f"
    write_once(path, b"one", 0o640, None)
    for content in (b"two", b"three"):
        replace_whole(path, content)
    assert (path.read_bytes(), (tmp_path / "f.old").read_bytes()) == (b"three", b"two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["f", "f.old"]


def test_a_full_disk_leaves_what_was(tmp_path, monkeypatch):
    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    write_once(tmp_path / "f", b"one", 0o600, None)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_once(tmp_path / "g", b"one", 0o600, None)
    with pytest.raises(OSError, match="No space left"):
        replace_whole(tmp_path / "f", b"two")
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"one"


def test_several_appear_together_or_not_at_all(tmp_path):
    one, two = tmp_path / "1", tmp_path / "2"
    two.write_bytes(b"there")
    with pytest.raises(FileExistsError):
        write_all_once([(one, b"a", 0o600), (two, b"b", 0o644)], None)
    assert (os.listdir(tmp_path), two.read_bytes()) == (["2"], b"there")
    two.unlink()
    write_all_once([(one, b"a", 0o600), (two, b"b", 0o644)], None)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (one, two)] == [0o600, 0o644]
    assert sorted(os.listdir(tmp_path)) == ["1", "2"]


def test_several_are_replaced_and_stay_beside(tmp_path, monkeypatch):
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"a")
    replace_all([(one, b"b", 0o600), (two, b"c", 0o644)], None)
    assert (one.read_bytes(), two.read_bytes(), (tmp_path / "1.old").read_bytes()) == (b"b", b"c", b"a")
    assert sorted(os.listdir(tmp_path)) == ["1", "1.old", "2"]

    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        replace_all([(one, b"d", 0o600), (two, b"e", 0o644)], None)
    assert (one.read_bytes(), two.read_bytes(), (tmp_path / "1.old").read_bytes()) == (b"b", b"c", b"a")


@need_root
def test_whose_a_directory_is(tmp_path):
    assert find_directory_owner(tmp_path) is None
    assert find_directory_owner(tmp_path / "missing") is None
    os.chown(tmp_path, 65534, 65534)
    assert find_directory_owner(tmp_path) == (65534, 65534)
    write_once(tmp_path / "f", b"one", 0o600, None)
    replace_whole(tmp_path / "f", b"two")
    assert (tmp_path / "f").stat().st_uid == 65534
