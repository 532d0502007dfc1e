"""A script's environment: every variable, built from the request, the certificate and the configuration.

Rule: what is not made here does not reach a script, and no value holds a character that misleads. gemd.conf(5) lists
the variables.
"""

from typing import TYPE_CHECKING
from urllib.parse import unquote

from gemd.config.settings import CGISettings, Config, Location
from gemd.protocol.characters import percent_encode
from gemd.protocol.peer import ClientCertificate
from gemd.protocol.request import Request
from gemd.responders.variables import common_variables, server_name

if TYPE_CHECKING:
    from gemd.system.authorities import Authorities

GATEWAY_INTERFACE = "CGI/1.1"


def build_environ(
    request: Request,
    location: Location,
    config: Config,
    script_name: str,
    path_info: str,
    authorities: "Authorities | None",
) -> dict[str, str]:
    """The whole environment of one run."""
    environ = own_variables(config.cgi)
    for name, value in common_variables(request, location, authorities).items():
        environ[name] = percent_encode(str(value))
    environ |= _request_variables(request, location, script_name, path_info)
    certificate = request.peer.tls.client_certificate
    if certificate is not None:
        environ |= _certificate_variables(certificate, config.cgi)
    return environ | config.cgi.environment


def own_variables(settings: CGISettings) -> dict[str, str]:
    """What every script has, whatever is asked."""
    return {"PATH": settings.path, "LANG": settings.lang, "GATEWAY_INTERFACE": GATEWAY_INTERFACE}


def _request_variables(request: Request, location: Location, script_name: str, path_info: str) -> dict[str, str]:
    url, query = request.url, request.url.query or ""
    variables = {
        "GEMINI_URL": url.text,
        "GEMINI_URL_PATH": "/" + "/".join(url.segments),
        "HOSTNAME": server_name(request, location),
        "PATH_INFO": path_info,
        "REMOTE_PORT": str(request.peer.port),
        "REQUEST_METHOD": "",
        "SCRIPT_NAME": script_name,
    }
    if path_info:
        variables["PATH_TRANSLATED"] = f"{location.root}{path_info}"
    if query and "=" not in query:
        variables["GEMINI_SEARCH_STRING"] = percent_encode(unquote(query))
    return variables


def _certificate_variables(certificate: ClientCertificate, settings: CGISettings) -> dict[str, str]:
    digest = certificate.fingerprint
    forms = {"SHA256:UPPER": "SHA256:" + digest.upper(), "SHA256:lower": "SHA256:" + digest, "lower": digest}
    return {
        "TLS_CLIENT_HASH": forms[settings.client_hash],
        "TLS_CLIENT_ISSUER": percent_encode(certificate.issuer),
        "TLS_CLIENT_SUBJECT": percent_encode(certificate.subject),
    }
