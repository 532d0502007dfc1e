"""The header that a program for the web writes by CGI (RFC 3875, 6), and what its answer is in Gemini.

Rules: what is not told for sure is refused: a field that is folded, or there twice; no text of a program's own gets
into a header of Gemini, but for its media type and where it has gone.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple

from gemd.protocol.http_answer import (
    clean_reference,
    name_status,
    translate_status,
    translate_type,
    translate_wait,
)
from gemd.protocol.mime import GEMTEXT
from gemd.protocol.status import Status, is_redirect

MAX_HTTP_HEADER = 8192  # bytes, with the empty line at its end

_END = re.compile(rb"(?:\A|\n)\r?\n")
_FIELD = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*(.*?)[ \t]*")
_STATUS = re.compile(r"([1-5][0-9]{2})(?: .*)?")
_SINGLE = frozenset({"status", "content-type", "location"})
_NO_CONTENT = (204, 205)
_NOT_ALLOWED = (401, 403)
# What a program tells more exactly than a server that is asked by HTTP.
_OWN_COUNTERPARTS = {
    400: Status.BAD_REQUEST,
    401: Status.CLIENT_CERTIFICATE_REQUIRED,
    503: Status.SERVER_UNAVAILABLE,
}


class HTTPHeaderError(ValueError):
    """It is no header, or none that Gemini has an answer for; the text says why."""


class HTTPAnswer(NamedTuple):
    """What matters of it: a status, and by their names in lower case its fields."""

    status: int
    fields: Mapping[str, str] = MappingProxyType({})


def find_http_end(data: bytes) -> int | None:
    """Where the body begins that follows a header; None as long as the header has no end. Raises HTTPHeaderError for
    one that is too long."""
    match = _END.search(data, 0, MAX_HTTP_HEADER)
    if match is None and len(data) >= MAX_HTTP_HEADER:
        raise HTTPHeaderError(f"its header has more than {MAX_HTTP_HEADER} bytes")
    return None if match is None else match.end()


def read_http_header(header: bytes) -> HTTPAnswer:
    """A program's header (RFC 3875, 6.2): without a status it is a success, or with a Location a redirect. Raises
    HTTPHeaderError."""
    try:
        lines = [line.removesuffix("\r") for line in header.decode().rstrip("\r\n").split("\n")]
    except UnicodeDecodeError as error:
        raise HTTPHeaderError(f"it is not UTF-8 at byte {error.start + 1}") from None
    fields: dict[str, str] = {}
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise HTTPHeaderError(_explain(line))
        name = match[1].lower()
        if name in fields and name in _SINGLE:
            raise HTTPHeaderError(f"it has two fields {match[1]}")
        fields[name] = match[2]
    status = _STATUS.fullmatch(fields.get("status", "302" if fields.get("location") else "200"))
    if status is None:
        raise HTTPHeaderError("its Status has to begin with three digits")
    return HTTPAnswer(int(status[1]), fields)


def _explain(line: str) -> str:
    if line.startswith((" ", "\t")):
        return "a field goes on in another line"
    if line.startswith("HTTP/"):
        return "a program says 'Status: 200', and not 'HTTP/1.1 200'"
    return "a line is no field, as in 'Content-Type: text/gemini'"


def translate_answer(answer: HTTPAnswer, *, failure: int, is_known: bool) -> tuple[int, str]:
    """Its status and META in Gemini: `failure` where the program itself has failed (5xx). Whether the client has shown
    a certificate (`is_known`) decides what it is told that may not. Raises HTTPHeaderError."""
    code, fields = answer
    if is_known and code in _NOT_ALLOWED:
        return Status.CERTIFICATE_NOT_AUTHORISED, "This certificate is not authorised"
    status = _OWN_COUNTERPARTS.get(code) or translate_status(code, failure)
    if status == Status.SUCCESS:
        return status, _find_media_type(code, fields)
    if is_redirect(status):
        return status, _find_target(fields)
    if status == Status.SLOW_DOWN:
        return status, translate_wait(fields.get("retry-after", ""))
    if status == Status.CLIENT_CERTIFICATE_REQUIRED:
        return status, "A client certificate is needed"
    if code < HTTPStatus.BAD_REQUEST:
        raise HTTPHeaderError(f"the status {code} means nothing to Gemini")
    return status, name_status(code)


def _find_media_type(code: int, fields: Mapping[str, str]) -> str:
    given = fields.get("content-type", "")
    if not given:
        if code in _NO_CONTENT:
            return GEMTEXT
        raise HTTPHeaderError("it has no Content-Type")
    try:
        return translate_type(given)
    except ValueError as error:
        raise HTTPHeaderError(f"its Content-Type {error}: {given[:100]!r}") from None


def _find_target(fields: Mapping[str, str]) -> str:
    try:
        return clean_reference(fields.get("location", "").encode())
    except ValueError as error:
        raise HTTPHeaderError(f"its Location {error}") from None
