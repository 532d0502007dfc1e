"""Uploads that become files beneath a location's root, those that delete one, and the text that is to be edited.

Rules: a file is whole or not there: readers have the former one until all of the new one is on the disk, and of two at
once the last one stays. What has changed while the body came is looked at again before anything is changed.
"""

import errno
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from gemd.config.host_settings import Location
from gemd.config.titan_settings import TitanSettings
from gemd.protocol.errors import BadRequest, GeminiError, NotFound
from gemd.protocol.gemtext import link
from gemd.protocol.host import bracket
from gemd.protocol.mime import GEMTEXT, add_parameters, guess_type
from gemd.protocol.request import Request
from gemd.protocol.response import Answer, Response
from gemd.protocol.status import Status
from gemd.protocol.upload import Intake, Upload
from gemd.protocol.url import Url
from gemd.responders.computed import Computed
from gemd.responders.turns import Turns
from gemd.responders.uploads.intake import SpooledIntake, StoredAnswer, explain_spool_failure
from gemd.responders.uploads.reserved import ReservedPlaces
from gemd.responders.uploads.target import UploadTarget, find_names, made_directory, opened_target
from gemd.system.spool import Spool
from gemd.system.upload_part import UploadPart, sync_directory

_TYPED = frozenset({"text/plain", GEMTEXT})  # what clients say of text that somebody has typed, whatever it is


class FileUploads:
    """The receiver for files beneath the roots of locations, which have a table `titan`. `locations` are those of all
    hosts, `serve` answers with a file, and `private` are the paths of those that are gemd's alone."""

    def __init__(
        self,
        locations: Sequence[Location],
        mime_table: Mapping[str, str],
        serve: Callable[[Request, Location], Answer],
        private: Collection[str] = (),
    ) -> None:
        self._mime_table = mime_table
        self._serve = serve
        self._reserved = ReservedPlaces(locations, private)
        self._turns = Turns()  # apart from that of listings

    def __call__(self, request: Request, location: Location) -> Answer | Intake:
        """Take the body, or answer one of no bytes, which deletes, or `;edit`. Raises GeminiError for what is refused
        without the body."""
        upload, url = request.upload, request.url
        assert upload is not None
        names = find_names(url, location)
        media_type = self._find_type(names[-1], upload, location)
        try:
            with opened_target(location, names, mkdir=_get_rules(location).mkdir) as target:
                self._reserved.check_early(target, location)
                if upload.is_edit:
                    return self._edit(request, location, target, media_type)
                if not upload.size:
                    _find_file(target)
                    delete = partial(self._delete, names, location, url)
                    return Computed(delete, self._turns)
                _check_room(target, upload.size)
        except OSError as error:
            raise explain_spool_failure(error, url.text) from None
        return self._take(names, location, url, upload.size)

    @contextmanager
    def _opened(self, names: Sequence[str], location: Location) -> Iterator[UploadTarget]:
        """The target, which may be changed. Raises GeminiError and OSError."""
        with opened_target(location, names, mkdir=_get_rules(location).mkdir) as target:
            self._reserved.check(target, location)
            yield target

    # A new file, or a new one in the place of another

    def _take(self, names: Sequence[str], location: Location, url: Url, size: int) -> Intake:
        parts: list[UploadPart] = []  # one at most

        def make() -> int:
            try:
                with self._opened(names, location) as target:
                    parts.append(UploadPart(target.directory, size))
            except GeminiError as refusal:  # of what was in order a moment ago
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE)) from refusal
            return parts[0].descriptor

        def store(_descriptor: int) -> Response:
            with self._opened(names, location) as target, made_directory(target) as directory:
                parts[0].publish(directory, target.name)
            return Response(Status.REDIRECT_TEMPORARY, _show(url, url.path))

        spool = Spool(make, lambda _descriptor: parts[0].close())
        return SpooledIntake(size, url.text, spool, lambda spool: StoredAnswer(spool, url.text, store))

    # The end of one

    def _delete(self, names: Sequence[str], location: Location, url: Url) -> Response:
        """Runs in a thread. Raises GeminiError."""
        try:
            with self._opened(names, location) as target:
                _find_file(target)
                os.unlink(target.name, dir_fd=target.directory)
                sync_directory(target.directory)
        except FileNotFoundError:
            raise NotFound from None
        except OSError as error:
            raise explain_spool_failure(error, url.text) from None
        above = _show(url, url.path[: url.path.rindex("/") + 1])
        return Response(Status.SUCCESS, GEMTEXT, f"The file is deleted.\n{link(above, 'Where it was')}".encode())

    # The text that there is

    def _edit(self, request: Request, location: Location, target: UploadTarget, media_type: str) -> Answer:
        """The file as it is, with its type alone, for a client may send that back. What is not there yet begins with an
        empty text: from a refusal there is no way on in an editor. Raises NotFound (51)."""
        if target.found is None:
            if not media_type.startswith("text/"):
                raise NotFound
            return Response(Status.SUCCESS, media_type)
        answer = self._serve(request, location)
        if not isinstance(answer, Response) or answer.status != Status.SUCCESS:
            raise NotFound
        return Response(Status.SUCCESS, media_type, answer.body)

    def _find_type(self, name: str, upload: Upload, location: Location) -> str:
        """The type with which the file will be sent. Raises BadRequest (59) where that, or what the client says of it,
        is not taken."""
        served = guess_type(name, location.mime, self._mime_table)
        bare, rules = _cut_parameters(served), _get_rules(location)
        if not rules.allows_type(served):
            taken = ", ".join(rules.types)
            raise BadRequest(f"A file of this name would be {bare}, and what is taken here is {taken}")
        announced = _cut_parameters(upload.media_type)
        is_typed = bare.startswith("text/") and announced in _TYPED
        if not (is_typed or announced == bare or upload.is_edit or not upload.size):
            raise BadRequest(f"A file of this name is {bare}, and mime says otherwise; left out, it is {GEMTEXT}")
        return add_parameters(served, lang=None, charset=location.charset, is_forced=location.force_charset)


def _get_rules(location: Location) -> TitanSettings:
    assert isinstance(location.titan, TitanSettings)  # what is refused otherwise never gets here
    return location.titan


def _cut_parameters(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _find_file(target: UploadTarget) -> None:
    """Raise NotFound (51) where there is no file that could be deleted."""
    if target.found is None:
        raise NotFound


def _check_room(target: UploadTarget, size: int) -> None:
    """Raise OSError where it can be told that the file can't be made."""
    found = os.statvfs(target.directory)
    code = 0
    if found.f_flag & os.ST_RDONLY:
        code = errno.EROFS
    elif found.f_blocks and found.f_bavail * found.f_frsize < size:
        code = errno.ENOSPC
    elif not os.access(".", os.W_OK | os.X_OK, dir_fd=target.directory, effective_ids=True):
        code = errno.EACCES
    if code:
        raise OSError(code, os.strerror(code))


def _show(url: Url, path: str) -> str:
    """The gemini URL of a path at the same host."""
    port = f":{url.port}" if url.port is not None else ""
    return f"gemini://{bracket(url.host)}{port}{path}"
