"""Files and directories below a location's root.

Rules: what is opened is beneath the root, a regular file or a directory, and not hidden; a directory is reached with a
trailing slash; small files that are in memory are answered as bytes, others piece by piece.
"""

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from gemd.config.host_settings import Location
from gemd.protocol.errors import NotFound
from gemd.protocol.mime import add_parameters, guess_type
from gemd.protocol.peer import Peer
from gemd.protocol.request import Request
from gemd.protocol.response import Answer, Response
from gemd.protocol.status import Status
from gemd.responders.directories import Directories
from gemd.responders.file_body import FileBody
from gemd.responders.normal_paths import redirect_to_directory
from gemd.responders.refusals import FORBIDDEN, NOT_FOUND, explain_error, open_root_of
from gemd.system.page_cache import read_from_memory

if TYPE_CHECKING:  # it takes the cryptography library along, which an application's program may not want yet
    from gemd.responders.location_rules import Rule
    from gemd.responders.protection import Found, Protection

# Gives a page for an open file that was asked for by a name, and takes the file over; None where it is sent as it is.
Convert = Callable[["Found", str, Location], Answer | None]

NO_RULES: "Mapping[str, Sequence[Rule]]" = {}
INLINE_SIZE = 64 * 1024  # bytes of a file that are sent in one piece with their header


class StaticFiles:
    """The responder for files, with what it needs to know of the machine, and the `rules` of all hosts."""

    def __init__(
        self,
        mime_table: Mapping[str, str],
        max_listing: int,
        protection: "Protection",
        convert: Convert | None = None,
        rules: "Mapping[str, Sequence[Rule]]" = NO_RULES,
        open_root: Callable[[Location], int] = open_root_of,
    ) -> None:
        self._open_root = open_root
        self._mime_table = mime_table
        self._protection = protection
        self._convert = convert
        self._directories = Directories(mime_table, max_listing, protection, rules)

    def __call__(self, request: Request, location: Location) -> Answer:
        """The file or directory that the URL names. Raises NotFound (51), or what protects it has to say."""
        names = request.url.names
        if not all(is_file_name(name) and location.allows_name(name) for name in names):
            raise NotFound
        root = self._open_root(location)
        try:
            return self._look_up(root, names[len(location.mount) :], request, location)
        except OSError as error:
            raise explain_error(error, request.url.path) from None
        finally:
            os.close(root)

    def _look_up(self, root: int, names: Sequence[str], request: Request, location: Location) -> Answer:
        url, peer = request.url, request.peer
        if url.is_directory:
            response = self._answer_index(root, names, location, peer)
            if response is not None:
                return response
        found = self._protection.open(root, names, location, peer)
        descriptor, status = found.resolved.descriptor, found.resolved.status
        if stat.S_ISREG(status.st_mode) and not url.is_directory:
            return self._answer_file(found, url.segments[-1], location)
        os.close(descriptor)
        if not stat.S_ISDIR(status.st_mode):
            raise NotFound
        if not url.is_directory:
            return redirect_to_directory(url)
        if not all(each.listing for each in (location, *found.others)):
            raise NotFound
        return self._directories.answer(url, location, status, found.others, peer)

    def _answer_file(self, found: "Found", name: str, location: Location) -> Answer:
        """Takes the descriptor over."""
        if self._convert is not None and (answer := self._convert(found, name, location)) is not None:
            return answer
        descriptor, size = found.resolved.descriptor, found.resolved.status.st_size
        lang, charset, is_forced = location.lang, location.charset, location.force_charset
        meta = guess_type(name, location.mime, self._mime_table)
        if lang or charset:
            meta = add_parameters(meta, lang=lang, charset=charset, is_forced=is_forced)
        if size > INLINE_SIZE:
            return Response(Status.SUCCESS, meta, FileBody(descriptor, size))
        try:
            # One without a size is empty, or made up as it is read (/proc): there is no disk to wait for.
            page = read_from_memory(descriptor, size, 0) if size else os.pread(descriptor, INLINE_SIZE, 0)
        except OSError:
            os.close(descriptor)
            raise
        if page is None or len(page) < size:
            return Response(Status.SUCCESS, meta, FileBody(descriptor, size))
        os.close(descriptor)
        return Response(Status.SUCCESS, meta, page)

    def _answer_index(self, root: int, names: Sequence[str], location: Location, peer: Peer) -> Answer | None:
        """The first index file that is there."""
        for index in location.index:
            response = self._answer_index_file(root, (*names, *index.split("/")), location, peer)
            if response is not None:
                return response
        return None

    def _answer_index_file(self, root: int, names: Sequence[str], location: Location, peer: Peer) -> Answer | None:
        """The one that these names lead to, if it is there."""
        try:
            found = self._protection.open(root, names, location, peer)
        except OSError as error:
            if error.errno in FORBIDDEN:
                raise NotFound from None  # there is a page, so the listing is not meant to be seen
            if error.errno not in NOT_FOUND:
                raise
            return None
        if stat.S_ISREG(found.resolved.status.st_mode):
            return self._answer_file(found, names[-1], location)
        os.close(found.resolved.descriptor)
        return None


def is_file_name(name: str) -> bool:
    """Whether a decoded segment can name one file; an encoded slash or NUL can't."""
    return "/" not in name and "\0" not in name
