"""Whether addresses could be listened on, as far as that shows without listening: names, and places of unix sockets.

Rule: nothing is bound, made or removed, and nobody who listens there notices; what somebody listens on is in order, for
it may be the gemd that runs.
"""

import errno
import os
import stat
from collections.abc import Iterable, Mapping

from gemd.config.listen import MAX_UNIX_PATH
from gemd.config.types import Address
from gemd.system.attempt import attempt
from gemd.system.listener import BindError, explain_unbound, find_places
from gemd.system.makeable import check_makeable
from gemd.system.socket_file import SocketFile

_AS_MADE = SocketFile()


def check_all(addresses: Iterable[Address], files: Mapping[str, SocketFile]) -> None:
    """Raise BindError where `bind_all` would, but for what others listen on and for ports that are not everybody's."""
    for address in addresses:
        if address.path:
            check_unix(address, files.get(address.path, _AS_MADE))
        else:
            find_places(address)


def check_unix(address: Address, file: SocketFile = _AS_MADE) -> None:
    """The same for a unix socket, whose file is to be this."""
    try:
        with attempt(f"the place of {address} could not be looked at"):
            if len(os.fsencode(address.path)) > MAX_UNIX_PATH:
                raise OSError("AF_UNIX path too long")
            try:
                if not stat.S_ISSOCK(os.lstat(address.path).st_mode):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            except FileNotFoundError:
                check_makeable(address.path)
            file.check_allowed()
    except OSError as error:
        raise BindError(explain_unbound(address, error)) from None
