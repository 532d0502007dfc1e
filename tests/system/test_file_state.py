import os

from gemd.system import file_state
from gemd.system.file_state import find_state, is_settled


def test_another_state_of_a_file_has_another_one(tmp_path):
    path = tmp_path / "page"
    path.write_text("1")
    first = find_state(path.stat())
    assert find_state(path.stat()) == first
    os.utime(path, ns=(1, 1))
    second = find_state(path.stat())
    path.write_text("22")
    os.utime(path, ns=(1, 1))
    third = find_state(path.stat())
    (tmp_path / "other").write_text("22")
    assert len({first, second, third, find_state((tmp_path / "other").stat())}) == 4


def test_what_has_just_changed_is_not_settled(tmp_path):
    (tmp_path / "page").touch()
    status = (tmp_path / "page").stat()
    assert not is_settled(status)
    assert not is_settled(status, status.st_ctime_ns + file_state._STEP - 1)
    assert is_settled(status, status.st_ctime_ns + file_state._STEP)


def test_a_time_that_somebody_has_set_does_not_count(tmp_path):
    (tmp_path / "page").touch()
    os.utime(tmp_path / "page", ns=(1, 1))
    assert not is_settled((tmp_path / "page").stat())
    assert is_settled(os.stat("/"), 2**62)
