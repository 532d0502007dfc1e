"""Addresses without an extension: what is not there is answered as the same with an extension is.

Rules: what is there comes first, a directory too, and what may not be seen is not looked for elsewhere; whose the
longer address is decides about it, with all of its rules, and nothing is tried there again.
"""

from collections.abc import Callable

import msgspec

from gemd.config.host_settings import Location
from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.request import Request
from gemd.protocol.response import Answer, Response
from gemd.protocol.status import Status
from gemd.protocol.upload import Intake
from gemd.protocol.url import Url, encode_segment
from gemd.responders.counted import answer_refusal
from gemd.responders.hosts import Responder, ServedLocation
from gemd.responders.normal_paths import redirect_to_directory
from gemd.responders.refusals import Missing


class Trying:
    """The responder for files, `files`, where locations have extensions that are tried. `find` has the location of a
    request."""

    def __init__(self, files: Responder, find: Callable[[Request], ServedLocation]) -> None:
        self.files = files
        self._find = find

    def __call__(self, request: Request, location: Location) -> Answer | Intake | None:
        """Raises as `files` does."""
        try:
            return self.files(request, location)
        except Missing as missing:
            answer = None if request.url.is_directory else self._try(request, location)
            if answer is None:
                raise missing from None
            return answer

    def _try(self, request: Request, location: Location) -> Answer | Intake | None:
        """What the first of the longer addresses that is one of a page has to say."""
        for extension in location.tried:
            longer = msgspec.structs.replace(request, url=_lengthen(request.url, extension))
            served = self._find(longer)
            place = served.note.place
            try:
                if served.location is location:
                    return self._ask_here(longer, _without_trying(served))
                return _without_trying(served).respond(longer)
            except NotFound:
                served.note.place = place
            except GeminiError as refusal:
                return answer_refusal(refusal)  # in the words of that location
        return None

    def _ask_here(self, request: Request, served: ServedLocation) -> Answer | Intake:
        """The answer of the same location, whose rules the client has passed. Raises as a responder does."""
        note = served.note
        for responder, note.place in served.responders:
            answer = responder(request, served.location)
            if answer is not None:
                if responder is self.files and _is_directory(answer, request.url):
                    break  # which is no page
                return answer
        raise Missing


def _is_directory(answer: Answer | Intake, url: Url) -> bool:
    """Whether it leads from the URL of a directory to the same with a slash, and nowhere else."""
    if not isinstance(answer, Response) or answer.status != Status.REDIRECT_PERMANENT:
        return False
    return answer.meta == redirect_to_directory(url).meta


def _without_trying(served: ServedLocation) -> ServedLocation:
    """The same where nothing is tried."""
    responders = ((each.files if isinstance(each, Trying) else each, place) for each, place in served.responders)
    return msgspec.structs.replace(served, responders=tuple(responders))


def _lengthen(url: Url, extension: str) -> Url:
    """The URL with this behind the last name of its path."""
    path, segments = url.path + encode_segment(extension), (*url.segments[:-1], url.segments[-1] + extension)
    return msgspec.structs.replace(url, path=path, segments=segments)
