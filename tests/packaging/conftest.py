"""gemd installed once for all, as a package of a distribution would."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.packaging.installing import PROJECT, install_by_way_of


@pytest.fixture(scope="session")
def installation():
    """In a directory that every user may enter, which pytest's own are not."""
    directory = Path(tempfile.mkdtemp(prefix="gemd-packaging-"))
    directory.chmod(0o755)
    try:
        was_built = (PROJECT / "build").exists()
        installation = install_by_way_of(directory / "stage", directory / "final")
        assert (PROJECT / "build").exists() == was_built, "installing leaves the project as it was"
        yield installation
    finally:
        shutil.rmtree(directory)
