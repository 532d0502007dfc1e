"""What an application is told of a request: Jetforce 1.0's environ, entry by entry and type by type.

Rules: nothing is in it that Jetforce does not give, but `gemd.location`, the path that the application is mounted at,
`gemd.client`, whom limits count the request for, and what is said of an upload, with its body; the URL has no dot
segments, so that an application and the rules for its locations see the same path. On its way to another process it is
FastCGI's parameters, and arrives with the same entries in the same order.
"""

import os

from gemd.config.host_settings import Location
from gemd.protocol.errors import Overloaded
from gemd.protocol.request import Request
from gemd.protocol.upload import Upload
from gemd.protocol.url import Url
from gemd.responders.app.contract import BODY, CLIENT, Environ
from gemd.responders.variables import common_variables
from gemd.system.authorities import Authorities
from gemd.system.client_certificates import decode_certificate, decode_der

_CERTIFICATE = "client_certificate"
_NUMBERS = frozenset({"CONTENT_LENGTH", "SERVER_PORT", "TLS_CLIENT_AUTHORISED", "TLS_CLIENT_SERIAL_NUMBER"})
_ENCODING = "utf-8", "surrogateescape"


def build_app_environ(request: Request, location: Location, authorities: Authorities | None) -> Environ:
    """The environ of one call. Strings, but for CONTENT_LENGTH, SERVER_PORT, TLS_CLIENT_AUTHORISED and
    TLS_CLIENT_SERIAL_NUMBER, which are int, `client_certificate`, a cryptography.x509.Certificate or None, and
    `titan.body`, a binary file. Raises Overloaded (41) where no descriptor is free for that."""
    certificate = request.peer.tls.client_certificate
    body = _copy_body(request.upload) if request.upload is not None else {}
    return {
        **common_variables(request, location, authorities),
        "GEMINI_URL": _without_dot_segments(request.url),
        "HOSTNAME": request.url.host,
        _CERTIFICATE: decode_certificate(certificate) if certificate is not None else None,
        "gemd.location": _path_of(location, request.url),
        CLIENT: request.peer.client,
        **body,
    }


def _path_of(location: Location, url: Url) -> str:
    """The location's path, and where that has wildcards what they stand for."""
    return location.path if location.match != "glob" else "/" + "/".join(url.rule_names[: len(location.names)])


def _copy_body(upload: Upload) -> Environ:
    """The entry for the body, if there is one, or will never be."""
    if upload.is_edit or (upload.size and upload.body is None):
        return {}
    from gemd.responders.app.upload_file import open_upload

    try:
        return {BODY: open_upload(os.dup(upload.body.descriptor) if upload.body is not None else None)}
    except OSError:
        raise Overloaded(reason="descriptors") from None


def build_app_params(request: Request, location: Location, authorities: Authorities | None) -> dict[bytes, bytes]:
    """The same as parameters, in which the certificate is DER, or empty; a body goes beside them."""
    certificate = request.peer.tls.client_certificate
    texts = {
        **common_variables(request, location, authorities),
        "GEMINI_URL": _without_dot_segments(request.url),
        "HOSTNAME": request.url.host,
        _CERTIFICATE: "",
        "gemd.location": _path_of(location, request.url),
        CLIENT: request.peer.client,
    }
    params = {name.encode(): str(value).encode(*_ENCODING) for name, value in texts.items()}
    if certificate is not None and not certificate.fault:
        params[_CERTIFICATE.encode()] = certificate.der
    return params


def read_app_params(params: dict[bytes, bytes], body: int | None = None) -> Environ:
    """The environ that parameters stand for, and the descriptor of a body, which is the environ's from then on. Raises
    ValueError for what `build_app_params` has not made, and leaves it the caller's."""
    environ: Environ = {}
    for key, value in params.items():
        name = key.decode()
        if name == _CERTIFICATE:
            environ[name] = decode_der(value) if value else None
        else:
            text = value.decode(*_ENCODING)
            environ[name] = int(text) if name in _NUMBERS else text
    if "CONTENT_LENGTH" in environ:
        _take_body(environ, body)
    return environ


def _take_body(environ: Environ, body: int | None) -> None:
    """Raises ValueError where it is missing."""
    from gemd.responders.app.upload_file import open_upload

    if environ["CONTENT_LENGTH"] and body is None:
        raise ValueError("the body of an upload did not come along")
    environ[BODY] = open_upload(body)


def _without_dot_segments(url: Url) -> str:
    """The URL as it was sent, but for dot segments in its path."""
    if not url.had_dot_segments:
        return url.text
    head, mark, query = url.text.partition("?")
    slash = head.find("/", head.find("://") + 3)
    parameters = f";{url.parameters}" if url.parameters and ";" in head else ""  # an upload's text has none
    return head[:slash] + url.path + parameters + mark + query
