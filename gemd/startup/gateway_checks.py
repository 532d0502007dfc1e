"""Unix sockets of who is asked in the place of files: whether there is one, and whether gemd may use it (-t).

Rule: nobody is connected to; what is not there may come later, so that each is a warning and no fault.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from gemd.config import Config, Problem
from gemd.config.tables import key_path
from gemd.config.upstream_sockets import list_sockets
from gemd.system.attempt import attempt
from gemd.system.permissions import is_allowed
from gemd.system.privileges import Identity, find_identity


def find_idle_sockets(config: Config) -> Iterator[Problem]:
    """A problem for each that gemd could not connect to at the moment, once. Raises PrivilegeError for a user that
    there is not."""
    service = config.service
    user = find_identity(service.user, service.group) if service.user not in (None, "root") else None
    seen = set()
    for location in config.locations:
        for key, path in list_sockets(location):
            reason = _why_not(path, user) if path not in seen else None
            seen.add(path)
            if reason is not None:
                yield Problem(key_path(location.where, key, "to"), f"{path} {reason}")


def _why_not(path: str, user: Identity | None) -> str | None:
    try:
        with attempt(f"the socket {path} could not be looked at"):
            status = os.stat(path)
    except OSError as error:
        return f"can't be connected to: {error.strerror}. Does the program run that listens there?"
    if not stat.S_ISSOCK(status.st_mode):
        return "is no socket"
    name = user.name if user is not None else "its user"
    if is_allowed(status, os.W_OK, user):
        return None
    return f"can't be connected to by {name}, who may not write to it: {_describe_rights(path, status)}"


def _describe_rights(path: str, status: os.stat_result) -> str:
    """Whose a file is, and its mode: "it is www-data:www-data's, with the mode 0660"."""
    owner, group = str(status.st_uid), str(status.st_gid)
    with contextlib.suppress(KeyError, OSError):  # who has no name, and what has gone meanwhile
        owner = Path(path).owner()
    with contextlib.suppress(KeyError, OSError):
        group = Path(path).group()
    return f"it is {owner}:{group}'s, with the mode {stat.S_IMODE(status.st_mode):04o}"
