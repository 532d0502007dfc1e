import contextlib
import ctypes
import errno
import os
import socket
import threading
import time

import pytest

from gemd.system import beneath
from gemd.system.beneath import has_openat2, open_beneath, open_by_components, open_directory, open_root

POLICIES = ["beneath", "none", "any"]

needs_openat2 = pytest.mark.skipif(not has_openat2(), reason="this kernel has no openat2")


@pytest.fixture
def root(tmp_path):
    """A descriptor of a tree with every kind of link, beside which lies a secret."""
    inside, outside = tmp_path / "root", tmp_path / "outside"
    (inside / "dir").mkdir(parents=True)
    outside.mkdir()
    (inside / "file").write_text("inside")
    (inside / "dir" / "file").write_text("inside")
    (outside / "file").write_text("SECRET")
    links = {
        "to-file": "file",
        "chain": "to-file",
        "to-dir": "dir",
        "dir/up": "../file",
        "absolute": inside / "file",
        "out": "../outside/file",
        "out-absolute": outside / "file",
        "out-dir": "../outside",
        "there-and-back": "../root/file",
        "dangling": "nothing",
        "loop": "loop",
        "magic": "/proc/self/root",
        "magic-file": "/proc/self/root" + str(outside / "file"),
    }
    for name, target in links.items():
        (inside / name).symlink_to(target)
    descriptor = open_root(str(inside))
    yield descriptor
    os.close(descriptor)


def outcome(open_it, *arguments):
    """The file's content, "directory", or the name of the error."""
    try:
        descriptor = open_it(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    try:
        return os.read(descriptor, 100).decode()
    except IsADirectoryError:
        return "directory"
    finally:
        os.close(descriptor)


# What is asked for, then what comes of it where links may stay beneath the root, are forbidden, or may lead anywhere.
TABLE = {
    "file": ("inside", "inside", "inside"),
    "dir": ("directory", "directory", "directory"),
    "dir/file": ("inside", "inside", "inside"),
    "": ("directory", "directory", "directory"),
    "to-file": ("inside", "ELOOP", "inside"),
    "chain": ("inside", "ELOOP", "inside"),
    "to-dir": ("directory", "ELOOP", "directory"),
    "to-dir/file": ("inside", "ELOOP", "inside"),
    "dir/up": ("inside", "ELOOP", "inside"),
    "absolute": ("EXDEV", "ELOOP", "inside"),
    "out": ("EXDEV", "ELOOP", "SECRET"),
    "out-absolute": ("EXDEV", "ELOOP", "SECRET"),
    "out-dir/file": ("EXDEV", "ELOOP", "SECRET"),
    "there-and-back": ("EXDEV", "ELOOP", "inside"),
    "dangling": ("ENOENT", "ELOOP", "ENOENT"),
    "loop": ("ELOOP", "ELOOP", "ELOOP"),
    "magic": ("EXDEV", "ELOOP", "ELOOP"),
    "magic-file": ("EXDEV", "ELOOP", "ELOOP"),
    "nothing": ("ENOENT", "ENOENT", "ENOENT"),
    "file/below": ("ENOTDIR", "ENOTDIR", "ENOTDIR"),
    "x" * 256: ("ENAMETOOLONG", "ENAMETOOLONG", "ENAMETOOLONG"),
}


def split(path):
    return path.split("/") if path else []


@needs_openat2
@pytest.mark.parametrize(("policy", "column"), [(policy, i) for i, policy in enumerate(POLICIES)], ids=POLICIES)
@pytest.mark.parametrize("path", TABLE)
def test_the_policy_on_links(root, path, policy, column):
    assert outcome(open_beneath, root, split(path), policy) == TABLE[path][column]


@pytest.mark.parametrize("path", TABLE)
def test_component_by_component_no_link_is_followed(root, path):
    expected = TABLE[path][1]
    if expected == "ELOOP" and "/" in path and path != "dir/up":
        expected = "ENOTDIR"  # a link is no directory
    assert outcome(open_by_components, root, split(path)) == expected


def find(opener, *arguments):
    """What was opened, not to be read: which inode it is, or the name of the error."""
    try:
        descriptor = opener(*arguments, is_read=False)
    except OSError as error:
        return errno.errorcode[error.errno]
    try:
        return os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)


@needs_openat2
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("path", TABLE)
def test_what_is_not_to_be_read_is_found_by_the_same_rules(root, tmp_path, path, policy):
    expected = outcome(open_beneath, root, split(path), policy)
    if not expected.startswith("E"):
        expected = os.stat(tmp_path / "root" / path).st_ino
    assert find(open_beneath, root, split(path), policy) == expected


@pytest.mark.parametrize("path", TABLE)
def test_component_by_component_too(root, tmp_path, path):
    expected = outcome(open_by_components, root, split(path))
    if not expected.startswith("E"):
        expected = os.stat(tmp_path / "root" / path).st_ino
    assert find(open_by_components, root, split(path)) == expected


@pytest.mark.parametrize("opener", [open_by_components, lambda *given, **keys: open_beneath(*given, "none", **keys)])
def test_what_is_not_to_be_read_need_not_be_readable(root, tmp_path, opener):
    (tmp_path / "root/dir/file").chmod(0o111)
    (tmp_path / "root/dir").chmod(0o111)
    assert find(opener, root, ["dir", "file"]) == os.stat(tmp_path / "root/dir/file").st_ino
    (tmp_path / "root/dir").chmod(0o755)


@pytest.mark.parametrize("policy", POLICIES)
def test_dot_dot_among_the_names_is_a_way_out(root, policy):
    assert outcome(open_beneath, root, ["..", "outside", "file"], policy) == "EXDEV"
    assert outcome(open_beneath, root, ["dir", "..", "..", "outside", "file"], policy) == "EXDEV"


@pytest.mark.parametrize("policy", POLICIES)
def test_a_slash_in_a_name_leads_nowhere(root, policy):
    """What decides by the names would not know the directory that it leads through."""
    for names in (["dir/file"], ["dir/"], ["/"]):
        assert outcome(open_beneath, root, names, policy) == "EINVAL"
        assert outcome(open_by_components, root, names) == "EINVAL"
        assert outcome(open_directory, root, names) == "EINVAL"


@needs_openat2
@pytest.mark.parametrize("policy", POLICIES)
def test_magic_links_of_proc_lead_nowhere(policy):
    proc = open_root("/proc/self")
    try:
        for names in (["root"], ["root", "etc", "passwd"], ["cwd"], ["exe"], ["fd", "0"]):
            assert outcome(open_beneath, proc, names, policy) in ("ELOOP", "EXDEV")
    finally:
        os.close(proc)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_a_kernel_without_openat2_follows_no_links(root, monkeypatch, number):
    def refuse(*_):
        ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(beneath, "_syscall", refuse)
    assert outcome(open_beneath, root, ["dir", "file"], "any") == "inside"
    assert outcome(open_beneath, root, ["to-file"], "any") == "ELOOP"
    assert outcome(open_beneath, root, ["..", "outside", "file"], "any") == "EXDEV"
    assert outcome(open_beneath, root, ["dir", "..", "..", "outside", "file"], "any") == "EXDEV"


@needs_openat2
def test_a_rename_somewhere_else_is_tried_again(root, monkeypatch):
    real, failures = beneath._syscall, [errno.EAGAIN, errno.EINTR, errno.EAGAIN]

    def fail_first(*arguments):
        if failures:
            ctypes.set_errno(failures.pop())
            return -1
        return real(*arguments)

    monkeypatch.setattr(beneath, "_syscall", fail_first)
    assert outcome(open_beneath, root, ["file"], "beneath") == "inside"
    assert not failures


def test_a_rename_without_end_is_given_up(root, monkeypatch):
    def fail(*_):
        ctypes.set_errno(errno.EAGAIN)
        return -1

    monkeypatch.setattr(beneath, "_syscall", fail)
    assert outcome(open_beneath, root, ["file"], "beneath") == "EAGAIN"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("policy", [*POLICIES, None])
def test_neither_a_fifo_nor_a_socket_holds_its_reader(root, tmp_path, policy):
    os.mkfifo(tmp_path / "root" / "fifo")
    with socket.socket(socket.AF_UNIX) as sock, contextlib.chdir(tmp_path):
        sock.bind("root/socket")
        opener = (open_by_components,) if policy is None else (lambda *a: open_beneath(*a, policy),)
        assert outcome(*opener, root, ["fifo"]) == ""
        assert outcome(*opener, root, ["socket"]) == "ENXIO"


@pytest.mark.parametrize("policy", POLICIES)
def test_descriptors_do_not_survive_exec(root, policy):
    for descriptor in (open_beneath(root, ["file"], policy), open_by_components(root, ["dir", "file"])):
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)
    assert not os.get_inheritable(root)


def test_no_descriptor_is_left_open(root):
    before = len(os.listdir("/proc/self/fd"))
    for path in TABLE:
        outcome(open_by_components, root, split(path))
        outcome(open_beneath, root, split(path), "beneath")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_link_that_changes_while_it_is_opened_never_leads_out(root, tmp_path):
    """Looking first and opening afterwards would leak about once in ten times."""
    over, stop = threading.Event(), tmp_path / "root"
    os.symlink("../outside", stop / "bad")
    os.symlink("dir", stop / "swap")

    def swap():
        while not over.is_set():
            for target in ("../outside", "dir"):
                os.symlink(target, stop / "next")
                os.rename(stop / "next", stop / "swap")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = {outcome(open_beneath, root, ["swap", "file"], "beneath") for _ in range(3000)}
        end = time.monotonic() + 30  # the thread may have to wait for a CPU
        while "inside" not in seen and has_openat2() and time.monotonic() < end:
            seen.add(outcome(open_beneath, root, ["swap", "file"], "beneath"))
    finally:
        over.set()
        thread.join()
    assert seen <= {"inside", "EXDEV"} | ({"ENOTDIR"} if not has_openat2() else set())
    assert "inside" in seen or not has_openat2()


def look_into(root, names):
    """Open the file in it, by the directory alone."""
    directory = open_directory(root, names)
    assert not os.get_inheritable(directory)
    try:
        return os.open("file", os.O_RDONLY, dir_fd=directory)
    finally:
        os.close(directory)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "inside"),
        ("dir", "inside"),
        ("file", "ENOTDIR"),
        ("to-dir", "ENOTDIR"),
        ("out-dir", "ENOTDIR"),
        ("nothing", "ENOENT"),
        ("dir/nothing", "ENOENT"),
        ("dir/..", "EXDEV"),
    ],
)
def test_a_directory_to_open_things_beneath(root, path, expected):
    before = len(os.listdir("/proc/self/fd"))
    assert outcome(look_into, root, split(path)) == expected
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_directory_need_not_be_readable(tmp_path, root):
    (tmp_path / "root/dir").chmod(0o111)
    os.close(open_directory(root, ["dir"]))
    (tmp_path / "root/dir").chmod(0o755)


def test_open_root_wants_a_directory(tmp_path):
    (tmp_path / "file").touch()
    assert outcome(open_root, str(tmp_path / "file")) == "ENOTDIR"
    assert outcome(open_root, str(tmp_path / "nothing")) == "ENOENT"
