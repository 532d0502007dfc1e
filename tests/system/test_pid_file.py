"""Pid files: whose lock it is, and what may stand in its place."""

import fcntl
import os
import re
import stat
import threading

import pytest

from gemd.system.pid_file import AlreadyRunning, PidFile, PidFileError, lock_pid_file
from tests.conftest import need_root, need_user

MINE = f"{os.getpid()}\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gemd.pid"


@pytest.fixture
def lock():
    """Lock pid files, and let go of them in the end."""
    locked = []

    def lock(path, owner=None):
        locked.append(lock_pid_file(path, owner))
        return locked[-1]

    yield lock
    for pid_file in locked:
        try:
            pid_file.close()
        except OSError:
            continue  # by the test


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def descriptors():
    return len(os.listdir("/proc/self/fd"))


# Writing


def test_nothing_is_written_before_there_is_something_to_say(lock, path):
    lock(path)
    assert names(path.parent) == ["gemd.pid.lock"]


def test_the_pid_is_a_line_that_everyone_may_read(lock, path):
    before = os.umask(0o077)
    try:
        lock(path).write()
    finally:
        os.umask(before)
    assert path.read_text() == MINE
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert names(path.parent) == ["gemd.pid", "gemd.pid.lock"]


def test_the_lock_does_not_survive_exec(lock, path):
    assert not os.get_inheritable(lock(path).lock)


FORMER = {
    "stale": "999999999\n",
    "garbage": "\x00\xff not a number",
    "empty": "",
    "long": "1" * 10_000,
    "of another process that lives": f"{os.getppid()}\n",
}


@pytest.mark.parametrize("text", FORMER.values(), ids=FORMER)
def test_whatever_stands_there_is_replaced(lock, path, text):
    path.write_text(text, errors="surrogateescape")
    pid_file = lock(path)
    assert path.read_text(errors="surrogateescape") == text  # until it is true
    pid_file.write()
    assert path.read_text() == MINE


def test_a_lock_file_that_was_left_is_used_again(lock, path):
    lock(path).close()
    first = path.with_name("gemd.pid.lock").stat().st_ino
    lock(path)
    assert path.with_name("gemd.pid.lock").stat().st_ino == first


def test_it_is_replaced_whole(lock, path):
    """Who looks at any time finds one number or the other."""
    pid_file = lock(path)
    pid_file.write()
    seen, is_over = set(), threading.Event()

    def look():
        while not is_over.is_set():
            seen.add(path.read_text())

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(300):
        pid_file.write()
    is_over.set()
    thread.join()
    assert seen == {MINE}
    assert names(path.parent) == ["gemd.pid", "gemd.pid.lock"]


def test_a_link_in_its_place_is_replaced_and_not_followed(lock, path, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    path.symlink_to(precious)
    pid_file = lock(path)
    pid_file.write()
    assert precious.read_text() == "precious"
    assert not path.is_symlink()
    assert path.read_text() == MINE


@need_root
def test_another_users_file_is_replaced_too(lock, path):
    path.write_text("7\n")
    os.chown(path, 65534, 65534)
    lock(path).write()
    assert (path.read_text(), path.stat().st_uid) == (MINE, 0)


def test_a_directory_that_vanished_is_a_complaint(lock, path):
    pid_file = lock(path)
    pid_file.path = path.parent / "none" / "gemd.pid"
    with pytest.raises(PidFileError, match=r"can't write the pid file .*none/gemd.pid: No such file or directory"):
        pid_file.write()


def test_what_can_not_be_replaced_leaves_nothing_behind(lock, path):
    pid_file = lock(path)
    path.mkdir()
    before = descriptors()
    with pytest.raises(PidFileError, match=r"can't write the pid file .*: Is a directory"):
        pid_file.write()
    assert names(path.parent) == ["gemd.pid", "gemd.pid.lock"]
    assert descriptors() == before


@need_user
def test_a_directory_that_may_not_be_written_is_found_before(lock, path):
    pid_file = lock(path)
    pid_file.check_writable()
    path.parent.chmod(0o500)
    try:
        with pytest.raises(PidFileError, match="give it a directory of its own that uid"):
            pid_file.check_writable()
    finally:
        path.parent.chmod(0o700)


# Locking


def test_a_second_one_is_refused_and_told_who_it_is(lock, path):
    lock(path).write()
    before = descriptors()
    with pytest.raises(AlreadyRunning, match=rf"another gemd runs already \(pid {os.getpid()}\) and holds .*gemd.pid"):
        lock_pid_file(path)
    assert descriptors() == before
    assert path.read_text() == MINE


@pytest.mark.parametrize("text", ["", "garbage", None])
def test_one_that_has_said_nothing_yet_is_refused_too(lock, path, text):
    lock(path)
    if text is not None:
        path.write_text(text)
    with pytest.raises(AlreadyRunning, match="its pid is not known yet"):
        lock_pid_file(path)


def test_the_lock_goes_with_its_last_copy(lock, path):
    """A successor inherits it: it is never free between the two."""
    first = lock(path)
    copy = os.dup(first.lock)
    first.close()
    with pytest.raises(AlreadyRunning):
        lock_pid_file(path)
    os.close(copy)
    lock(path)


def test_the_lock_goes_with_its_process_however_that_ends(lock, path):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        lock_pid_file(path).write()
        os.write(writer, b"locked")
        os.read(reader, 0)
        os.kill(os.getpid(), 9)
    assert os.read(reader, 10) == b"locked"
    os.waitpid(pid, 0)
    assert path.read_text() == f"{pid}\n"
    lock(path).write()
    assert path.read_text() == MINE
    os.close(reader)
    os.close(writer)


def test_a_link_in_the_place_of_the_lock_is_refused(path, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    path.with_name("gemd.pid.lock").symlink_to(precious)
    with pytest.raises(PidFileError, match=r"can't lock the pid file .*: Too many levels of symbolic links: .*lock"):
        lock_pid_file(path)
    assert precious.read_text() == "precious"


def test_a_directory_in_the_place_of_the_lock_is_refused(path):
    path.with_name("gemd.pid.lock").mkdir()
    with pytest.raises(PidFileError, match=r"can't lock the pid file .*: Is a directory"):
        lock_pid_file(path)


def test_a_pipe_in_the_place_of_the_lock_holds_nobody_up(lock, path):
    os.mkfifo(path.with_name("gemd.pid.lock"))
    lock(path)


def test_a_directory_in_its_place_is_refused(path):
    path.mkdir()
    with pytest.raises(PidFileError, match=r"the pid file .*gemd.pid is not a regular file"):
        lock_pid_file(path)


def test_a_pipe_in_its_place_is_refused(path):
    os.mkfifo(path)
    with pytest.raises(PidFileError, match="is not a regular file"):
        lock_pid_file(path)


def test_its_directory_is_made(lock, tmp_path):
    before = os.umask(0o022)
    try:
        lock(tmp_path / "gemd" / "gemd.pid").write()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "gemd").stat().st_mode) == 0o755


def test_but_not_what_is_above_that(tmp_path):
    with pytest.raises(PidFileError, match=r"can't lock the pid file .*: No such file or directory: .*/none/gemd"):
        lock_pid_file(tmp_path / "none" / "gemd" / "gemd.pid")


@need_root
def test_an_owner_has_the_directory_and_the_lock(lock, tmp_path):
    pid_file = lock(tmp_path / "gemd" / "gemd.pid", (65534, 65533))
    for entry in (tmp_path / "gemd", tmp_path / "gemd" / "gemd.pid.lock"):
        status = entry.stat()
        assert (status.st_uid, status.st_gid) == (65534, 65533)
    assert os.fstat(pid_file.lock).st_uid == 65534


@need_root
def test_a_directory_that_was_there_stays_whose_it_was(lock, path):
    lock(path, (65534, 65534))
    assert path.parent.stat().st_uid == 0


def test_failures_leave_nothing_open(path):
    before = descriptors()
    path.mkdir()
    with pytest.raises(PidFileError):
        lock_pid_file(path)
    path.rmdir()
    path.with_name("gemd.pid.lock").mkdir()
    with pytest.raises(PidFileError):
        lock_pid_file(path)
    assert descriptors() == before


def test_a_lock_that_can_not_be_given_away_leaves_nothing_open(path, monkeypatch):
    def fail(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", fail)
    before = descriptors()
    with pytest.raises(PidFileError, match="can't lock the pid file"):
        lock_pid_file(path, (1, 1))
    assert descriptors() == before


def test_a_file_system_without_locks_is_named(path, monkeypatch):
    def fail(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    before = descriptors()
    with pytest.raises(PidFileError, match=r"can't lock the pid file .*: No locks available"):
        lock_pid_file(path)
    assert descriptors() == before


@need_root
def test_a_second_start_changes_nothing(lock, path):
    lock(path, (65534, 65534)).write()

    def state():  # without the time of the last access: it is read, to say who holds it
        found = [one.stat() for one in (path, path.with_name("gemd.pid.lock"))]
        return [(one.st_ino, one.st_mode, one.st_uid, one.st_gid, one.st_size, one.st_mtime_ns) for one in found]

    before = state()
    with pytest.raises(AlreadyRunning):
        lock_pid_file(path, (1, 1))
    assert state() == before


# Removing


def test_it_is_removed_and_the_lock_file_stays(lock, path):
    pid_file = lock(path)
    pid_file.write()
    pid_file.remove()
    assert names(path.parent) == ["gemd.pid.lock"]
    pid_file.remove()


@pytest.mark.parametrize("text", ["1\n", "garbage", "", f"{os.getpid()}{os.getpid()}\n"])
def test_anothers_is_not_removed(lock, path, text):
    pid_file = lock(path)
    path.write_text(text)
    pid_file.remove()
    assert path.read_text() == text


def test_a_forked_worker_does_not_remove_it(lock, path):
    pid_file = lock(path)
    pid_file.write()
    pid = os.fork()
    if pid == 0:
        pid_file.remove()
        os._exit(0)
    os.waitpid(pid, 0)
    assert path.read_text() == MINE


def test_a_successor_writes_its_own_with_the_lock_it_inherits(lock, path):
    old = lock(path)
    old.write()
    pid = os.fork()
    if pid == 0:
        PidFile(path, old.lock).write()
        os._exit(0)
    os.waitpid(pid, 0)
    assert re.fullmatch(rf"{pid}\n", path.read_text())
    old.remove()  # it names another one by now
    assert path.exists()
