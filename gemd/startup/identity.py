"""Who to become, and when.

Rule: root is given up before anything is read that others wrote, unless `master-user` keeps it for the master.
"""

import os

from gemd.config import Config
from gemd.system.privileges import Identity, PrivilegeError, drop_privileges, find_identity, is_current


def find_user(config: Config) -> Identity | None:
    """Who to become; None to stay who started this process. Raises PrivilegeError."""
    service = config.service
    if service.user == "root" or (service.user is None and os.geteuid() != 0):
        if service.user == "root" and os.geteuid() != 0:
            raise PrivilegeError('only root can stay root: remove user = "root"')
        return None
    if service.user is None:
        raise PrivilegeError(
            'started as root: set user = "gemd", or another user without rights, to serve as '
            '(or "root", if strangers shall really be served by root)'
        )
    identity = find_identity(service.user, service.group)
    if os.geteuid() != 0:
        if is_current(identity):
            return None
        raise PrivilegeError(f"only root can become the user {identity.name}: start as root, or remove `user`")
    return identity


def become(config: Config, user: Identity | None) -> Identity | None:
    """Give up root, or leave that to the workers; who they are to become. Raises PrivilegeError."""
    if user is not None and config.service.master_user is None:
        drop_privileges(user)
        return None
    return user
