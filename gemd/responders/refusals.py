"""What an error of the file system means to a client: that there is nothing (51), or nothing at the moment (40)."""

import errno

from gemd.config.host_settings import Location
from gemd.protocol.errors import GeminiError, NotFound
from gemd.system.beneath import open_root
from gemd.system.log import error_log

# As far as a client may know there is no such thing: not there, a way out, a forbidden link, an impossible name.
NOT_FOUND = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENAMETOOLONG,
        errno.EACCES,
        errno.EPERM,
        errno.ELOOP,
        errno.EXDEV,
        errno.EINVAL,
        errno.EILSEQ,
        errno.ENXIO,
        errno.ENODEV,
    }
)
FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})


class Missing(NotFound):
    """51 where there is nothing of that name, rather than something that is not shown."""


def open_root_of(location: Location) -> int:
    """A descriptor of the location's root: anew for each request, so that a deployment may swap it.

    Raises GeminiError (40), and the error log says why.
    """
    assert location.root is not None
    try:
        return open_root(location.root)
    except OSError as error:
        error_log.error("the root %s can't be opened: %s", location.root, error.strerror)
        raise GeminiError("The capsule is not available at the moment") from None


def explain_error(error: OSError, path: str) -> GeminiError:
    """What to answer when the path of a URL can't be opened; the error log has what is not the client's fault."""
    if error.errno in NOT_FOUND:
        return Missing() if error.errno == errno.ENOENT else NotFound()
    error_log.error("%r can't be opened: %s", path, error.strerror)
    return GeminiError("The file can't be read at the moment")
