"""What a route gives back, and the status codes it may use."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gemd.protocol import status

Environ = dict[str, Any]  # whose entries have the types that gemd.conf(5) lists, and whatever a middleware adds
SendStatus = Callable[[int, str], None]
Body = bytes | str | Iterable[bytes | str | None]
App = Callable[[Environ, SendStatus], Body | None]


class Status:
    """The status codes of Gemini (specification 0.24.1, "Status codes"), as plain integers."""

    INPUT = int(status.Status.INPUT)
    SENSITIVE_INPUT = int(status.Status.SENSITIVE_INPUT)
    SUCCESS = int(status.Status.SUCCESS)
    REDIRECT_TEMPORARY = int(status.Status.REDIRECT_TEMPORARY)
    REDIRECT_PERMANENT = int(status.Status.REDIRECT_PERMANENT)
    TEMPORARY_FAILURE = int(status.Status.TEMPORARY_FAILURE)
    SERVER_UNAVAILABLE = int(status.Status.SERVER_UNAVAILABLE)
    CGI_ERROR = int(status.Status.CGI_ERROR)
    PROXY_ERROR = int(status.Status.PROXY_ERROR)
    SLOW_DOWN = int(status.Status.SLOW_DOWN)
    PERMANENT_FAILURE = int(status.Status.PERMANENT_FAILURE)
    NOT_FOUND = int(status.Status.NOT_FOUND)
    GONE = int(status.Status.GONE)
    PROXY_REQUEST_REFUSED = int(status.Status.PROXY_REQUEST_REFUSED)
    BAD_REQUEST = int(status.Status.BAD_REQUEST)
    CLIENT_CERTIFICATE_REQUIRED = int(status.Status.CLIENT_CERTIFICATE_REQUIRED)
    CERTIFICATE_NOT_AUTHORISED = int(status.Status.CERTIFICATE_NOT_AUTHORISED)
    CERTIFICATE_NOT_VALID = int(status.Status.CERTIFICATE_NOT_VALID)


@dataclass
class Response:
    """An answer: `status` and `meta` make its header; `body`, for a success, is bytes, a text that is sent as UTF-8, or
    an iterable of these, whose pieces are sent as they come and whose `close`, if it has one, is called at the end."""

    status: int
    meta: str
    body: Body | None = None


def send_body(body: Body | None) -> Iterator[bytes | str | None]:
    """The pieces of a body, which is closed at the end, or when nobody takes any more."""
    if isinstance(body, (bytes, str)):
        yield body
    elif body is not None:
        try:
            yield from body
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()
