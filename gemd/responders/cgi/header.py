"""The header of a script's answer: its first line, "20 text/gemini" for one, ended by LF or CRLF.

Rule: whoever wrote the script learns from the log what is wrong with the line, and the client nothing.
"""

import re
from collections.abc import Callable

from gemd.protocol.reference import clean_meta
from gemd.protocol.response import MAX_META
from gemd.system.script_output import ScriptError

Header = tuple[int, str, bytes]  # status, META and what follows the header
FindHeader = Callable[[bytes], Header | None]  # in what has come so far; raises ScriptError

MAX_HEADER = MAX_META + len("20 \r\n")  # bytes, with its end

_HEADER = re.compile(rb"(?P<status>[0-9]{2})(?: (?P<meta>[^\r\n]*))?\r?\n")
_HTTP = re.compile(rb"(?:[A-Za-z][A-Za-z-]*:|HTTP/)")
_BOM = b"\xef\xbb\xbf"


def find_header(output: bytes) -> Header | None:
    """The header in what has come so far, None as long as its line has no end. Raises ScriptError."""
    return parse_header(output) if b"\n" in output or len(output) > MAX_HEADER else None


def parse_header(output: bytes) -> Header:
    """Status, META and what follows the header line. Raises ScriptError, which quotes the line."""
    match = _HEADER.match(output)
    if match is None or match.end() > MAX_HEADER + 1:
        raise ScriptError(f"has to begin with a line such as '20 text/gemini', not {quote(output)}{_explain(output)}")
    try:
        status, meta = int(match["status"]), (match["meta"] or b"").decode()
        if meta.startswith(" "):
            raise ValueError("there are two blanks behind the status")
        meta = clean_meta(status, meta)
    except ValueError as error:  # UnicodeDecodeError is one
        raise ScriptError(f"has a bad header {quote(output)}: {error}") from None
    return status, meta, output[match.end() :]


def quote(output: bytes) -> str:
    """The beginning of its first line, for the log."""
    return repr(output.partition(b"\n")[0][:100])


def _explain(output: bytes) -> str:
    """What this is, if that is known."""
    if output.startswith(_BOM):
        return ", which begins with a byte order mark"
    return ", which is a header of HTTP: that is the dialect 'http'" if _HTTP.match(output) else ""
