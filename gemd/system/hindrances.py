"""What is in the way of a path: the directory on the way that is missing, is none, or that one may not enter.

Rule: it is said of an error that was met already; any other error says all that there is to say.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import PurePath

from gemd.system.attempt import attempt
from gemd.system.permissions import name_user


def explain_unusable(path: str | os.PathLike[str], error: OSError) -> str:
    """What the error says, and what on the way to the absolute `path` it is about, unless that is the path itself."""
    find = {errno.ENOENT: _find_missing, errno.ENOTDIR: _find_no_directory, errno.EACCES: _find_shut}
    what = ""
    if error.errno in find:
        with attempt(f"{path} could not be looked at"), contextlib.suppress(OSError):
            what = find[error.errno](os.fspath(path))
    return (error.strerror or str(error)) + (f"; {what}" if what else "")


def _way_to(path: str) -> Iterator[str]:
    """The directories on the way, from the top, and the path itself."""
    return map(str, (*reversed(PurePath(path).parents), path))


def _find_missing(path: str) -> str:
    missing = next((part for part in _way_to(path) if not os.path.exists(part)), path)
    name = os.path.basename(missing)
    if name.startswith("~") or "$" in name:
        return f"{name} stands for itself: write the whole path"
    if os.path.islink(missing):
        return f"{missing} is a link to {os.readlink(missing)}"
    return f"there is no {missing}" if missing != path else ""


def _find_no_directory(path: str) -> str:
    other = next((part for part in _way_to(path) if not os.path.isdir(part)), path)
    return f"{other} is none" if other != path else ""


def _find_shut(path: str) -> str:
    user = name_user(os.geteuid())
    for part in _way_to(path):
        if os.path.isdir(part) and not os.access(part, os.X_OK, effective_ids=True):
            return f"{user} may not enter {part}: {_describe(part)}"
    if os.path.exists(path):
        return f"{user} may not use it: {_describe(path)}"
    directory = os.path.dirname(path)
    return f"{user} may not write in {directory}: {_describe(directory)}"


def _describe(path: str) -> str:
    status = os.stat(path)
    return f"it belongs to {name_user(status.st_uid)}, and its mode is {stat.S_IMODE(status.st_mode):04o}"
