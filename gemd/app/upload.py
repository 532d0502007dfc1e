"""What is uploaded to an application by Titan, as a route sees it."""

from typing import BinaryIO, NamedTuple, cast

from gemd.app.response import Environ
from gemd.responders.app.contract import BODY


class UploadedFile(NamedTuple):
    """`body` is a binary file of `size` bytes, open until the answer is over; one of no bytes asks for a deletion.
    `media_type` is what the client says, and so is `token`, None where there is none."""

    body: BinaryIO
    size: int
    media_type: str
    token: str | None

    def __repr__(self) -> str:
        """Without the token: an application may log it."""
        return f"UploadedFile({self.body!r}, {self.size!r}, {self.media_type!r}, token={'...' if self.token else None})"


def find_upload(environ: Environ) -> UploadedFile | None:
    """What is uploaded; None where nothing is."""
    if BODY not in environ:
        return None
    token = environ.get("TITAN_TOKEN")
    size, media_type = int(environ["CONTENT_LENGTH"]), str(environ["CONTENT_TYPE"])
    return UploadedFile(cast(BinaryIO, environ[BODY]), size, media_type, None if token is None else str(token))
