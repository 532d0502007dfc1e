"""What an application is told of a request: Jetforce 1.0's environ, entry by entry and type by type.

Rules: nothing is in it that Jetforce does not give, but `gemd.location`, the path that the application is mounted at;
the URL has no dot segments, so that an application and the rules for its locations see the same path.
"""

import base64

from gemd import __version__
from gemd.config.settings import Location
from gemd.protocol.peer import ClientCertificate, Peer
from gemd.protocol.request import Request
from gemd.protocol.url import Url
from gemd.responders.app.contract import Environ
from gemd.system.client_certificates import Authorities, load_certificate

_SOFTWARE = f"gemd/{__version__}"


def build_app_environ(request: Request, location: Location, authorities: Authorities | None) -> Environ:
    """The environ of one call. Strings, but for SERVER_PORT, TLS_CLIENT_AUTHORISED and TLS_CLIENT_SERIAL_NUMBER, which
    are int, and `client_certificate`, a cryptography.x509.Certificate or None."""
    url, peer = request.url, request.peer
    environ: Environ = {
        "GEMINI_URL": _without_dot_segments(url),
        "HOSTNAME": url.host,
        "QUERY_STRING": url.query or "",
        "REMOTE_ADDR": peer.address,
        "REMOTE_HOST": peer.address,
        "SERVER_NAME": url.host if location.host.startswith("*.") else location.host,
        "SERVER_PORT": peer.local_port,
        "SERVER_PROTOCOL": "GEMINI",
        "SERVER_SOFTWARE": _SOFTWARE,
        "TLS_CIPHER": peer.tls.cipher,
        "TLS_VERSION": peer.tls.version,
        "client_certificate": None,
        "gemd.location": location.path,
    }
    certificate = peer.tls.client_certificate
    if certificate is not None:
        environ |= _certificate_entries(certificate, peer, authorities)
    return environ


def _without_dot_segments(url: Url) -> str:
    """The URL as it was sent, but for dot segments in its path."""
    head, mark, query = url.text.partition("?")
    slash = head.find("/", head.find("://") + 3)
    if slash < 0 or "/." not in head[slash:]:
        return url.text
    return head[:slash] + url.path + mark + query


def _certificate_entries(certificate: ClientCertificate, peer: Peer, authorities: Authorities | None) -> Environ:
    is_vouched_for = authorities is not None and authorities.vouch_for(peer.tls.client_chain)
    return {
        "client_certificate": load_certificate(certificate),
        "AUTH_TYPE": "CERTIFICATE",
        "REMOTE_USER": certificate.common_name,
        "TLS_CLIENT_AUTHORISED": int(is_vouched_for),
        "TLS_CLIENT_HASH": "SHA256:" + certificate.fingerprint.upper(),
        "TLS_CLIENT_HASH_B64": base64.b64encode(bytes.fromhex(certificate.fingerprint)).decode(),
        "TLS_CLIENT_NOT_AFTER": f"{certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",
        "TLS_CLIENT_NOT_BEFORE": f"{certificate.not_before:%Y-%m-%dT%H:%M:%SZ}",
        "TLS_CLIENT_SERIAL_NUMBER": certificate.serial_number,
    }
