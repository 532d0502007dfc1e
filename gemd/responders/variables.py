"""What scripts and applications are told alike of a request and its client: CGI's variables, with Jetforce's additions.

What differs on purpose is each one's own. A script has strings alone, without characters that mislead, the fingerprint
in the form of `cgi.client-hash`, and the certificate's names; its URL is as it was sent, HOSTNAME the configuration's.
An application has numbers as int, the certificate itself, and the URL and HOSTNAME by which it finds its routes.
"""

import base64
from typing import TYPE_CHECKING

from gemd import __version__
from gemd.config.host_settings import Location
from gemd.protocol.host import is_wildcard
from gemd.protocol.request import Request
from gemd.protocol.upload import Upload
from gemd.protocol.url import DEFAULT_PORT
from gemd.responders.judged import Unjudged

if (
    TYPE_CHECKING
):  # the last one would take the cryptography library along, which an application's program may not want yet
    import datetime

    from gemd.system.authorities import Authorities

_SOFTWARE = f"gemd/{__version__}"


def common_variables(request: Request, location: Location, authorities: "Authorities | None") -> dict[str, str | int]:
    """The entries; those on a certificate are there only if the client gave one, and those on an upload only for one.
    Raises Unjudged."""
    url, peer = request.url, request.peer
    return {
        "QUERY_STRING": url.query or "",
        "REMOTE_ADDR": peer.address,
        "REMOTE_HOST": peer.address,
        "SERVER_NAME": server_name(request, location),
        "SERVER_PORT": peer.local_port or url.port or DEFAULT_PORT,
        "SERVER_PROTOCOL": "GEMINI" if request.upload is None else "TITAN",
        "SERVER_SOFTWARE": _SOFTWARE,
        "TLS_CIPHER": peer.tls.cipher,
        "TLS_VERSION": peer.tls.version,
        **_certificate_variables(request, authorities),
        **(_upload_variables(request.upload) if request.upload is not None else {}),
    }


def server_name(request: Request, location: Location) -> str:
    """The host's name in the configuration, or where that is a wildcard the URL's."""
    return request.url.host if is_wildcard(location.host) else location.host


def _certificate_variables(request: Request, authorities: "Authorities | None") -> dict[str, str | int]:
    certificate = request.peer.tls.client_certificate
    if certificate is None:
        return {}
    verdict = authorities.weigh(request.peer.tls) if authorities is not None else None
    if callable(verdict):
        raise Unjudged(verdict)
    return {
        "AUTH_TYPE": "CERTIFICATE",
        "REMOTE_USER": certificate.common_name,
        "TLS_CLIENT_AUTHORISED": int(verdict is not None and verdict.is_vouched_for),
        "TLS_CLIENT_HASH": "SHA256:" + certificate.fingerprint.upper(),
        "TLS_CLIENT_HASH_B64": base64.urlsafe_b64encode(bytes.fromhex(certificate.fingerprint)).decode(),
        "TLS_CLIENT_NOT_AFTER": _write_time(certificate.not_after),
        "TLS_CLIENT_NOT_BEFORE": _write_time(certificate.not_before),
        "TLS_CLIENT_SERIAL_NUMBER": certificate.serial_number,
    }


def _write_time(moment: "datetime.datetime") -> str:
    """Not by strftime(3), which has fewer than four digits for a year before 1000."""
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _upload_variables(upload: Upload) -> dict[str, str | int]:
    """CONTENT_LENGTH is there for every body, also one of no bytes, which asks for a deletion."""
    if upload.is_edit:
        return {"TITAN_EDIT": "1"}
    token = {"TITAN_TOKEN": upload.token} if upload.token is not None else {}
    return {"CONTENT_LENGTH": upload.size, "CONTENT_TYPE": upload.media_type, **token}
