"""Who a process is, and what it may still do: users and groups, the one way down from root, and the locks behind it.

Rules: everything happens in one order, each step is checked afterwards, and a step that fails raises: nobody serves
with more rights than were meant.
"""

import ctypes
import grp
import os
import pwd
import resource

import msgspec

from gemd.config.mistake import Mistake, about
from gemd.system.attempt import attempt
from gemd.system.process import call_prctl, forbid_inspection

_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_UMASK = 0o027

_libc = ctypes.CDLL(None, use_errno=True)


class PrivilegeError(Mistake):
    """A process can't become who it should; the text says what to change."""


class Identity(msgspec.Struct, frozen=True):
    """A user to be, with one primary and all supplementary groups, and a home."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str = "/"


def find_identity(user: str, group: str | None) -> Identity:
    """Look up a user, by name or number, and the primary group: the user's own when `group` is None.

    The supplementary groups are those of the user, as initgroups(3) has them. Raises PrivilegeError.
    """
    try:
        with attempt(f"the user {user} could not be looked up"):
            entry = pwd.getpwuid(int(user)) if is_account_number(user) else pwd.getpwnam(user)
    except (KeyError, ValueError):
        raise PrivilegeError(f"there is no user {user!r}; `useradd --system {user}` makes one") from None
    gid = entry.pw_gid
    if group is not None:
        with about("group"):
            gid = find_group(group)
    if entry.pw_uid == 0 or gid == 0:
        raise PrivilegeError("root can't be the user or group that serves strangers")
    with attempt(f"the groups of the user {user} could not be looked up"):
        groups = tuple(sorted(os.getgrouplist(entry.pw_name, gid)))
    return Identity(entry.pw_name, entry.pw_uid, gid, groups, entry.pw_dir or "/")


def find_home() -> str:
    """The home of the user that this process runs as."""
    try:
        with attempt("the home of this user could not be looked up"):
            return pwd.getpwuid(os.geteuid()).pw_dir or "/"
    except KeyError:
        return "/"


def find_group(group: str) -> int:
    """The id of a group, by name or number. Raises PrivilegeError."""
    try:
        with attempt(f"the group {group} could not be looked up"):
            return (grp.getgrgid(int(group)) if is_account_number(group) else grp.getgrnam(group)).gr_gid
    except (KeyError, ValueError, OverflowError):
        raise PrivilegeError(f"there is no group {group!r}; `groupadd --system {group}` makes one") from None


def is_account_number(name: str) -> bool:
    """Whether what should be a user or group is the number of one."""
    return name.isascii() and name.isdecimal()


def is_current(identity: Identity) -> bool:
    """Whether this process runs as that user already."""
    return os.getresuid() == (identity.uid,) * 3 and os.getresgid() == (identity.gid,) * 3


def can_become(identity: Identity) -> bool:
    """Whether this process is that user, or could be."""
    return os.geteuid() == 0 or is_current(identity)


def drop_privileges(identity: Identity, chroot: str | None = None) -> None:
    """Shut this process into `chroot`, if given, and become `identity` for good. Raises PrivilegeError.

    Order: root directory, current directory, bounding set, supplementary groups, gid, uid; then proof.
    """
    if is_current(identity) and os.geteuid() != 0:
        return
    if os.geteuid() != 0:
        mine = os.geteuid()
        raise PrivilegeError(f"only root can become the user {identity.name}, and this is uid {mine}: remove `user`")
    try:
        if chroot is not None:
            os.chroot(chroot)
        os.chdir("/")
        _drop_bounding_set()
        os.setgroups(identity.groups)
        os.setresgid(identity.gid, identity.gid, identity.gid)
        os.setresuid(identity.uid, identity.uid, identity.uid)
    except OSError as error:
        raise PrivilegeError(f"can't become the user {identity.name}: {error.strerror}") from None
    _prove(identity)


def _prove(identity: Identity) -> None:
    """Raise PrivilegeError unless every id is as meant, and root is out of reach."""
    if not is_current(identity) or set(os.getgroups()) != set(identity.groups):
        raise PrivilegeError(f"the change to the user {identity.name} did not take place")
    for regain in (os.setuid, os.seteuid, os.setgid, os.setegid):
        try:
            regain(0)
        except PermissionError:
            continue
        except OSError as error:
            reason = f"can't prove that {identity.name} can't become root again: {error.strerror}"
            raise PrivilegeError(reason) from None
        raise PrivilegeError(f"root can be regained after the change to the user {identity.name}")


def _drop_bounding_set() -> None:
    """Take from this process and all that it starts the capabilities that exec could give. Raises OSError."""
    for capability in range(64):
        present = call_prctl(_PR_CAPBSET_READ, capability)
        if present < 0:
            return  # the kernel knows no more
        if present and call_prctl(_PR_CAPBSET_DROP, capability) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def lock_down(*, keep_capabilities: bool = False) -> None:
    """No new privileges by exec, no capabilities, no look into this process, no core file, a strict umask.

    For every process of gemd, and after a change of user, which undoes some of it. Raises PrivilegeError.
    """
    os.umask(_UMASK)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the keys
    if call_prctl(_PR_SET_NO_NEW_PRIVS, 1) < 0:
        raise PrivilegeError(f"can't forbid new privileges: {os.strerror(ctypes.get_errno())}")
    if not keep_capabilities:
        call_prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        nothing = (ctypes.c_uint32 * 6)()
        if _libc.capset(header, nothing) < 0:
            raise PrivilegeError(f"can't give capabilities up: {os.strerror(ctypes.get_errno())}")
    forbid_inspection()
