"""Dialects: what scripts expect that were written for another server, where that differs from Jetforce.

Rule: a dialect is a row of a table, of changes that any of them may have; gemd-cgi(7) lists what each comes to.
"""

from collections.abc import Callable, MutableMapping
from typing import NamedTuple

import msgspec

from gemd.config.cgi_settings import CGISettings
from gemd.config.types import Dialect, HashForm
from gemd.protocol.host import write_authority
from gemd.protocol.peer import ClientCertificate
from gemd.protocol.url import Url

Environ = MutableMapping[str, str]


class Asked(NamedTuple):
    """What variables are made of: the URL; the script's file; a certificate if any."""

    url: Url
    path: str
    certificate: ClientCertificate | None


Change = Callable[[Environ, Asked], None]


class _Form(msgspec.Struct, frozen=True):
    """How a server tells scripts: of a certificate (`auth_type`), or that there is none; and what else it changes."""

    client_hash: HashForm
    auth_type: str
    has_empty_variables: bool = False  # AUTH_TYPE and REMOTE_USER without a certificate
    method: str = ""
    changes: tuple[Change, ...] = ()


def translate(environ: Environ, settings: CGISettings, asked: Asked) -> None:
    """Change variables that are Jetforce's to those of the dialect."""
    form = _FORMS[settings.dialect]
    environ["REQUEST_METHOD"] = "POST" if form.method and "CONTENT_LENGTH" in environ else form.method
    if asked.certificate is not None:
        environ["AUTH_TYPE"] = form.auth_type
        environ["TLS_CLIENT_HASH"] = write_hash(asked.certificate, settings.client_hash or form.client_hash)
    elif form.has_empty_variables:
        environ["AUTH_TYPE"] = environ["REMOTE_USER"] = ""
    for change in form.changes:
        change(environ, asked)


def write_hash(certificate: ClientCertificate, form: HashForm) -> str:
    """The fingerprint in this form."""
    digest = certificate.fingerprint
    return {"SHA256:UPPER": "SHA256:" + digest.upper(), "SHA256:lower": "SHA256:" + digest, "lower": digest}[form]


def _name_subject_and_issuer(environ: Environ, asked: Asked) -> None:
    if asked.certificate is not None:
        environ["TLS_CLIENT_SUBJECT"] = asked.certificate.slashed_subject
        environ["TLS_CLIENT_ISSUER"] = asked.certificate.slashed_issuer


def _name_user_by_subject(environ: Environ, asked: Asked) -> None:
    if asked.certificate is not None:
        environ["REMOTE_USER"] = asked.certificate.slashed_subject


def _name_file(environ: Environ, asked: Asked) -> None:
    environ["SCRIPT_PATH"] = asked.path


def _strip_path_info(environ: Environ, _asked: Asked) -> None:
    environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/")


def _leave_query_out(environ: Environ, asked: Asked) -> None:
    if asked.url.query is None:
        del environ["QUERY_STRING"]


def _name_query(environ: Environ, asked: Asked) -> None:
    if asked.url.query is not None:
        environ["GEMINI_QUERY_STRING"] = asked.url.query


def _name_identity(environ: Environ, asked: Asked) -> None:
    if asked.certificate is not None:
        environ["REMOTE_IDENT"] = f"{asked.certificate.fingerprint};{asked.certificate.public_key_fingerprint}"


def _name_upload(environ: Environ, _asked: Asked) -> None:
    if environ["SERVER_PROTOCOL"] == "TITAN":
        environ["TITAN_URL"] = environ["GEMINI_URL"]
        environ["TITAN_URL_PATH"] = environ["GEMINI_URL_PATH"]


def _name_web(environ: Environ, asked: Asked) -> None:
    environ["HTTP_HOST"] = write_authority(asked.url.host, asked.url.port)
    environ["REDIRECT_STATUS"] = "200"  # without which php-cgi does nothing
    environ["SERVER_PROTOCOL"] = "HTTP/1.1"
    if environ["TLS_VERSION"]:
        environ["HTTPS"] = "on"


_FORMS: dict[Dialect, _Form] = {
    "jetforce": _Form("SHA256:UPPER", "CERTIFICATE"),
    "gmid": _Form(
        "SHA256:lower",
        "CERTIFICATE",
        has_empty_variables=True,
        method="GET",
        changes=(_name_subject_and_issuer, _name_user_by_subject),
    ),
    "molly-brown": _Form("lower", "Certificate", changes=(_name_file, _strip_path_info)),
    "gemserv": _Form("lower", "Certificate", changes=(_leave_query_out,)),
    "gmcapsule": _Form(
        "lower",
        "Certificate",
        has_empty_variables=True,
        changes=(_name_subject_and_issuer, _name_query, _name_identity, _name_upload),
    ),
    "http": _Form("SHA256:UPPER", "CERTIFICATE", method="GET", changes=(_name_web,)),
}
