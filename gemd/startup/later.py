"""What is imported when it is first needed, by gemd or by its libraries.

Rule: where root or the file system is given up it is imported before, for there may be nothing to import it from then,
and an import that fails would cost a connection each time.
"""

import importlib

_LATER = (
    # Internationalised host names, with all of their tables.
    *("idna", "idna.uts46data", "encodings.idna", "encodings.punycode", "encodings.ascii", "encodings.latin_1"),
    # A mistake in a configuration, a certificate that is made, an application that is tried: at a reload too.
    *("difflib", "tempfile", "subprocess"),
    # What importlib.invalidate_caches() asks for, where an application is loaded.
    "importlib.metadata",
    # Kinds of gateways that a reload may bring; that of HTTP needs a library of its own, and is looked for with it.
    *("gemd.responders.gateway.applications", "gemd.responders.gateway.fastcgi", "gemd.responders.gateway.scgi"),
    *("gemd.responders.gateway.proxies", "gemd.responders.gateway.gemini_proxy"),
    # Uploads, likewise.
    *("gemd.responders.uploads.receivers", "gemd.responders.app.upload_file", "gemd.worker.uploading"),
    *("gemd.system.part_sweep", "gemd.config.upload_checks"),
    # Redirects and fixed answers, likewise.
    *("gemd.config.answer_checks", "gemd.config.glob_checks", "gemd.responders.pattern_redirects"),
    "gemd.startup.redirect_loops",
    # What describes files, likewise.
    "gemd.responders.described",
    # Converters, and addresses without an extension.
    *("gemd.responders.convert.converters", "gemd.responders.trying", "gemd.startup.convert_checks"),
    # Listings that a table tells, and what is mounted in them.
    *("gemd.responders.arranged", "gemd.responders.mounted"),
    # Users' directories, likewise.
    *("gemd.responders.people", "gemd.startup.people", "gemd.config.people"),
)


def import_all() -> None:
    """Import all of it, which takes some 20 ms."""
    for name in _LATER:
        importlib.import_module(name)
