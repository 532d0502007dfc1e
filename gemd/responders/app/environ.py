"""What an application is told of a request: Jetforce 1.0's environ, entry by entry and type by type.

Rules: nothing is in it that Jetforce does not give, but `gemd.location`, the path that the application is mounted at,
and `gemd.client`, whom limits count the request for; the URL has no dot segments, so that an application and the rules
for its locations see the same path. On its way to another process it is FastCGI's parameters, and arrives with the same
entries in the same order.
"""

from gemd.config.host_settings import Location
from gemd.protocol.request import Request
from gemd.protocol.url import Url
from gemd.responders.app.contract import CLIENT, Environ
from gemd.responders.variables import common_variables
from gemd.system.authorities import Authorities
from gemd.system.client_certificates import decode_certificate, decode_der

_CERTIFICATE = "client_certificate"
_NUMBERS = frozenset({"SERVER_PORT", "TLS_CLIENT_AUTHORISED", "TLS_CLIENT_SERIAL_NUMBER"})
_ENCODING = "utf-8", "surrogateescape"


def build_app_environ(request: Request, location: Location, authorities: Authorities | None) -> Environ:
    """The environ of one call. Strings, but for SERVER_PORT, TLS_CLIENT_AUTHORISED and TLS_CLIENT_SERIAL_NUMBER, which
    are int, and `client_certificate`, a cryptography.x509.Certificate or None."""
    certificate = request.peer.tls.client_certificate
    return {
        **common_variables(request, location, authorities),
        "GEMINI_URL": _without_dot_segments(request.url),
        "HOSTNAME": request.url.host,
        _CERTIFICATE: decode_certificate(certificate) if certificate is not None else None,
        "gemd.location": location.path,
        CLIENT: request.peer.client,
    }


def build_app_params(request: Request, location: Location, authorities: Authorities | None) -> dict[bytes, bytes]:
    """The same as parameters, in which the certificate is DER, or empty."""
    certificate = request.peer.tls.client_certificate
    texts = {
        **common_variables(request, location, authorities),
        "GEMINI_URL": _without_dot_segments(request.url),
        "HOSTNAME": request.url.host,
        _CERTIFICATE: "",
        "gemd.location": location.path,
        CLIENT: request.peer.client,
    }
    params = {name.encode(): str(value).encode(*_ENCODING) for name, value in texts.items()}
    if certificate is not None and not certificate.fault:
        params[_CERTIFICATE.encode()] = certificate.der
    return params


def read_app_params(params: dict[bytes, bytes]) -> Environ:
    """The environ that parameters stand for. Raises ValueError for what `build_app_params` has not made."""
    environ: Environ = {}
    for key, value in params.items():
        name = key.decode()
        if name == _CERTIFICATE:
            environ[name] = decode_der(value) if value else None
        else:
            text = value.decode(*_ENCODING)
            environ[name] = int(text) if name in _NUMBERS else text
    return environ


def _without_dot_segments(url: Url) -> str:
    """The URL as it was sent, but for dot segments in its path."""
    head, mark, query = url.text.partition("?")
    slash = head.find("/", head.find("://") + 3)
    if slash < 0 or "/." not in head[slash:]:
        return url.text
    parameters = f";{url.parameters}" if url.parameters and ";" in head else ""  # an upload's text has none
    return head[:slash] + url.path + parameters + mark + query
