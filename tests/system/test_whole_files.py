"""Files that are complete or not there."""

import os
import stat

import pytest

from gemd.system.whole_files import replace_whole, write_once


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
