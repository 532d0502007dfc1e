"""Users of this machine, as whoever asks for their directories may know them.

Rules: who can't be served is nobody, whatever the reason, and is asked for as long as anybody else; a service of names
may not answer for long, so that only threads ask, with nothing held meanwhile.
"""

import ctypes
import grp
import os
import pwd
import re
from collections.abc import Callable

import msgspec

from gemd.config.people_settings import UserDirectories
from gemd.protocol.url import split_path
from gemd.system.owned import open_home
from gemd.system.privileges import is_account_number

# Of a name in a URL: none that begins with a hyphen or a dot, and nothing that a directory or a database might take for
# something else.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_NO_PEOPLE = range(61184, 65536)  # services with a user for a while (systemd), and nobody
_MANY_GROUPS = 65536  # as many as Linux lets a process have

_libc = ctypes.CDLL(None, use_errno=True)  # lets go of the interpreter while it waits, which os.getgrouplist does not


class Account(msgspec.Struct, frozen=True):
    """A user who has a directory: that user's number, and where it is, by names below "/" without links, and what each
    directory that leads to it was a moment ago."""

    uid: int
    names: tuple[str, ...]
    above: tuple[os.stat_result, ...]
    home: str

    @property
    def path(self) -> str:
        """Of the directory."""
        return "/" + "/".join(self.names)


FindAccount = Callable[[str, UserDirectories], Account | None]


def is_user_name(name: str) -> bool:
    """Whether anybody who is looked up may have this name."""
    return _NAME.fullmatch(name) is not None


def find_account(name: str, table: UserDirectories) -> Account | None:
    """The user of this name, if there is one who may have a directory and has it, and this process can get there."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        entry = None
    is_allowed = table.group is None or _is_member(name, entry.pw_gid if entry is not None else 0, table.group)
    if entry is None or not is_allowed or entry.pw_name != name:  # a database may fold case
        return None
    if entry.pw_uid < table.minimum_uid or entry.pw_uid in _NO_PEOPLE or not entry.pw_dir.startswith("/"):
        return None
    try:
        return _find_directory(entry.pw_uid, entry.pw_dir, table)
    except OSError:
        return None


def _find_directory(uid: int, home: str, table: UserDirectories) -> Account:
    """Raises OSError where it can't be opened, or is somebody else's."""
    directory = split_path(table.directory)
    os.close(open_home(home, directory, uid))
    names = (*split_path(os.path.realpath(home)), *directory)
    above = tuple(os.stat("/" + "/".join(names[:depth]), follow_symlinks=False) for depth in range(len(names)))
    return Account(uid, names, above, home)


def _is_member(name: str, gid: int, group: str) -> bool:
    """Whether a user whose own group is `gid` is in the group, as a login would have it."""
    try:
        wanted = int(group) if is_account_number(group) else grp.getgrnam(group).gr_gid
    except KeyError:
        wanted = -1
    return wanted in _list_groups(name, gid)


def _list_groups(name: str, gid: int) -> list[int]:
    room = 64
    while room <= _MANY_GROUPS:
        number, found = ctypes.c_int(room), (ctypes.c_uint * room)()
        if _libc.getgrouplist(name.encode(), ctypes.c_uint(gid), found, ctypes.byref(number)) >= 0:
            return list(found[: number.value])
        room = max(room * 2, number.value)
    return []
