"""Parts of uploads: what becomes of them, and what is left of them."""

import errno
import fcntl
import os
import stat
import struct
from pathlib import Path

import pytest

from gemd.config.host_settings import PART_PREFIX
from gemd.system import upload_part
from gemd.system.upload_part import UploadPart, find_regular, sync_directory

REAL_OPEN = os.open


@pytest.fixture(params=["nameless", "hidden", "without /proc"])
def kind(request, monkeypatch):
    """Each way in which a part may have to be made."""

    def open_named(path, flags, *arguments, **keywords):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return REAL_OPEN(path, flags, *arguments, **keywords)

    if request.param == "hidden":
        monkeypatch.setattr(os, "open", open_named)
    elif request.param == "without /proc":
        monkeypatch.setattr(upload_part, "_way_to", lambda descriptor: f"/nowhere/{descriptor}")
    return request.param


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    return path


@pytest.fixture
def directory(folder):
    """A descriptor as uploads have it."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(autouse=True)
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def publish(directory, name, data, into=None):
    part = UploadPart(directory, len(data))
    try:
        os.write(part.descriptor, data)
        part.publish(into if into is not None else directory, name)
    finally:
        part.close()


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file(kind, folder, directory):
    before = open_descriptors()
    publish(directory, "a.gmi", b"hello")
    assert [path.name for path in folder.iterdir()] == ["a.gmi"]
    assert (folder / "a.gmi").read_bytes() == b"hello"
    assert mode_of(folder / "a.gmi") == 0o640
    assert open_descriptors() == before


def test_it_has_no_name_that_is_seen_before_it_is_whole(kind, folder, directory):
    part = UploadPart(directory, 5)
    assert [path.name for path in folder.iterdir() if not path.name.startswith(PART_PREFIX)] == []
    assert len(list(folder.iterdir())) == (kind != "nameless")
    part.close()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("before", "after"), [(0o644, 0o644), (0o664, 0o664), (0o6755, 0o644), (0o1600, 0o600)])
def test_a_file_that_is_replaced_keeps_its_mode_as_far_as_that_is_harmless(kind, folder, directory, before, after):
    (folder / "a.gmi").write_text("before")
    (folder / "a.gmi").chmod(before)
    with (folder / "a.gmi").open() as reader:
        publish(directory, "a.gmi", b"after")
        assert reader.read() == "before"
    assert [path.name for path in folder.iterdir()] == ["a.gmi"]
    assert (folder / "a.gmi").read_bytes() == b"after"
    assert mode_of(folder / "a.gmi") == after


def test_other_names_of_a_file_that_is_replaced_keep_what_they_had(kind, folder, directory):
    (folder / "a.gmi").write_text("before")
    os.link(folder / "a.gmi", folder / "b.gmi")
    publish(directory, "a.gmi", b"after")
    assert (folder / "b.gmi").read_text() == "before"


def test_the_group_of_a_file_that_is_replaced_stays(kind, folder, directory):
    groups = [group for group in (os.getgroups() if os.geteuid() else range(2000, 2001)) if group != os.getegid()]
    if not groups:
        pytest.skip("this user has no second group")
    (folder / "a.gmi").write_text("before")
    os.chown(folder / "a.gmi", -1, groups[0])
    publish(directory, "a.gmi", b"after")
    assert (folder / "a.gmi").stat().st_gid == groups[0]


def test_a_group_that_may_not_be_given_does_not_matter(kind, folder, directory, monkeypatch):
    (folder / "a.gmi").write_text("before")
    real = os.stat(folder / "a.gmi")
    former = os.stat_result((real.st_mode, *real[1:5], real.st_gid + 1, *real[6:]))
    monkeypatch.setattr(upload_part, "find_regular", lambda *_: former)
    monkeypatch.setattr(os, "fchown", refuse)
    publish(directory, "a.gmi", b"after")
    assert (folder / "a.gmi").read_bytes() == b"after"


@pytest.mark.parametrize(("before", "after"), [(0o664, 0o644), (0o660, 0o600), (0o606, 0o666)])
def test_another_group_gets_no_more_than_everybody_has(kind, folder, directory, monkeypatch, before, after):
    (folder / "a.gmi").write_text("before")
    real = os.stat(folder / "a.gmi")
    former = os.stat_result((stat.S_IFREG | before, *real[1:5], real.st_gid + 1, *real[6:]))
    monkeypatch.setattr(upload_part, "find_regular", lambda *_: former)
    monkeypatch.setattr(os, "fchown", refuse)
    publish(directory, "a.gmi", b"after")
    assert mode_of(folder / "a.gmi") == after


def access_list(*entries):
    """The octets of one (acl(5)) of tags, rights and users."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY_IN_PARTICULAR = 0xFFFFFFFF
# The owner, the user 4242, the group, the mask and others: the group may not write.
ENTRIES = [(1, 6), (2, 6, 4242), (4, 4), (16, 6), (32, 4)]
LIST = access_list(*((*entry, NOBODY_IN_PARTICULAR)[:3] for entry in ENTRIES))


@pytest.fixture
def with_list(folder):
    """A file with an access control list."""
    path = folder / "a.gmi"
    path.write_text("before")
    try:
        os.setxattr(path, "system.posix_acl_access", LIST)
    except OSError:
        pytest.skip("there are no access control lists here")
    assert mode_of(path) == 0o664  # the mask, in the place of the group's bits
    return path


def test_the_access_control_list_of_a_file_that_is_replaced_stays(kind, with_list, directory):
    publish(directory, "a.gmi", b"after")
    assert os.getxattr(with_list, "system.posix_acl_access") == LIST
    assert mode_of(with_list) == 0o664


def test_a_list_that_may_not_be_given_gives_the_group_no_rights(kind, with_list, directory, monkeypatch):
    monkeypatch.setattr(os, "setxattr", refuse)
    publish(directory, "a.gmi", b"after")
    assert mode_of(with_list) == 0o644


def refuse(*_arguments, **_keywords):
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def test_it_may_be_published_in_another_directory(kind, folder, directory):
    (folder / "deep").mkdir()
    deep = os.open(folder / "deep", os.O_PATH | os.O_DIRECTORY)
    for data in (b"one", b"two"):
        publish(directory, "a.gmi", data, into=deep)
        assert (folder / "deep" / "a.gmi").read_bytes() == data
    os.close(deep)
    assert [path.name for path in folder.iterdir()] == ["deep"]


def test_who_comes_between_is_replaced(kind, folder, directory, monkeypatch):
    """Another upload takes the name after it was free."""
    real_sync = os.fsync

    def sync(descriptor):
        (folder / "a.gmi").write_text("the other one")
        monkeypatch.setattr(os, "fsync", real_sync)
        real_sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    publish(directory, "a.gmi", b"the last one")
    assert [path.name for path in folder.iterdir()] == ["a.gmi"]
    assert (folder / "a.gmi").read_bytes() == b"the last one"


TARGETS = {
    "directory": (lambda path: path.mkdir(), errno.EISDIR),
    "link": (lambda path: path.symlink_to("../secret"), errno.ELOOP),
    "dangling link": (lambda path: path.symlink_to("nothing"), errno.ELOOP),
    "fifo": (os.mkfifo, errno.EEXIST),
}


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_but_a_regular_file_is_replaced(kind, folder, directory, target, is_late, monkeypatch):
    make, code = TARGETS[target]
    (folder / "../secret").write_text("SECRET")
    real_sync = os.fsync
    if is_late:
        monkeypatch.setattr(os, "fsync", lambda descriptor: make(folder / "a") or real_sync(descriptor))
    else:
        make(folder / "a")
    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        publish(directory, "a", b"after")
    assert caught.value.errno == code
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert (folder / "../secret").read_text() == "SECRET"


def test_it_is_on_the_disk_before_it_has_its_name(kind, folder, directory, monkeypatch):
    done = []
    for name in ("fsync", "rename", "link"):
        monkeypatch.setattr(os, name, watch(done, name, getattr(os, name)))
    publish(directory, "a.gmi", b"hello")
    assert done == {"nameless": ["fsync", "link", "fsync"]}.get(kind, ["fsync", "rename", "fsync"])


def watch(done, name, real):
    return lambda *arguments, **keywords: done.append(name) or real(*arguments, **keywords)


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_what_fails_at_the_end_leaves_nothing(kind, folder, directory, step, monkeypatch):
    (folder / "a.gmi").write_text("before")
    before = open_descriptors()

    def fail(*_arguments, **_keywords):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="Input/output"):
        publish(directory, "a.gmi", b"after")
    assert [path.name for path in folder.iterdir()] == ["a.gmi"]
    assert (folder / "a.gmi").read_text() == "before"
    assert open_descriptors() == before


def test_there_has_to_be_room(kind, folder, directory, monkeypatch):
    before = open_descriptors()

    def reserve(descriptor, offset, size):
        assert (offset, size) == (0, 1_000_000)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", reserve)
    with pytest.raises(OSError, match="No space"):
        UploadPart(directory, 1_000_000)
    assert list(folder.iterdir()) == []
    assert open_descriptors() == before


def test_a_file_system_that_reserves_nothing_will_do(kind, folder, directory, monkeypatch):
    def reserve(*_arguments):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", reserve)
    publish(directory, "a.gmi", b"hello")
    assert (folder / "a.gmi").read_bytes() == b"hello"


def test_a_directory_that_cant_be_written_to(kind, folder, directory, monkeypatch):
    before = open_descriptors()
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError):
        UploadPart(directory, 1)
    monkeypatch.undo()
    assert open_descriptors() == before


def test_a_part_is_locked(kind, folder, directory):
    part = UploadPart(directory, 5)
    other = os.open(f"/proc/self/fd/{part.descriptor}", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    part.close()


def test_a_part_that_is_swept_away_before_it_was_locked_is_made_anew(folder, directory, monkeypatch):
    monkeypatch.setattr(upload_part, "_way_to", lambda descriptor: f"/nowhere/{descriptor}")
    real_flock, swept = fcntl.flock, []

    def flock(descriptor, operation):
        for path in folder.iterdir():
            if len(swept) < 2:
                swept.append(path.unlink())
        real_flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    publish(directory, "a.gmi", b"hello")
    assert len(swept) == 2
    assert (folder / "a.gmi").read_bytes() == b"hello"


def test_one_that_is_being_swept_is_left_to_that(folder, directory, monkeypatch):
    monkeypatch.setattr(upload_part, "_way_to", lambda descriptor: f"/nowhere/{descriptor}")
    real_flock, calls = fcntl.flock, []

    def flock(descriptor, operation):
        calls.append(descriptor)
        if len(calls) == 2:  # the first is of a part without a name
            raise BlockingIOError
        real_flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    publish(directory, "a.gmi", b"hello")
    assert (folder / "a.gmi").read_bytes() == b"hello"


def test_where_nothing_can_be_locked_it_goes_on(kind, folder, directory, monkeypatch):
    def flock(*_arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    publish(directory, "a.gmi", b"hello")
    assert (folder / "a.gmi").read_bytes() == b"hello"


def test_what_is_there(folder, directory):
    (folder / "a.gmi").write_text("hello")
    assert find_regular(directory, "a.gmi").st_size == 5
    assert find_regular(directory, "b.gmi") is None


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EROFS])
def test_a_directory_that_needs_no_sync(directory, code, monkeypatch):
    def sync(_descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", sync)
    sync_directory(directory)


def test_a_directory_that_cant_be_synced_is_an_error(directory, monkeypatch):
    def sync(_descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(OSError, match="Input/output"):
        sync_directory(directory)


def test_a_directory_that_cant_be_read_is_left_to_its_file_system(directory, monkeypatch):
    monkeypatch.setattr(os, "open", refuse)
    sync_directory(directory)
