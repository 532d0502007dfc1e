"""The source distribution: what a packager gets is all that the project has."""

import shutil
import subprocess
import sys
import tarfile

import pytest

from tests.packaging.installing import PROJECT

BUILD = "import setuptools.build_meta as backend; backend.build_sdist('dist')"


@pytest.fixture
def tracked(need_program):
    """The files that git knows, which are the project."""
    git = need_program("git")
    if not (PROJECT / ".git").exists():
        pytest.skip("this is no clone")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and (PROJECT / name).exists()}


def test_it_has_every_file_of_the_project(tracked, tmp_path):
    for name in tracked:  # in a copy, for a build leaves things behind
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    subprocess.run([sys.executable, "-c", BUILD], cwd=tmp_path, check=True, capture_output=True)
    (archive,) = (tmp_path / "dist").iterdir()
    assert archive.name.replace("_", "-").startswith("gemd-server-")  # as PyPI knows it; `gemd` there is something else
    with tarfile.open(archive) as tar:
        contents = {member.name.partition("/")[2] for member in tar if member.isfile()}
    assert tracked - contents == set()
    assert not {name for name in contents if name.endswith(".pyc")}
