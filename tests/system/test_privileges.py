"""The way down from root, in forked children that are lost by it; and who may be chosen as the one to be."""

import ctypes
import grp
import json
import os
import pwd
import resource
import socket
import stat
import subprocess
import traceback
from pathlib import Path

import pytest

from gemd.system import privileges
from gemd.system.privileges import (
    Identity,
    PrivilegeError,
    drop_privileges,
    find_identity,
    is_current,
    lock_down,
)
from tests.conftest import IS_ROOT, need_root, need_user

SOMEBODY = Identity("somebody", 54321, 54322, (54322, 54323, 54324))


@pytest.fixture
def in_child():
    """Call a function in a forked child; what it returns, as JSON has it. An exception there is a failure here."""

    def in_child(function):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                answer = {"value": function()}
            except BaseException:  # noqa: BLE001, told to the parent
                answer = {"failure": traceback.format_exc()}
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            answer = json.loads(file.read() or b'{"failure": "it ended without a word"}')
        os.waitpid(pid, 0)
        assert "failure" not in answer, answer["failure"]
        return answer["value"]

    return in_child


def read_status():
    """/proc/self/status as a dict."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}


def drop_and_look():
    drop_privileges(SOMEBODY)
    lock_down()
    return read_status()


# The drop


@need_root
def test_all_four_ids_and_exactly_the_groups(in_child):
    status = in_child(drop_and_look)
    assert status["Uid"] == ["54321"] * 4
    assert status["Gid"] == ["54322"] * 4
    assert status["Groups"] == ["54322", "54323", "54324"]


@need_root
def test_no_capability_is_left_not_even_for_exec(in_child):
    status = in_child(drop_and_look)
    none = ["0" * 16]
    assert [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == [none] * 5
    assert status["NoNewPrivs"] == ["1"]


@need_root
def test_what_is_executed_afterwards_has_none_either(in_child):
    def execute():
        drop_privileges(SOMEBODY)
        lock_down()
        return subprocess.run(["/bin/cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout

    status = dict(line.split(":\t", 1) for line in in_child(execute).splitlines())
    assert status["CapBnd"] == status["CapEff"] == status["CapPrm"] == "0" * 16
    assert status["NoNewPrivs"] == "1"
    assert status["Uid"].split() == ["54321"] * 4


@need_root
def test_root_can_not_be_regained_by_any_way(in_child):
    def try_everything():
        drop_privileges(SOMEBODY)
        lock_down()
        gained = []
        for name, arguments in (
            ("setuid", (0,)),
            ("seteuid", (0,)),
            ("setreuid", (0, 0)),
            ("setresuid", (0, 0, 0)),
            ("setresuid", (-1, 0, -1)),
            ("setgid", (0,)),
            ("setegid", (0,)),
            ("setresgid", (0, 0, 0)),
            ("setgroups", ([0],)),
            ("chroot", ("/",)),
        ):
            try:
                getattr(os, name)(*arguments)
                gained.append(name)
            except PermissionError:
                continue
        return gained, os.getresuid(), os.getresgid()

    assert in_child(try_everything) == [[], [54321] * 3, [54322] * 3]


@need_root
def test_supplementary_groups_of_root_do_not_stay(in_child, tmp_path):
    """Who keeps group 42 or 0 reads what these may read."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o640)
    os.chown(secret, 0, 42)
    tmp_path.chmod(0o755)
    descriptor = os.open(tmp_path, os.O_PATH)  # the directories above are root's alone

    def read():
        os.setgroups([0, 4, 42])
        drop_privileges(SOMEBODY)
        try:
            os.open("secret", os.O_RDONLY, dir_fd=descriptor)
        except PermissionError:
            return "denied"
        return "read"

    assert in_child(read) == "denied"
    os.close(descriptor)


@need_root
def test_it_happens_in_the_root_directory(in_child):
    def where():
        drop_privileges(SOMEBODY)
        return os.getcwd()

    assert in_child(where) == "/"


@need_root
def test_who_is_that_user_already_stays_so(in_child):
    def twice():
        drop_privileges(SOMEBODY)
        lock_down()
        drop_privileges(SOMEBODY)
        lock_down()
        return is_current(SOMEBODY)

    assert in_child(twice) is True


@need_root
def test_who_is_not_root_becomes_nobody_else(in_child):
    def become_another():
        drop_privileges(SOMEBODY)
        try:
            drop_privileges(Identity("other", 54399, 54399, (54399,)))
        except PrivilegeError as error:
            return str(error)
        return ""

    assert in_child(become_another) == "only root can become the user other, and this is uid 54321: remove `user`"


@need_root
def test_a_part_of_an_identity_is_not_the_identity(in_child):
    def partly():
        os.setresgid(54322, 54322, 54322)
        os.setresuid(54321, 54321, 0)
        return is_current(SOMEBODY)

    assert in_child(partly) is False


# A root directory of its own


@need_root
def test_in_a_chroot_there_is_nothing_above(in_child, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "page").write_text("a page")

    def look():
        drop_privileges(SOMEBODY, str(root))
        return os.getcwd(), os.path.exists("/page"), os.path.exists("/etc"), os.path.exists("../../../../etc")

    assert in_child(look) == ["/", True, False, False]


@need_root
def test_a_chroot_that_is_missing_is_an_error_before_anything_else(in_child, tmp_path):
    def look():
        try:
            drop_privileges(SOMEBODY, str(tmp_path / "none"))
        except PrivilegeError as error:
            return str(error), os.getresuid()
        return None

    assert in_child(look) == ["can't become the user somebody: No such file or directory", [0, 0, 0]]


# Steps that fail


STEPS = ["chroot", "chdir", "setgroups", "setresgid", "setresuid"]


@need_root
@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_is_an_error(in_child, step):
    def fail(*_):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    def drop():
        setattr(os, step, fail)
        try:
            drop_privileges(SOMEBODY, "/")
        except PrivilegeError as error:
            return str(error)
        return ""

    assert in_child(drop) == "can't become the user somebody: Resource temporarily unavailable"


@need_root
@pytest.mark.parametrize("step", ["setgroups", "setresgid", "setresuid"])
def test_a_step_that_only_seems_to_succeed_is_found(in_child, step):
    def drop():
        setattr(os, step, lambda *_: None)
        try:
            drop_privileges(SOMEBODY)
        except PrivilegeError as error:
            return str(error)
        return ""

    assert in_child(drop) == "the change to the user somebody did not take place"


@need_root
def test_a_root_that_can_be_regained_is_found(in_child):
    def drop():
        real = os.setuid
        os.setuid = lambda uid: None if uid == 0 else real(uid)
        try:
            drop_privileges(SOMEBODY)
        except PrivilegeError as error:
            return str(error)
        return ""

    assert in_child(drop) == "root can be regained after the change to the user somebody"


@need_root
@pytest.mark.parametrize("step", ["setuid", "seteuid", "setgid", "setegid"])
def test_a_proof_that_is_not_possible_is_an_error(in_child, step):
    def drop():
        setattr(os, step, fail)
        try:
            drop_privileges(SOMEBODY)
        except PrivilegeError as error:
            return str(error)
        return ""

    def fail(_):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    said = "can't prove that somebody can't become root again: Resource temporarily unavailable"
    assert in_child(drop) == said


@need_root
def test_a_bounding_set_that_stays_is_an_error(in_child):
    def drop():
        real = privileges.call_prctl

        def fail(option, argument):
            ctypes.set_errno(1)
            return -1 if option == privileges._PR_CAPBSET_DROP else real(option, argument)

        privileges.call_prctl = fail
        try:
            drop_privileges(SOMEBODY)
        except PrivilegeError as error:
            return str(error), os.getresuid()
        return None

    assert in_child(drop) == ["can't become the user somebody: Operation not permitted", [0, 0, 0]]


@pytest.mark.parametrize("step", ["no new privileges", "capabilities"])
def test_a_lock_that_fails_is_an_error(in_child, step):
    class Failing:
        def capset(self, *_):
            ctypes.set_errno(1)
            return -1

    def lock():
        if step == "capabilities":
            privileges._libc = Failing()
        else:
            real = privileges.call_prctl
            privileges.call_prctl = lambda *what: -1 if what[0] == privileges._PR_SET_NO_NEW_PRIVS else real(*what)
            ctypes.set_errno(1)
        try:
            lock_down()
        except PrivilegeError as error:
            return str(error)
        return ""

    words = {"no new privileges": "can't forbid new privileges", "capabilities": "can't give capabilities up"}
    assert in_child(lock) == f"{words[step]}: Operation not permitted"


# The locks


def test_the_locks_of_every_process(in_child):
    def lock():
        lock_down()
        status = read_status()
        return status["NoNewPrivs"], status["CapEff"], resource.getrlimit(resource.RLIMIT_CORE), os.umask(0)

    assert in_child(lock) == [["1"], ["0" * 16], [0, 0], 0o027]


@need_root
def test_a_master_that_stays_root_keeps_what_it_needs(in_child):
    def lock():
        lock_down(keep_capabilities=True)
        status = read_status()
        return status["CapEff"] == status["CapPrm"], status["CapEff"], status["NoNewPrivs"]

    is_same, effective, no_new = in_child(lock)
    assert is_same
    assert int(effective[0], 16)
    assert no_new == ["1"]


def test_nobody_looks_into_a_locked_process(in_child, tmp_path):
    """Not even another process of the same user; root may."""

    def lock():
        lock_down()
        return os.stat(f"/proc/{os.getpid()}/mem").st_uid, stat.S_IMODE(os.stat(f"/proc/{os.getpid()}/mem").st_mode)

    assert in_child(lock) == [0, 0o600]


def test_a_script_of_the_same_user_reads_neither_memory_nor_environment_nor_descriptors(in_child):
    def lock():
        if IS_ROOT:
            drop_privileges(SOMEBODY)
        lock_down()
        denied = []
        pid = os.fork()
        if pid == 0:
            parent = Path(f"/proc/{os.getppid()}")
            for look in (
                (parent / "mem").read_bytes,
                (parent / "environ").read_bytes,
                (parent / "maps").read_bytes,
                (parent / "exe").readlink,
                lambda: os.listdir(parent / "fd"),
            ):
                try:
                    look()
                    denied.append(False)
                except PermissionError:
                    denied.append(True)
            os._exit(0 if denied == [True] * 5 else 1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert in_child(lock) == 0


def test_ports_below_1024_are_out_of_reach(in_child):
    def bind():
        if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 1:
            return "anybody may"
        if IS_ROOT:
            drop_privileges(SOMEBODY)
        lock_down()
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", 1))
            except PermissionError:
                return "denied"
        return "bound"

    assert in_child(bind) in ("denied", "anybody may")


# Users and groups


def entry():
    """A user that is not root."""
    return next(user for user in pwd.getpwall() if user.pw_uid != 0 and user.pw_gid != 0)


def test_a_user_by_name_and_by_number():
    user = entry()
    identity = find_identity(user.pw_name, None)
    assert (identity.name, identity.uid, identity.gid) == (user.pw_name, user.pw_uid, user.pw_gid)
    assert find_identity(str(user.pw_uid), None).uid == user.pw_uid


def test_the_supplementary_groups_are_those_of_the_user():
    user = entry()
    assert set(find_identity(user.pw_name, None).groups) == set(os.getgrouplist(user.pw_name, user.pw_gid))


def test_a_group_by_name_and_by_number():
    user, group = entry(), next(group for group in grp.getgrall() if group.gr_gid != 0)
    for name in (group.gr_name, str(group.gr_gid)):
        identity = find_identity(user.pw_name, name)
        assert identity.gid == group.gr_gid
        assert group.gr_gid in identity.groups


NOBODY = {
    "unknown": "no-such-user",
    "a number": "4294967000",
    "a number beyond all": "9" * 30,
    "with a zero byte": "a\0b",
    "of another script": "\u0663",
    "with a space": "daemon ",
    "long": "x" * 5000,
}


@pytest.mark.parametrize("name", NOBODY.values(), ids=NOBODY)
def test_a_user_that_is_none(name):
    with pytest.raises(PrivilegeError, match=r"there is no user .*; `useradd --system .*` makes one"):
        find_identity(name, None)


@pytest.mark.parametrize("name", NOBODY.values(), ids=NOBODY)
def test_a_group_that_is_none(name):
    with pytest.raises(PrivilegeError, match=r"there is no group .*; `groupadd --system .*` makes one") as caught:
        find_identity(entry().pw_name, name)
    assert caught.value.key == "group"


@pytest.mark.parametrize(
    ("user", "group"), [("root", None), ("0", None), ("root", "daemon"), (None, "root"), (None, "0")]
)
def test_root_is_refused(user, group):
    with pytest.raises(PrivilegeError, match="root can't be the user or group that serves strangers"):
        find_identity(user or entry().pw_name, group)


@need_user
def test_who_is_not_root_can_not_change():
    with pytest.raises(PrivilegeError, match="only root can become the user somebody, and this is uid"):
        drop_privileges(SOMEBODY)


@need_user
def test_who_is_not_root_may_be_who_it_is():
    gid = os.getgid()
    drop_privileges(Identity("me", os.getuid(), gid, (gid,)))
