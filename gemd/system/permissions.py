"""Whether a user may do something with a file, by its owner, group and mode, before anybody has become that user.

Rule: it is for advice; who relies on it tries it. Access lists beyond the mode, and a user's capabilities, are not
looked at.
"""

import os
import pwd
import stat

from gemd.system.privileges import Identity

_MAY_CHANGE = os.W_OK | os.X_OK


def is_allowed(status: os.stat_result, wanted: int, user: Identity | None) -> bool:
    """Whether the mode gives the `user`, or who runs this process, what is wanted of os.R_OK, os.W_OK and os.X_OK."""
    uid = user.uid if user is not None else os.geteuid()
    gids = {user.gid, *user.groups} if user is not None else {os.getegid(), *os.getgroups()}
    if uid == 0:
        return True
    shift = 6 if uid == status.st_uid else 3 if status.st_gid in gids else 0
    return (stat.S_IMODE(status.st_mode) >> shift) & wanted == wanted


def has_list(path: str) -> bool:
    """Whether the file has an access list, which may allow more than its mode tells."""
    try:
        return bool(os.getxattr(path, "system.posix_acl_access"))
    except OSError:
        return False


def why_not_changed(path: str, user: Identity | None) -> str | None:
    """Why the `user`, or who runs this process, can't make files in the directory at this path; None where that should
    be possible."""
    try:
        status = os.stat(path)
    except OSError as error:
        return f"can't be used: {error.strerror}"
    if not stat.S_ISDIR(status.st_mode):
        return "is no directory"
    if not is_allowed(status, _MAY_CHANGE, user):
        why = f"it belongs to {name_user(status.st_uid)}, and its mode is {stat.S_IMODE(status.st_mode):04o}"
        return f"can't be written to by {user.name if user is not None else 'who runs this'}: {why}"
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "is on a file system that is read-only"
    return None


def name_user(uid: int) -> str:
    """Who that is, to people."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"
