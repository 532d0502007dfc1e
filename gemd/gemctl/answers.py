"""What a server has answered, shown to whoever has asked.

Rules: what is not the body goes to standard error, escaped; a bar is drawn there only if the body goes elsewhere.
"""

import contextlib
import shlex
import sys

from gemd.gemctl.gemini_client import GeminiConnection, Header
from gemd.gemctl.progress import ProgressBar
from gemd.gemctl.target import Target
from gemd.gemctl.terminal import BodyWriter, complain, escape
from gemd.protocol.status import Status, asks_for_input, has_body, is_redirect
from gemd.protocol.url import resolve
from gemd.system.deadline import Deadline

_MOST_STRAY = 64 * 1024  # bytes that are read where none belongs


def show_header(header: Header) -> None:
    """The first line of the answer."""
    print(escape(f"{header.status} {header.meta}".rstrip(" ")), file=sys.stderr, flush=True)


def take_body(header: Header, connection: GeminiConnection) -> None:
    """Read to the end, which a response without a body has too. Raises Truncated."""
    if not has_body(header.status):
        _take_nothing(connection)
        return
    writer = BodyWriter()
    size = 0
    with contextlib.nullcontext() if sys.stdout.isatty() else ProgressBar(None) as bar:
        for chunk in connection.body():
            size += len(chunk)
            writer.write(chunk)
            if bar is not None:
                bar(size)
    complain(f"{size} bytes of body, ended with close_notify ({connection.protocol})")


def _take_nothing(connection: GeminiConnection) -> None:
    """The end of a response without a body, which nobody waits for for ever. Raises Truncated."""
    size, deadline = 0, Deadline(connection.timeout)
    for chunk in connection.body():
        size += len(chunk)
        if size > _MOST_STRAY or not deadline.remaining():
            complain(f"warning: {size} bytes and more after a header that has no body; the rest was not waited for")
            return
    if size:
        complain(f"warning: {size} bytes after a header that has no body")
    complain(f"ended with close_notify ({connection.protocol})")


def explain_header(header: Header, target: Target) -> list[str]:
    """What to do about a response that is no success."""
    if asks_for_input(header.status):
        answer = shlex.quote(target.url.partition("?")[0] + "?your%20answer")
        secret = ", and wants it to stay secret" if header.status == Status.SENSITIVE_INPUT else ""
        return [f"it asks: {escape(header.meta)}", f"to answer{secret}: gemctl fetch {answer}"]
    if is_redirect(header.status):
        span = "for a while" if header.status == Status.REDIRECT_TEMPORARY else "for good"
        return [f"moved {span} to {escape(resolve(target.url, header.meta))}"]
    if header.status == Status.CLIENT_CERTIFICATE_REQUIRED:
        return ["it wants a client certificate: --cert FILE --key FILE"]
    return []
