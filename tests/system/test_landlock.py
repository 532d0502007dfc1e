"""Landlock: what is asked of the kernel, by a faked call; and what it does, where it can, in threads that are lost."""

import ctypes
import errno
import os
import struct
import subprocess
import sys
import threading

import pytest

from gemd.system import landlock
from gemd.system.landlock import ALL, READ, Access, Ruleset, find_version, rights_of
from tests.conftest import need_landlock
from tests.support.descriptors import open_descriptors

FIRST = Access((1 << 13) - 1)  # the rights of version 1


class FakeKernel:
    """Takes the system calls, and offers a version of Landlock, or fails with `error`."""

    def __init__(self, version, error=0):
        self.version, self.error, self.calls = version, error, []

    def __call__(self, number, *arguments):
        if number == 444 and arguments[0] is None:
            assert (arguments[1].value, arguments[2]) == (0, 1)
            return self.version or self.fail(errno.EOPNOTSUPP)
        self.calls.append((number, *(a.value if isinstance(a, ctypes.c_size_t) else a for a in arguments)))
        if self.error:
            return self.fail(self.error)
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) if number == 444 else 0

    def fail(self, code):
        ctypes.set_errno(code)
        return -1


@pytest.fixture
def kernel(monkeypatch):
    def kernel(version, error=0):
        fake = FakeKernel(version, error)
        monkeypatch.setattr(landlock, "_syscall", fake)
        return fake

    return kernel


RIGHTS = [
    (1, 0x1FFF),
    (2, 0x3FFF),
    (3, 0x7FFF),
    (4, 0x7FFF),
    (5, 0xFFFF),
    (6, 0xFFFF),
    (7, 0xFFFF),
    (99, 0xFFFF),
]


@pytest.mark.parametrize(("version", "mask"), RIGHTS)
def test_only_rights_are_handled_that_the_kernel_knows(kernel, version, mask):
    fake = kernel(version)
    Ruleset(ALL).close()
    assert rights_of(version) == mask
    ((number, attributes, size, flags),) = fake.calls
    handled, net, scoped = struct.unpack("=QQQ", attributes)
    assert (number, handled, net, flags) == (444, mask, 0, 0)
    assert (scoped, size) == ((2, 24) if version >= 6 else (0, 8))


def test_a_kernel_without_it_has_version_0(kernel):
    kernel(0)
    assert find_version() == 0


def test_a_rule_names_what_is_at_a_path(kernel, tmp_path):
    fake = kernel(1)
    ruleset = Ruleset(ALL)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    for name in ("", "file", "link"):
        ruleset.allow(str(tmp_path / name), ALL)
    ruleset.allow(str(tmp_path / "file"), Access.READ_DIR)  # of a file means nothing, and would be refused
    ruleset.close()
    rules = [call[1:] for call in fake.calls if call[0] == 445]
    of_file = Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE
    assert [struct.unpack("=Qi", rule[2])[0] for rule in rules] == [FIRST, of_file]
    assert {(rule[1], len(rule[2]), rule[3]) for rule in rules} == {(1, 12, 0)}


def test_what_has_gone_meanwhile_needs_no_rule(kernel, tmp_path):
    fake = kernel(7)
    ruleset = Ruleset(ALL)
    (tmp_path / "file").touch()
    for name in ("gone", "gone/x", "file/x"):
        ruleset.allow(str(tmp_path / name), ALL)
    ruleset.close()
    assert [call[0] for call in fake.calls] == [444]


def test_what_is_not_handled_is_not_allowed_either(kernel, tmp_path):
    fake = kernel(7)
    ruleset = Ruleset(ALL & ~Access.READ_DIR)
    ruleset.allow(str(tmp_path), READ)
    ruleset.close()
    assert struct.unpack("=Qi", fake.calls[-1][3])[0] == Access.EXECUTE | Access.READ_FILE


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOSYS, errno.ENOMSG])
def test_a_refusal_is_an_error_and_leaves_nothing_open(kernel, tmp_path, code):
    fake = kernel(7)
    ruleset = Ruleset(ALL)
    before = open_descriptors()
    fake.error = code
    for call in (lambda: Ruleset(ALL), lambda: ruleset.allow(str(tmp_path), READ), ruleset.restrict_thread):
        with pytest.raises(OSError, match=os.strerror(code)):
            call()
    assert open_descriptors() == before
    ruleset.close()


def in_thread(ruleset, work):
    """What `work` gives in a thread that is restricted."""
    given = []

    def run():
        ruleset.restrict_thread()
        given.append(work())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return given[0]


def can_read(path):
    """Whether this thread can, and a program that it starts."""
    try:
        path.read_bytes()
    except PermissionError:
        return False, subprocess.run(["cat", path], capture_output=True, check=False).returncode == 0
    return True, subprocess.run(["cat", path], capture_output=True, check=False).returncode == 0


@pytest.fixture
def files(tmp_path):
    """One file in reach and one that is not."""
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    return tmp_path / "open/file", tmp_path / "closed/file"


STORY = """
import ctypes, sys
from pathlib import Path
sys.path[:0] = {path!r}
from gemd.system.landlock import Access, Ruleset
from tests.system.test_landlock import can_read, in_thread
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
closed, opened = Path(sys.argv[1]), Path(sys.argv[2])
ruleset = Ruleset(Access.READ_FILE)
for path in ("/usr", "/lib", "/lib64", "/etc", "/bin", opened.parent):
    if Path(path).exists():
        ruleset.allow(str(Path(path).resolve()), Access.READ_FILE)
print(in_thread(ruleset, lambda: (can_read(opened), can_read(closed))), can_read(closed))
"""


@need_landlock
def test_a_thread_and_its_programs_are_restricted_and_no_other(files):
    """In a process of its own, which needs not be root for it."""
    opened, closed = files
    code = STORY.format(path=[path for path in sys.path if path] + [os.getcwd()])
    done = subprocess.run([sys.executable, "-c", code, closed, opened], capture_output=True, text=True, check=False)
    assert done.stdout == "((True, True), (False, False)) (True, True)\n", done.stderr
