"""Where a log may be. `owner` stands for who opens it: root is more wary than anybody else."""

import os
import stat

import pytest

from gemd.system.attempt import attempt_under_way
from gemd.system.log_file import LogError, check_log_file, log_files_opened, open_log_file
from tests.conftest import need_root

USER = 1000


@pytest.fixture
def folders(tmp_path):
    """a/b/c, where the log is."""
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    return folder


def make_link(path):
    path.with_name("target").touch()
    path.symlink_to("target")


def make_nothing(_path):
    pass


TARGETS = {
    "link": (make_link, "Too many levels of symbolic links"),
    "dangling link": (lambda path: path.symlink_to("nothing"), "Too many levels of symbolic links"),
    "directory": (lambda path: path.mkdir(), "Is a directory"),
    "FIFO": (os.mkfifo, "No such device or address"),
    "missing directory": (lambda path: path.parent.rmdir(), "No such file or directory; there is no {logs}"),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("make", "reason"), TARGETS.values(), ids=TARGETS)
def test_refuses_what_is_no_file_of_its_own(tmp_path, make, reason):
    path = tmp_path / "logs" / "log"
    path.parent.mkdir()
    make(path)
    with pytest.raises(LogError) as caught:
        open_log_file(str(path))
    assert str(caught.value) == f"can't open the log {path}: {reason.format(logs=path.parent)}"


def test_refuses_a_fifo_with_a_reader(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(LogError, match="not a regular file"):
        open_log_file(str(path))
    os.close(reader)


def test_refuses_a_device():
    with pytest.raises(LogError, match="/dev/null: it is not a regular file"):
        open_log_file("/dev/null")


def test_a_directory_that_everyone_may_write_is_refused(tmp_path):
    tmp_path.chmod(0o1777)
    with pytest.raises(LogError, match="everyone may write in"):
        open_log_file(str(tmp_path / "log"))


@need_root
def test_root_refuses_a_directory_of_somebody_else(tmp_path):
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(LogError, match="another user may write in"):
        open_log_file(str(tmp_path / "log"))


# Every directory on the way


def test_a_file_is_opened_to_append(folders):
    path = folders / "log"
    path.write_text("before\n")
    descriptor = open_log_file(str(path))
    os.write(descriptor, b"line\n")
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)
    assert path.read_text() == "before\nline\n"


def test_nothing_stays_open(folders):
    before = sorted(os.listdir("/proc/self/fd"))
    os.close(open_log_file(str(folders / "log")))
    with pytest.raises(LogError):
        open_log_file(str(folders / "none" / "log"))
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("up", [0, 1, 2])
def test_a_directory_on_the_way_that_everyone_may_write_is_refused(folders, up):
    open_directory = folders if up == 0 else folders.parents[up - 1]
    open_directory.chmod(0o777)
    with pytest.raises(LogError, match=f"everyone may write in {open_directory};"):
        open_log_file(str(folders / "log"))
    assert not (folders / "log").exists()


def test_one_that_is_sticky_is_not_refused(folders):
    folders.parent.chmod(0o1777)
    os.close(open_log_file(str(folders / "log")))


def test_one_that_a_group_may_write_is_not_refused_above(folders):
    folders.parent.chmod(0o775)
    os.close(open_log_file(str(folders / "log")))


@need_root
@pytest.mark.parametrize("up", [0, 1, 2])
def test_root_refuses_a_directory_on_the_way_that_is_somebody_elses(folders, up):
    other = folders if up == 0 else folders.parents[up - 1]
    os.chown(other, USER, USER)
    with pytest.raises(LogError, match=f"as root: another user may write in {other};"):
        open_log_file(str(folders / "log"))
    with pytest.raises(LogError, match=f"as root: another user may write in {other};"):
        check_log_file(str(folders / "log"))


@need_root
def test_root_follows_no_link_of_somebody_else(folders, tmp_path):
    """In a directory that is sticky anybody may make one."""
    (tmp_path / "link").symlink_to(folders)
    os.close(open_log_file(str(tmp_path / "link" / "log")))
    os.chown(tmp_path / "link", USER, USER, follow_symlinks=False)
    with pytest.raises(LogError, match=f"as root: {tmp_path}/link is another user's link"):
        open_log_file(str(tmp_path / "link" / "log"))
    with pytest.raises(LogError, match="is another user"):
        check_log_file(str(tmp_path / "link" / "log"))


@pytest.mark.parametrize("target", ["a/b/c", "./a//b/../b/c/", "{tmp}/a/b/c", "second"])
def test_links_and_dots_lead_where_they_lead_everybody(folders, tmp_path, target):
    (tmp_path / "second").symlink_to("a/b/c")
    (tmp_path / "link").symlink_to(target.replace("{tmp}", str(tmp_path)))
    os.close(open_log_file(f"{tmp_path}/link/../c/./log"))
    assert (folders / "log").exists()


def test_what_a_link_leads_to_is_looked_at_too(folders, tmp_path):
    (tmp_path / "link").symlink_to("a/b/c")
    folders.parent.chmod(0o777)
    with pytest.raises(LogError, match=f"everyone may write in {folders.parent};"):
        open_log_file(str(tmp_path / "link" / "log"))


def test_links_in_a_circle(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(LogError, match="Too many levels of symbolic links"):
        open_log_file(str(tmp_path / "one" / "log"))


@pytest.mark.timeout(60)
def test_what_changes_meanwhile_leads_nowhere_else(folders, tmp_path, monkeypatch):
    """A directory is renamed when it was looked at, and another one is put in its place."""
    other = tmp_path / "other"
    (other / "b" / "c").mkdir(parents=True)
    real = os.open

    def swap_then_open(path, flags, *rest, **options):
        if path == "log":
            folders.parents[1].rename(tmp_path / "former")
            other.rename(tmp_path / "a")
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", swap_then_open)
    os.close(open_log_file(str(folders / "log")))
    assert (tmp_path / "former" / "b" / "c" / "log").exists()
    assert not (tmp_path / "a" / "b" / "c" / "log").exists()


# A look without opening


def test_nothing_is_made(folders):
    check_log_file(str(folders / "log"))
    assert not (folders / "log").exists()
    (folders / "log").touch()
    check_log_file(str(folders / "log"))


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), make_link, os.mkfifo])
def test_what_would_be_refused_is(folders, make):
    make(folders / "log")
    with pytest.raises(LogError):
        check_log_file(str(folders / "log"))


def test_a_directory_that_is_missing(folders):
    with pytest.raises(LogError, match="No such file or directory"):
        check_log_file(str(folders / "none" / "log"))
    assert stat.S_ISDIR(folders.stat().st_mode)


# Files that another process has opened


def test_inside_files_are_taken_and_not_opened(folders):
    path, another = folders / "log", folders / "another"
    with path.open("a") as file, log_files_opened({str(path): file.fileno()}):
        one, other = open_log_file(str(path)), open_log_file(str(path))
        with pytest.raises(LogError, match="nobody has opened it"):
            open_log_file(str(another))
    os.write(one, b"one\n")
    os.write(other, b"two\n")
    assert path.read_text() == "one\ntwo\n"
    assert not os.get_inheritable(one)
    assert not another.exists()
    os.close(one)
    os.close(other)
    os.close(open_log_file(str(another)))
    assert another.exists()


@pytest.mark.parametrize("look", [open_log_file, check_log_file])
def test_what_is_waited_for_has_a_name(folders, monkeypatch, look):
    heard = []

    def wait(*_, **__):
        heard.append(attempt_under_way())
        raise OSError

    monkeypatch.setattr("gemd.system.log_file.os.open", wait)
    with pytest.raises(LogError):
        look(str(folders / "log"))
    monkeypatch.undo()
    assert heard[0].startswith(("the log ", "the place of the log "))
    assert str(folders / "log") in heard[0]
