"""`gemctl edit`: a text on a server, in one's own editor, by Titan.

Rules: half a text is never edited, nor is what is no text; one that was not changed, or that is empty now, is not sent,
nor one that would undo what somebody else has written meanwhile.
"""

import argparse
import hashlib
import os
import re
from collections.abc import Iterator
from urllib.parse import unquote

from gemd.gemctl.answers import explain_header, show_header
from gemd.gemctl.draft import Draft, find_editor, name_draft, run_editor
from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.gemini_client import GeminiConnection
from gemd.gemctl.put import guess_media_type, upload_file
from gemd.gemctl.target import Target, parse_upload_target
from gemd.gemctl.terminal import complain, escape
from gemd.gemctl.trust import connect_trusted
from gemd.protocol.quantities import format_size
from gemd.protocol.status import Status, has_body
from gemd.system.encoding import decode_typed

_MAX_TEXT = 64 * 1024**2  # bytes
_CHARSET = re.compile(r';\s*charset="?([A-Za-z0-9_.:+-]+)', re.IGNORECASE)


def edit(options: argparse.Namespace) -> ExitCode:
    """Fetch, edit and send the text. Raises Failure, and CertificateError for a certificate of the server that can't be
    read."""
    target = parse_upload_target(decode_typed(options.url))
    editor = find_editor(os.environ)
    found = fetch_source(options, target)
    if found is None:
        return ExitCode.FAILED
    draft, media_type = found
    with draft:
        run_editor(editor, draft.path)
        if draft.is_empty:
            raise Failure("the text is empty now, which would delete what is there, so that nothing is sent")
        if not draft.has_changes:
            complain("nothing was changed, so that nothing is sent")
            return ExitCode.OK
        if is_changed_there(options, target, draft.original):
            raise Failure("somebody else has changed it meanwhile, so that nothing is sent")
        with draft.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            outcome = upload_file(options, target, file, size, options.type or media_type)
        draft.is_sent = outcome is ExitCode.OK
    return outcome


def fetch_source(options: argparse.Namespace, target: Target) -> tuple[Draft, str] | None:
    """The text as it is now, an empty one where there is none yet, and its type; None where the server refuses, which
    is shown. Raises Failure."""
    name = unquote(target.name)
    with connect_trusted(options, target) as connection:
        header = connection.request(target.titan_url("edit"))
        if header.status == Status.NOT_FOUND:
            complain("there is nothing yet: what you write will be new")
            media_type = guess_media_type(name)
            return Draft((), name_draft(name, media_type), target.url), media_type
        if not has_body(header.status):
            show_header(header)
            complain(*explain_header(header, target))
            return None
        media_type = reduce_media_type(header.meta)
        if not media_type.startswith("text/"):
            raise Failure(f"it is {escape(media_type)}, which is no text: see gemctl fetch, and gemctl put")
        return Draft(read_text(connection), name_draft(name, media_type), target.url), media_type


def read_text(connection: GeminiConnection) -> Iterator[bytes]:
    """The body of an answer, piece by piece. Raises Failure where it breaks off, or is more than anybody edits."""
    size = 0
    for piece in connection.body():
        size += len(piece)
        if size > _MAX_TEXT:
            raise Failure(f"it has more than {format_size(_MAX_TEXT)}: see gemctl fetch, and gemctl put")
        yield piece


def is_changed_there(options: argparse.Namespace, target: Target, digest: bytes) -> bool:
    """Whether the text on the server is another one than that with this SHA-256. A server that refuses to tell will
    say to the upload why. Raises Failure."""
    with connect_trusted(options, target) as connection:
        header = connection.request(target.titan_url("edit"))
        if not has_body(header.status) and header.status != Status.NOT_FOUND:
            return False
        now = hashlib.sha256()
        for piece in read_text(connection) if has_body(header.status) else ():
            now.update(piece)
        return now.digest() != digest


def reduce_media_type(text: str) -> str:
    """The type without what does not belong to an upload: parameters other than a charset that is not UTF-8."""
    essence = text.partition(";")[0].strip().lower() or "text/gemini"
    charset = _CHARSET.search(text)
    if charset is None or charset[1].lower() in ("utf-8", "us-ascii"):
        return essence
    return f"{essence};charset={charset[1]}"
