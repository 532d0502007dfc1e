"""Where the file of an upload is to be: a name in a directory beneath a location's root.

Rules: no symbolic link is followed or replaced, nothing hidden is made or changed, and nothing but regular files is;
the client is told what is wrong, so that it can be mended.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from gemd.config.host_settings import Location
from gemd.protocol.characters import fits_header, is_misleading
from gemd.protocol.errors import BadRequest, GeminiError, NotFound
from gemd.protocol.status import Status
from gemd.protocol.url import Url
from gemd.responders.refusals import NOT_FOUND, open_root_of
from gemd.system.resolved import Identity, identify
from gemd.system.upload_part import find_regular, sync_directory

_MAX_NAME = 255  # bytes, of nearly all file systems
_MAX_MADE = 32  # directories
_DIRECTORY_MODE = 0o755  # of a new one, less the umask
_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_REGULAR = {
    errno.EISDIR: "There is a directory of this name",
    errno.ELOOP: "There is a symbolic link of this name, which no upload replaces",
    errno.EEXIST: "There is something else than a file of this name",
}


class UploadTarget(msgspec.Struct, frozen=True):
    """`directory` is the deepest one that is there, open; `missing` are those that are to be made in it. `names` lead
    from the root to the file, the last one its own; `way` is what the root and each directory is, and `found` the file,
    if there is one."""

    directory: int
    missing: tuple[str, ...]
    names: tuple[str, ...]
    way: tuple[Identity, ...]
    found: os.stat_result | None

    @property
    def name(self) -> str:
        """The file's."""
        return self.names[-1]


def find_names(url: Url, location: Location) -> tuple[str, ...]:
    """The names below the location's root that an upload to the URL is for. Raises BadRequest (59)."""
    names = url.names[len(location.mount) :]
    if any("/" in name for name in url.names):
        raise BadRequest("An encoded slash can't be part of a file's name")
    if url.is_directory or not names:
        raise BadRequest("An upload needs the name of a file, such as index.gmi, and this path ends without one")
    if url.query is not None:
        raise BadRequest("An upload to a file has no query")
    for name in names:
        if is_misleading(name) or not fits_header(name):
            raise BadRequest("A file's name is UTF-8, without control characters")
        if name.startswith("."):
            raise BadRequest("A name that begins with a dot is not taken: it would be hidden")
        if len(name.encode()) > _MAX_NAME:
            raise BadRequest(f"A file's name has at most {_MAX_NAME} bytes")
    return names


@contextmanager
def opened_target(location: Location, names: Sequence[str], *, mkdir: bool) -> Iterator[UploadTarget]:
    """The target as it is at this moment, open inside. Raises NotFound (51) for a directory that is missing, unless it
    may be made, BadRequest (59) where too many are, and GeminiError: 50 for what can't be a file, 40 where it can't be
    told."""
    root = open_root_of(location)
    try:
        target = _open_target(root, tuple(names), mkdir)
    finally:
        os.close(root)
    try:
        yield target
    finally:
        os.close(target.directory)


def _open_target(root: int, names: tuple[str, ...], mkdir: bool) -> UploadTarget:
    with contextlib.ExitStack() as opened:
        directory = _keep(opened, os.dup(root))
        way = [identify(os.fstat(root))]
        missing: tuple[str, ...] = ()
        for depth, name in enumerate(names[:-1]):
            below = _enter(directory, name)
            if below is None:
                if not mkdir:
                    raise NotFound("There is no such directory")
                missing = names[depth:-1]
                if len(missing) > _MAX_MADE:
                    raise BadRequest(f"At most {_MAX_MADE} directories are made for an upload, and more are missing")
                break
            opened.close()
            directory = _keep(opened, below)
            way.append(identify(os.fstat(directory)))
        found = None if missing else _find(directory, names[-1])
        opened.pop_all()
        return UploadTarget(directory, missing, names, tuple(way), found)


def _keep(opened: contextlib.ExitStack, descriptor: int) -> int:
    opened.callback(os.close, descriptor)
    return descriptor


def _enter(directory: int, name: str) -> int | None:
    """A directory in this one; None where there is nothing of the name. Raises GeminiError."""
    try:
        return os.open(name, _FLAGS, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in (*NOT_FOUND, errno.ELOOP):
            raise GeminiError("The directory can't be opened at the moment") from None
    if _is_link(directory, name):
        raise GeminiError("A symbolic link leads there, which no upload follows", Status.PERMANENT_FAILURE)
    raise NotFound("There is no such directory")


def _is_link(directory: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _find(directory: int, name: str) -> os.stat_result | None:
    """The file of this name. Raises GeminiError (50) where it is none, or is not to be changed."""
    try:
        found = find_regular(directory, name)
    except OSError as error:
        if error.errno in _NO_REGULAR:
            raise GeminiError(_NO_REGULAR[error.errno], Status.PERMANENT_FAILURE) from None
        if error.errno in NOT_FOUND:
            raise NotFound("There is no such directory") from None
        raise GeminiError("The file can't be looked at at the moment") from None
    if found is not None and not os.access(name, os.W_OK, dir_fd=directory, effective_ids=True):
        raise GeminiError("The file of this name is read-only", Status.PERMANENT_FAILURE)
    return found


@contextmanager
def made_directory(target: UploadTarget) -> Iterator[int]:
    """The file's directory, open, with all that are missing on the way made; none stays if something fails inside.
    Raises OSError."""
    with contextlib.ExitStack() as opened, contextlib.ExitStack() as made:
        directory = target.directory
        for name in target.missing:
            with contextlib.suppress(FileExistsError):  # another upload was faster
                os.mkdir(name, _DIRECTORY_MODE, dir_fd=directory)
                made.callback(_unmake, directory, name)
                sync_directory(directory)
            directory = _keep(opened, os.open(name, _FLAGS, dir_fd=directory))
        yield directory
        made.pop_all()


def _unmake(directory: int, name: str) -> None:
    """Remove a directory, unless somebody has put something into it meanwhile."""
    with contextlib.suppress(OSError):
        os.rmdir(name, dir_fd=directory)
