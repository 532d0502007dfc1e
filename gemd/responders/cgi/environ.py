"""A script's environment: every variable, built from the request, the certificate and the configuration.

Rule: what is not made here does not reach a script, and no value holds a character that misleads. gemd.conf(5) lists
the variables.
"""

import base64
from urllib.parse import unquote

from gemd import __version__
from gemd.config.settings import CGISettings, Config, Location
from gemd.protocol.characters import percent_encode
from gemd.protocol.peer import ClientCertificate, Peer
from gemd.protocol.request import Request
from gemd.system.client_certificates import Authorities


def build_environ(
    request: Request,
    location: Location,
    config: Config,
    script_name: str,
    path_info: str,
    authorities: Authorities | None,
) -> dict[str, str]:
    """The whole environment of one run."""
    environ = {"PATH": config.cgi.path, "LANG": config.cgi.lang}
    environ |= _request_variables(request, location, script_name, path_info)
    certificate = request.peer.tls.client_certificate
    if certificate is not None:
        environ |= _certificate_variables(certificate, request.peer, config.cgi, authorities)
    return environ | config.cgi.environment


def _request_variables(request: Request, location: Location, script_name: str, path_info: str) -> dict[str, str]:
    url, peer = request.url, request.peer
    host = url.host if location.host.startswith("*.") else location.host
    query = url.query or ""
    variables = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "GEMINI_URL": url.text,
        "GEMINI_URL_PATH": "/" + "/".join(url.segments),
        "HOSTNAME": host,
        "PATH_INFO": path_info,
        "QUERY_STRING": query,
        "REMOTE_ADDR": peer.address,
        "REMOTE_HOST": peer.address,
        "REMOTE_PORT": str(peer.port),
        "REQUEST_METHOD": "",
        "SCRIPT_NAME": script_name,
        "SERVER_NAME": host,
        "SERVER_PORT": str(peer.local_port),
        "SERVER_PROTOCOL": "GEMINI",
        "SERVER_SOFTWARE": f"gemd/{__version__}",
        "TLS_CIPHER": peer.tls.cipher,
        "TLS_VERSION": peer.tls.version,
    }
    if path_info:
        variables["PATH_TRANSLATED"] = f"{location.root}{path_info}"
    if query and "=" not in query:
        variables["GEMINI_SEARCH_STRING"] = percent_encode(unquote(query))
    return variables


def _certificate_variables(
    certificate: ClientCertificate, peer: Peer, settings: CGISettings, authorities: Authorities | None
) -> dict[str, str]:
    digest = certificate.fingerprint
    forms = {"SHA256:UPPER": "SHA256:" + digest.upper(), "SHA256:lower": "SHA256:" + digest, "lower": digest}
    is_vouched_for = authorities is not None and authorities.vouch_for(peer.tls.client_chain)
    return {
        "AUTH_TYPE": "CERTIFICATE",
        "REMOTE_USER": percent_encode(certificate.common_name),
        "TLS_CLIENT_AUTHORISED": str(int(is_vouched_for)),
        "TLS_CLIENT_HASH": forms[settings.client_hash],
        "TLS_CLIENT_HASH_B64": base64.b64encode(bytes.fromhex(digest)).decode(),
        "TLS_CLIENT_ISSUER": percent_encode(certificate.issuer),
        "TLS_CLIENT_NOT_AFTER": f"{certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",
        "TLS_CLIENT_NOT_BEFORE": f"{certificate.not_before:%Y-%m-%dT%H:%M:%SZ}",
        "TLS_CLIENT_SERIAL_NUMBER": str(certificate.serial_number),
        "TLS_CLIENT_SUBJECT": percent_encode(certificate.subject),
    }
