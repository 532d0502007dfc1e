"""Names of Jetforce's that gemd.app can't have, each with what is in its place.

Rule: who imports one of them is told so by an ImportError; any other name that is not there is the usual error.
"""

from collections.abc import Callable, Mapping
from typing import Never

_PROTOCOL = "gemd's own daemon serves: wrap the application to see each request and status, and see [log] for its logs"
_BANNER = "gemd prints no banner: the error log says what is served"
MISSING: Mapping[str, Mapping[str, str]] = {
    "gemd.app": {"GeminiProtocol": _PROTOCOL},
    "gemd.app.protocol": {"GeminiProtocol": _PROTOCOL},
    "gemd.app.server": {"ABOUT": _BANNER, "CYAN": _BANNER, "RESET": _BANNER},
    "gemd.app.static": {
        "CGISubprocessProtocol": "override StaticDirectoryApplication.run_cgi_script, which gives a Response",
    },
    "gemd.app.tls": {
        "COMMON_NAME": "it is cryptography.x509.NameOID.COMMON_NAME",
        "GeminiCertificateOptions": "GeminiServer takes certificates and authorities, and so does [tls] of gemd.conf",
        "generate_ad_hoc_certificate": "GeminiServer makes a certificate where none is given, and keeps it",
        "inspect_certificate": "environ has what it gives, as REMOTE_USER, TLS_CLIENT_HASH and the like",
    },
}


def missing_names_of(module: str) -> Callable[[str], Never]:
    """The module's `__getattr__`, which raises ImportError for one of these names and AttributeError for others."""

    def explain(name: str) -> Never:
        reason = MISSING[module].get(name)
        if reason is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        raise ImportError(f"{module} has no {name}: {reason}", name=module)

    return explain
