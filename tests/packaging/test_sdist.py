"""The source distribution and the wheel: what a packager gets is all that the project has, and the same each time."""

import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

from tests.packaging.installing import PROJECT, find_python, make

pytestmark = pytest.mark.timeout(600)

BUILD = "import setuptools.build_meta as backend; backend.build_sdist('dist')"


@pytest.fixture
def tracked(need_program):
    """The files that git knows, which are the project."""
    git = need_program("git")
    if not (PROJECT / ".git").exists():
        pytest.skip("this is no clone")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and (PROJECT / name).exists()}


@pytest.fixture
def copy(tracked, tmp_path):
    """Of those alone, for a build leaves things behind."""
    folder = tmp_path / "copy"
    for name in tracked:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, folder / name)
    return folder


def list_contents(archive):
    with tarfile.open(archive) as tar:
        return {member.name.partition("/")[2] for member in tar if member.isfile()}


def test_it_has_every_file_of_the_project(tracked, copy):
    subprocess.run([sys.executable, "-c", BUILD], cwd=copy, check=True, capture_output=True)
    (archive,) = (copy / "dist").iterdir()
    assert archive.name.replace("_", "-").startswith("gemd-server-")  # as PyPI knows it; `gemd` there is something else
    contents = list_contents(archive)
    assert tracked - contents == set()
    assert not {name for name in contents if name.endswith(".pyc")}


@pytest.mark.slow
def test_a_copy_a_clone_and_what_is_in_the_archive_make_the_same(tracked, copy, tmp_path, need_program):
    def make_dist(folder):
        said = make("dist", folder=folder, PYTHON=find_python()).stdout
        made = {path.name: path.read_bytes() for path in (folder / "dist").iterdir()}
        assert all(name in said for name in made)
        return made

    made = make_dist(copy)
    assert {name.partition("-")[0] for name in made} == {"gemd_server"}
    assert {path.name for path in copy.iterdir()} == {name.partition("/")[0] for name in tracked} | {"dist"}

    (archive,) = (copy / "dist").glob("*.tar.gz")
    subprocess.run(["tar", "-xf", archive], cwd=tmp_path, check=True)
    assert make_dist(tmp_path / archive.name.removesuffix(".tar.gz")) == made

    shutil.rmtree(copy / "dist")
    subprocess.run([need_program("git"), "init", "-q"], cwd=copy, check=True)
    subprocess.run(["git", "add", "-A"], cwd=copy, check=True)
    (copy / "docs/draft.md").write_text("mine\n")
    (copy / "docs/INSTALL.md").chmod(0o660)
    assert make_dist(copy) == made

    (wheel,) = (copy / "dist").glob("*.whl")
    package = {name for name in tracked if name.startswith("gemd/")}
    assert package == {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("gemd/")}
