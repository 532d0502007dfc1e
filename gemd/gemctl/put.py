"""`gemctl put`: an upload by Titan.

Rules: everything that can be found wrong here is found before the server is asked; an empty upload, which deletes, has
to be meant; what the server says of it is shown as it is.
"""

import argparse
import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote

from gemd.gemctl.answers import explain_header, show_header, take_body
from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.gemini_client import Header
from gemd.gemctl.progress import ProgressBar
from gemd.gemctl.target import Target, parse_upload_target
from gemd.gemctl.terminal import complain, escape
from gemd.gemctl.titan_client import Sending, send_upload
from gemd.gemctl.trust import connect_trusted
from gemd.protocol.mime import GEMTEXT, UNKNOWN
from gemd.protocol.status import asks_for_input, has_body, is_redirect
from gemd.protocol.url import resolve
from gemd.system.encoding import decode_typed
from gemd.system.mime_table import load_mime_table

_STANDARD_INPUT = "-"


def put(options: argparse.Namespace) -> ExitCode:
    """Send the file. Raises Failure, and CertificateError for a certificate of the server that can't be read."""
    target = parse_upload_target(decode_typed(options.url))
    media_type = options.type or guess_media_type(unquote(target.name), options.file)
    with open_file(options.file) as (file, size):
        check_size(options.file, size, may_delete=options.delete)
        return upload_file(options, target, file, size, media_type)


def upload_file(options: argparse.Namespace, target: Target, file: BinaryIO, size: int, media_type: str) -> ExitCode:
    """Send `size` bytes of the file by the options that uploads have, and show what comes of it. Raises Failure."""
    url = target.titan_url(write_parameters(size, media_type, read_token(options)))
    with connect_trusted(options, target) as connection:
        with ProgressBar(size) as bar:
            header = send_upload(connection, url, Sending(file, size, bar))
        show_header(header)
        take_body(header, connection)
    lines, outcome = judge_answer(header, target)
    complain(*lines)
    return outcome


def check_size(name: str, size: int, *, may_delete: bool) -> None:
    """Raise Failure for an empty file that is not meant to be, or the other way round."""
    if not size and not may_delete:
        what = "is empty, and an empty upload deletes what is there: --delete says that this is meant"
        raise Failure(f"{escape(name)} {what}", code=ExitCode.USAGE)
    if size and may_delete:
        raise Failure(f"{escape(name)} is not empty: an upload deletes if it is, as /dev/null", code=ExitCode.USAGE)


def write_parameters(size: int, media_type: str, token: str | None) -> str:
    """What stands behind the first semicolon."""
    written = f"size={size};mime={quote(media_type.encode('utf-8', 'surrogateescape'), safe='/+')}"
    return written if token is None else f"{written};token={quote(token.encode('utf-8', 'surrogateescape'), safe='')}"


def read_token(options: argparse.Namespace) -> str | None:
    """The password, from the command line or the first line of a file. Raises Failure."""
    path: Path | None = options.token_file
    if path is None:
        return None if options.token is None else decode_typed(options.token)
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            return file.readline().rstrip("\r\n")
    except OSError as error:
        raise Failure(f"{path}: can't be read: {error.strerror}") from None


def guess_media_type(*names: str) -> str:
    """The type of the first of these names whose extension is known; Titan's default where none has an extension."""
    table = load_mime_table()
    extensions = [extension.lower() for name in names if (extension := Path(name).suffix)]
    known = (table[extension] for extension in extensions if extension in table)
    return next(known, UNKNOWN if extensions else GEMTEXT)


@contextlib.contextmanager
def open_file(name: str) -> Iterator[tuple[BinaryIO, int]]:
    """The file with its size, copied where that can't be told before all of it was read. Raises Failure."""
    with contextlib.ExitStack() as stack:
        try:
            file, size = _open(name, stack)
        except OSError as error:
            raise Failure(f"{escape(name)}: can't be read: {error.strerror}") from None
        yield file, size


def _open(name: str, stack: contextlib.ExitStack) -> tuple[BinaryIO, int]:
    file: BinaryIO = sys.stdin.buffer
    if name != _STANDARD_INPUT:
        file = stack.enter_context(Path(name).open("rb"))
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode):
            return file, status.st_size
    copy = stack.enter_context(tempfile.TemporaryFile())
    shutil.copyfileobj(file, copy)
    size = copy.tell()
    copy.seek(0)
    return copy, size


def judge_answer(header: Header, target: Target) -> tuple[list[str], ExitCode]:
    """What an answer to an upload means: lines for the operator, and the outcome."""
    if asks_for_input(header.status):
        return ["it asks for input, which an upload has no place for: nothing is stored"], ExitCode.FAILED
    if not is_redirect(header.status):
        return explain_header(header, target), ExitCode.OK if has_body(header.status) else ExitCode.FAILED
    there = escape(resolve(target.url, header.meta))
    if there.lower().startswith("titan:"):
        return [f"it wants the upload elsewhere, so nothing is stored: {there}"], ExitCode.FAILED
    return [f"done; to see it: {there}"], ExitCode.OK
