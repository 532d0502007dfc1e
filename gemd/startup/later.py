"""What is imported when it is first needed, by gemd or by its libraries.

Rule: where root or the file system is given up it is imported before, for there may be nothing to import it from then,
and an import that fails would cost a connection each time.
"""

import importlib

# Internationalised host names, with all of their tables.
_LATER = ("idna", "idna.uts46data", "encodings.idna", "encodings.punycode", "encodings.ascii", "encodings.latin_1")


def import_all() -> None:
    """Import all of it, which takes some 20 ms."""
    for name in _LATER:
        importlib.import_module(name)
