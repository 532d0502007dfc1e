"""Errors that are answers: each carries the status and the text that the client is told.

Raise one anywhere between the request line and the response; the request handler sends it.
The text is ours, never the client's: what a client sends must not come back in a header.
"""

from gemd.protocol.status import Status


class GeminiError(Exception):
    """An answer of class 4x, 5x or 6x. `reason` is for what is counted by it, one of REFUSALS."""

    reason: str = ""
    status: int = Status.TEMPORARY_FAILURE
    text: str = ""  # what the client is told unless the error has a text of its own

    def __init__(self, meta: str | None = None, status: int | None = None, reason: str | None = None) -> None:
        self.meta = self.text if meta is None else meta
        super().__init__(self.meta)
        if status is not None:
            self.status = status
        if reason is not None:
            self.reason = reason


class Overloaded(GeminiError):
    """41: too much is going on; the same request may succeed later."""

    status = Status.SERVER_UNAVAILABLE
    reason = "busy"
    text = "Too much is going on, try again later"


class CGIError(GeminiError):
    """42: a script failed. The reason goes to the error log, never to the client."""

    status = Status.CGI_ERROR


class ProxyFailed(GeminiError):
    """43: another server or process, that was to answer, did not. The reason goes to the error log."""

    status = Status.PROXY_ERROR
    text = "The server behind this one did not answer as it should"


class SlowDown(GeminiError):
    """44: this client asks too often. The text is the whole seconds to wait, and nothing else."""

    status = Status.SLOW_DOWN
    reason = "budget"


class NotFound(GeminiError):
    """51: nothing is served under this path."""

    status = Status.NOT_FOUND
    text = "Not found"


class ProxyRefused(GeminiError):
    """53: another scheme, host or port than the ones served here."""

    status = Status.PROXY_REQUEST_REFUSED


class BadRequest(GeminiError):
    """59: not a request as the specification has it."""

    status = Status.BAD_REQUEST


class CertificateRequired(GeminiError):
    """60: the resource needs a client certificate, and none was given."""

    status = Status.CLIENT_CERTIFICATE_REQUIRED


class CertificateNotAuthorised(GeminiError):
    """61: the client certificate is in order but not on the list."""

    status = Status.CERTIFICATE_NOT_AUTHORISED


class CertificateNotValid(GeminiError):
    """62: the client certificate is out of its dates, or unusable."""

    status = Status.CERTIFICATE_NOT_VALID
