import os
import sys
import time

import pytest

import gemd
from gemd.system.file_watch import FileWatch, files_of_applications


@pytest.fixture(autouse=True)
def no_slack(monkeypatch):
    """The files of a test are younger than that."""
    monkeypatch.setattr("gemd.system.file_watch._SLACK", 0)


@pytest.fixture
def write(tmp_path):
    """Write a file, with a time of its own: a moment of the past, unless `at` is another."""
    clock = [time.time_ns() - 10_000_000_000]

    def write(name, text="x", at=None):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        clock[0] += 1000
        os.utime(path, ns=(at or clock[0],) * 2)
        return str(path)

    return write


@pytest.fixture
def watch(tmp_path, write):
    write("a.py")
    watch = FileWatch([str(tmp_path)], time.time_ns())
    assert watch.look() is None
    return watch


def test_nothing_has_changed(watch):
    assert [watch.look() for _ in range(3)] == [None] * 3


def test_a_change_is_told_once(watch, write):
    path = write("a.py", "y")
    assert [watch.look(), watch.look()] == [path, None]
    assert write("a.py", "z") == watch.look()


def test_a_change_of_time_alone(watch, write):
    assert write("a.py") == watch.look()


def test_a_new_file_and_one_that_is_gone(watch, write):
    path = write("deep/er/b.py")
    assert watch.look() == path
    os.unlink(path)
    assert [watch.look(), watch.look()] == [path, None]


@pytest.mark.parametrize("name", ["x.txt", "x.sqlite", "__pycache__/x.py", ".git/x.py", "v/site-packages/x.py"])
def test_what_is_no_part_of_an_application(watch, write, name):
    write(name)
    assert watch.look() is None


def test_an_older_file_that_is_moved_into_its_place(watch, write, tmp_path):
    other = write("other.txt", "y", at=1)
    os.rename(other, tmp_path / "a.py")
    assert [watch.look(), watch.look()] == [str(tmp_path / "a.py"), None]


def test_a_file_of_the_future_does_not_change_all_the_time(tmp_path, write):
    write("a.py", at=time.time_ns() + 10**15)
    watch = FileWatch([str(tmp_path)], time.time_ns())
    assert [watch.look() for _ in range(3)] == [None] * 3


def test_what_changed_after_the_first_worker_may_have_imported_it(tmp_path, write):
    write("a.py")
    since = time.time_ns()
    time.sleep(0.05)  # the file system's clock is coarse
    path = write("b.py", at=1)
    watch = FileWatch([str(tmp_path)], since)
    assert [watch.look(), watch.look()] == [path, None]


@pytest.mark.parametrize("change", ["written", "removed", "another"])
def test_what_changes_between_its_making_and_the_first_look(tmp_path, write, change):
    path = write("a.py")
    write("b.py")
    watch = FileWatch([str(tmp_path)], time.time_ns())
    if change == "removed":
        os.unlink(path)
    else:
        path = write("a.py" if change == "written" else "c.py", "y")
    assert [watch.look(), watch.look()] == [path, None]


def test_a_module_from_elsewhere_that_changes_while_it_is_imported(tmp_path, write, monkeypatch):
    path = write("elsewhere/gemd_test_slow_module.py", "1")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    time.sleep(0.05)  # the file system's clock is coarse
    watch = FileWatch([], time.time_ns())
    import gemd_test_slow_module

    time.sleep(0.05)
    write("elsewhere/gemd_test_slow_module.py", "2")
    assert [watch.look(), watch.look()] == [path, None]
    del sys.modules[gemd_test_slow_module.__name__]


def test_imported_modules_are_watched_wherever_they_are(tmp_path, write, monkeypatch):
    path = write("elsewhere/gemd_test_module.py", "1")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    import gemd_test_module

    assert files_of_applications()["gemd_test_module"] == path
    watch = FileWatch([], time.time_ns())
    assert watch.look() is None
    assert write("elsewhere/gemd_test_module.py", "2") == watch.look()
    del sys.modules[gemd_test_module.__name__]


def test_libraries_and_gemd_itself_are_not():
    found = files_of_applications()
    assert not {"os", "json", "pytest", "msgspec", "gemd", "gemd.startup.serve", "__main__"} & set(found)
    assert not any(path.startswith(os.path.dirname(gemd.__file__) + os.sep) for path in found.values())


def test_the_number_of_files_has_an_end(tmp_path, write, monkeypatch):
    for number in range(10):
        write(f"{number}/x.py")
    monkeypatch.setattr("gemd.system.file_watch._MAX_FILES", 6)
    assert len(FileWatch([str(tmp_path)], time.time_ns())._known) < 6 + len(files_of_applications())
