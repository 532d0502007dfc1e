"""A script's environment: every variable, built from the request, the certificate and the configuration.

Rule: what is not made here does not reach a script, and no value holds a character that misleads. gemd-cgi(7) lists
the variables.
"""

import datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from gemd.config.cgi_settings import CGISettings
from gemd.config.host_settings import Location
from gemd.protocol.characters import is_misleading, percent_encode
from gemd.protocol.peer import ClientCertificate
from gemd.protocol.request import Request
from gemd.responders.cgi.dialects import Asked, translate
from gemd.responders.variables import common_variables, server_name

if TYPE_CHECKING:
    from gemd.system.authorities import Authorities

GATEWAY_INTERFACE = "CGI/1.1"


class ScriptNames(NamedTuple):
    """A script: its path in the URL and what follows that, decoded; its file; the home of who runs it."""

    script_name: str
    path_info: str
    path: str
    home: str


def build_environ(
    request: Request,
    location: Location,
    settings: CGISettings,
    script: ScriptNames,
    authorities: "Authorities | None",
) -> dict[str, str]:
    """The whole environment of one run."""
    environ = own_variables(settings)
    for name, value in common_variables(request, location, authorities).items():
        environ[name] = str(value)
    environ |= _request_variables(request, location, script)
    certificate = request.peer.tls.client_certificate
    if certificate is not None:
        environ |= _certificate_variables(certificate)
    translate(environ, settings, Asked(request.url, script.path, certificate))
    if is_misleading("".join(environ.values())):  # which hardly any is, and none of them more so with others
        environ = {name: percent_encode(value) for name, value in environ.items()}
    return environ | settings.environment


def own_variables(settings: CGISettings) -> dict[str, str]:
    """What every script has, whatever is asked."""
    return {"PATH": settings.path, "LANG": settings.lang, "GATEWAY_INTERFACE": GATEWAY_INTERFACE}


def _request_variables(request: Request, location: Location, script: ScriptNames) -> dict[str, str]:
    url, query = request.url, request.url.query or ""
    variables = {
        "GEMINI_URL": url.text,
        "GEMINI_URL_PATH": "/" + "/".join(url.segments),
        "HOME": script.home,
        "HOSTNAME": server_name(request, location),
        "PATH_INFO": script.path_info,
        "REMOTE_PORT": str(request.peer.port),
        "REQUEST_METHOD": "",
        "REQUEST_URI": url.path if url.query is None else f"{url.path}?{url.query}",
        "SCRIPT_FILENAME": script.path,
        "SCRIPT_NAME": script.script_name,
    }
    if location.root is not None:
        variables["DOCUMENT_ROOT"] = location.root
    if location.root is not None and script.path_info:
        variables["PATH_TRANSLATED"] = f"{location.root}{script.path_info}"
    if query and "=" not in query:
        variables["GEMINI_SEARCH_STRING"] = unquote(query)
    return variables


def _certificate_variables(certificate: ClientCertificate) -> dict[str, str]:
    is_valid = certificate.not_before <= datetime.datetime.now(datetime.UTC) <= certificate.not_after
    return {
        "TLS_CLIENT_ISSUER": certificate.issuer,
        "TLS_CLIENT_ISSUER_CN": certificate.issuer_common_name,
        "TLS_CLIENT_SUBJECT": certificate.subject,
        "TLS_CLIENT_SUBJECT_CN": certificate.common_name,
        "TLS_CLIENT_VALID": "true" if is_valid else "false",
    }
