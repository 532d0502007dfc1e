"""Files and directories below a location's root.

Rules: what is opened is beneath the root, a regular file or a directory, and not hidden; a directory is reached with a
trailing slash; small files are answered as bytes, larger ones in chunks.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence

from gemd.config.settings import Location
from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.mime import add_parameters, guess_type
from gemd.protocol.request import Request
from gemd.protocol.response import MAX_META, BrokenBody, Later, Response
from gemd.protocol.status import Status
from gemd.protocol.url import Url, encode_path
from gemd.responders.listing import list_directory
from gemd.system.beneath import open_beneath, open_root
from gemd.system.log import error_log

# What is answered inline, without a thread: more or less what the send buffer of a fresh connection takes.
INLINE_SIZE = 64 * 1024
_CHUNK = 128 * 1024
# As far as a client may know there is no such thing: not there, a way out, a forbidden link, an impossible name.
_NOT_FOUND = frozenset(
    getattr(errno, name)
    for name in [
        "ENOENT",
        "ENOTDIR",
        "ENAMETOOLONG",
        "EACCES",
        "EPERM",
        "ELOOP",
        "EXDEV",
        "EINVAL",
        "EILSEQ",
        "ENXIO",
        "ENODEV",
    ]
)
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})


class FileBody:
    """`size` bytes of an open file, in chunks; a file that turns out shorter breaks off."""

    __slots__ = ("_descriptor", "_size")

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        offset = 0
        while offset < self._size:
            try:
                chunk = os.pread(self._descriptor, min(_CHUNK, self._size - offset), offset)
            except OSError as error:
                raise BrokenBody(f"reading failed: {error.strerror}") from None
            if not chunk:
                raise BrokenBody(f"the file shrank from {self._size} to {offset} bytes while it was sent")
            offset += len(chunk)
            yield chunk

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class StaticFiles:
    """The responder for files, with what it needs to know of the machine."""

    def __init__(self, mime_table: Mapping[str, str], max_listing: int) -> None:
        self._mime_table = mime_table
        self._max_listing = max_listing

    def __call__(self, request: Request, location: Location) -> Response | Later | None:
        """The file or directory that the URL names. Declines where there is no root; raises NotFound (51)."""
        if location.root is None:
            return None
        names = request.url.names
        if not all(is_file_name(name) and location.allows_name(name) for name in names):
            raise NotFound
        try:
            root = open_root(location.root)  # anew for each request, so that a deployment may swap it
        except OSError as error:
            error_log.error("the root %s can't be opened: %s", location.root, error.strerror)
            raise GeminiError("The capsule is not available at the moment") from None
        try:
            return self._find(root, names[len(location.mount) :], request.url, location)
        except OSError as error:
            raise _explain(error, request.url) from None
        finally:
            os.close(root)

    def _find(self, root: int, names: Sequence[str], url: Url, location: Location) -> Response | Later:
        if url.is_directory:
            response = self._answer_index(root, names, location)
            if response is not None:
                return response
        descriptor = open_beneath(root, names, location.symlinks)
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and not url.is_directory:
            return self._answer_file(descriptor, url.segments[-1], status.st_size, location)
        os.close(descriptor)
        if not stat.S_ISDIR(status.st_mode):
            raise NotFound
        if not url.is_directory:
            return redirect_to_directory(url)
        if not location.listing:
            raise NotFound
        return Later(lambda: list_directory(url, location, self._max_listing))

    def _answer_file(self, descriptor: int, name: str, size: int, location: Location) -> Response:
        """Takes the descriptor over."""
        media_type = guess_type(name, location.mime, self._mime_table)
        meta = add_parameters(media_type, lang=location.lang, charset=location.charset)
        if size > INLINE_SIZE:
            return Response(Status.SUCCESS, meta, FileBody(descriptor, size))
        try:
            return Response(Status.SUCCESS, meta, os.read(descriptor, INLINE_SIZE))
        finally:
            os.close(descriptor)

    def _answer_index(self, root: int, names: Sequence[str], location: Location) -> Response | None:
        """The first index file that is there."""
        for index in location.index:
            try:
                descriptor = open_beneath(root, (*names, *index.split("/")), location.symlinks)
            except OSError as error:
                if error.errno in _FORBIDDEN:
                    raise NotFound from None  # there is a page, so the listing is not meant to be seen
                if error.errno not in _NOT_FOUND:
                    raise
                continue
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                return self._answer_file(descriptor, index, status.st_size, location)
            os.close(descriptor)
        return None


def is_file_name(name: str) -> bool:
    """Whether a decoded segment can name one file; an encoded slash or NUL can't."""
    return "/" not in name and "\0" not in name


def redirect_to_directory(url: Url) -> Response:
    """31 to the same path with a slash; a path-absolute reference, which can't name another host."""
    meta = encode_path(url.segments) + "/"
    if len(meta) > MAX_META:
        raise NotFound
    return Response(Status.REDIRECT_PERMANENT, meta)


def _explain(error: OSError, url: Url) -> GeminiError:
    if error.errno in _NOT_FOUND:
        return NotFound()
    error_log.error("%r can't be opened: %s", url.path, error.strerror)
    return GeminiError("The file can't be read at the moment")
