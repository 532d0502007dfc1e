"""What has to be installed before gemd can run, in words for somebody who has just cloned it.

Rule: imports nothing that may be missing, and is itself fit for a Python that is too old.
"""

import sys

PYTHON = (3, 11)


def explain_import_error(error: ImportError) -> str:
    """What to do about an import that failed. An error in gemd's own modules is raised again."""
    if sys.version_info < PYTHON:
        return f"gemd needs Python {PYTHON[0]}.{PYTHON[1]} or later, and this is {sys.version.split()[0]}"
    if error.name is None or error.name.partition(".")[0] == __name__.partition(".")[0]:
        raise error
    return (
        f"the library {error.name} can't be imported ({error}): `make run` in gemd's folder serves from there, "
        "`pip install .` installs gemd with all that it needs"
    )
