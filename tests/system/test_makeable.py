"""What stands in the way of something new, found out without making it."""

import os

import pytest

from gemd.system.makeable import check_directory_makeable, check_makeable
from tests.conftest import need_user


def fault_of(check, path):
    with pytest.raises(OSError) as caught:
        check(path)
    return caught.value.strerror, caught.value.filename


@pytest.mark.parametrize("check", [check_makeable, check_directory_makeable])
def test_where_something_can_be_made_nothing_is(tmp_path, check):
    before = tmp_path.stat()
    check(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    assert tmp_path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_directory_that_is_missing_or_none(tmp_path):
    (tmp_path / "file").touch()
    assert fault_of(check_makeable, tmp_path / "none/new") == ("No such file or directory", f"{tmp_path}/none/new")
    assert fault_of(check_makeable, tmp_path / "file/new") == ("Not a directory", f"{tmp_path}/file/new")


def test_directories_on_the_way_are_made_too(tmp_path):
    check_directory_makeable(tmp_path / "none/new")
    (tmp_path / "file").touch()
    assert fault_of(check_directory_makeable, tmp_path / "file/none/new")[0] == "Not a directory"


@need_user
def test_who_may_not_write(tmp_path):
    os.chmod(tmp_path, 0o555)
    for check in (check_makeable, check_directory_makeable):
        assert fault_of(check, tmp_path / "new") == ("Permission denied", f"{tmp_path}/new")
    assert fault_of(check_directory_makeable, tmp_path / "none/new") == ("Permission denied", f"{tmp_path}/none")
    os.chmod(tmp_path, 0o755)


def test_a_file_system_that_is_read_only(tmp_path, monkeypatch):
    real = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _: type("Status", (), {"f_flag": real.f_flag | os.ST_RDONLY}))
    assert fault_of(check_makeable, tmp_path / "new") == ("Read-only file system", f"{tmp_path}/new")
