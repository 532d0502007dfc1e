"""Uploads that a program takes: a script, an application, or a server behind this one.

Rules: whoever answers the location is asked twice: for what can be refused without the body, and, once all of that is
in a file, for the answer; so a client that is slow holds no program. What has no body is asked at once.
"""

import os
from collections.abc import Callable
from functools import partial

import msgspec

from gemd.config.host_settings import AnswerKind, Location
from gemd.protocol.errors import BadRequest, NotFound
from gemd.protocol.request import Request
from gemd.protocol.response import Answer, Response
from gemd.protocol.status import is_redirect
from gemd.protocol.upload import Intake, UploadBody
from gemd.responders.hosts import Responder
from gemd.responders.judged import Judged, Unjudged
from gemd.responders.uploads.intake import ReceivedAnswer, SpooledIntake
from gemd.system.spool import Spool

MakeFile = Callable[[int], int]  # one for so many bytes, to be read and written; raises OSError

PROGRAMS = (
    AnswerKind.SCRIPT,
    AnswerKind.CGI,
    AnswerKind.APP,
    AnswerKind.FASTCGI,
    AnswerKind.SCGI,
    AnswerKind.PROXY,
)


class ProgramUploads:
    """The receiver for a kind of programs, which `responder` asks."""

    def __init__(self, responder: Responder, make_file: MakeFile) -> None:
        self._responder = responder
        self._make_file = make_file

    def __call__(self, request: Request, location: Location) -> Answer | Intake | None:
        """Take the body, or have one of no bytes answered, or `;edit`; None where no program is there. Raises
        GeminiError for what is refused without the body, and Unjudged."""
        assert request.upload is not None
        size, url = request.upload.size, request.url.text
        answer = self._ask(request, location)
        if not size or answer is None:
            return answer
        if not isinstance(answer, Response):
            answer.close()  # it has not begun
        spool = Spool(partial(self._make_file, size))
        give = partial(self._give, request, location)
        return SpooledIntake(size, url, spool, lambda spool: ReceivedAnswer(spool, url, give))

    def _ask(self, request: Request, location: Location) -> Answer | None:
        """Raises GeminiError, and Unjudged."""
        answer = self._responder(request, location)
        assert not isinstance(answer, Intake)
        if isinstance(answer, Response) and is_redirect(answer.status):  # which would lose what is uploaded
            raise BadRequest("A program is asked at another path: with a slash at the end")
        return answer

    def _give(self, request: Request, location: Location, body: UploadBody) -> Answer:
        """What is answered to all of it. Raises GeminiError."""
        os.lseek(body.descriptor, 0, os.SEEK_SET)
        assert request.upload is not None
        upload = msgspec.structs.replace(request.upload, body=body)
        return self._ask_whole(msgspec.structs.replace(request, upload=upload), location)

    def _ask_whole(self, request: Request, location: Location) -> Answer:
        try:
            answer = self._ask(request, location)
        except Unjudged as error:
            return Judged(error.judge, lambda: self._ask_whole(request, location))
        if answer is None:  # any more
            raise NotFound
        return answer
