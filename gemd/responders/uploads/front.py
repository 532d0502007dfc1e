"""Uploads, up to where their body is read: who may, how much, of which type, and who takes it.

Rules: all that can be refused without the body is refused here, in words that say what the limit is; who may not write
hears nothing of the limits. What follows sees neither the parameters in the URL's text nor, but for the upload's own
field, a token.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping

import msgspec

from gemd.config.host_settings import AnswerKind, Location
from gemd.config.titan_settings import TitanSettings
from gemd.protocol.errors import BadRequest, GeminiError, ProxyRefused
from gemd.protocol.request import Request
from gemd.protocol.response import Answer, Response
from gemd.protocol.status import Status
from gemd.protocol.titan import parse_upload, without_parameters
from gemd.protocol.upload import Intake, Upload
from gemd.responders.access import Check, build_check
from gemd.responders.uploads.intake import EmptyIntake
from gemd.system.authorities import Read, read_authorities

# Raises GeminiError; None where it is the next one's to take.
Receive = Callable[[Request, Location], Answer | Intake | None]

_MOST_SHOWN = 512  # characters of a list of types


class _Place(msgspec.Struct, frozen=True):
    """What holds for uploads to one location. Tokens are hashed, so that to compare them takes the same time whatever
    their lengths are."""

    titan: TitanSettings
    check: Check | None
    tokens: tuple[bytes, ...]


class Uploads:
    """A responder for uploads to these locations. `receivers` take what was not refused, by what a location answers
    with, in the order in which it does so."""

    def __init__(
        self, locations: Iterable[Location], receivers: Mapping[AnswerKind, Receive], read: Read = read_authorities
    ) -> None:
        self._receivers = receivers
        self._places = {
            location.where: _Place(
                location.titan,
                build_check(location.titan.allow or "none", read),
                tuple(map(_hash_token, location.titan.tokens)),
            )
            for location in locations
            if isinstance(location.titan, TitanSettings)
        }

    def __call__(self, request: Request, location: Location) -> Answer | Intake:
        """An intake for the body; for a text to be edited an answer. Raises GeminiError, and Unjudged."""
        place = self._places[location.where]
        if place.check is not None:
            place.check(request.peer)
        upload = parse_upload(request.url.parameters)
        _refuse(upload, place)
        asked = Request(without_parameters(request.url), request.peer, upload)
        for answer in location.answers:
            receive = self._receivers.get(answer)
            taken = receive(asked, location) if receive is not None else None
            if taken is not None:
                if answer is not AnswerKind.FILES and upload.size:  # a file has the type that its name stands for
                    _check_type(upload, place.titan, taken)
                if upload.size or upload.is_edit or isinstance(taken, Response | Intake):
                    return taken
                return EmptyIntake(taken)  # who says so in error, and sends more, deletes nothing
        raise ProxyRefused("No uploads are taken here")


def _refuse(upload: Upload, place: _Place) -> None:
    """Raise GeminiError for what may not be uploaded there."""
    titan = place.titan
    if upload.is_edit:
        if not titan.edit:
            raise GeminiError("Nothing is given out here to be edited", Status.PERMANENT_FAILURE)
        return
    if place.tokens and not _is_one_of(upload.token, place.tokens):
        raise GeminiError("A valid token is needed", Status.PERMANENT_FAILURE)
    if upload.size > titan.max_size:
        raise BadRequest(f"At most {titan.max_size} bytes may be uploaded here")
    if not upload.size and not titan.delete:
        raise BadRequest("Nothing may be deleted here, which an upload of no bytes is for")


def _check_type(upload: Upload, titan: TitanSettings, taken: Answer | Intake) -> None:
    """Raise BadRequest (59) for what a program is not to be sent, and let go of who would take it."""
    if titan.allows_type(upload.media_type):
        return
    if not isinstance(taken, Response):
        taken.close()
    types = ", ".join(titan.types)
    raise BadRequest(f"The type may be: {types}" if len(types) <= _MOST_SHOWN else "No such type may be uploaded here")


def _is_one_of(token: str | None, hashes: tuple[bytes, ...]) -> bool:
    """Whether it is one of those, whichever, in the same time."""
    given = _hash_token(token or "")
    return sum(hmac.compare_digest(given, known) for known in hashes) > 0


def _hash_token(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
