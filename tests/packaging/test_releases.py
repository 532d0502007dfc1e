"""Releases of gemd side by side: what their names say, how one comes back, and how they are installed offline."""

import re
import subprocess

import pytest

import gemd
from tests.packaging.installing import Installation, copy_project, find_python, make
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

NOBODY = "http://127.0.0.1:1/simple"  # where pip would look if it looked anywhere


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory):
    """All that an installation takes from elsewhere."""
    folder = tmp_path_factory.mktemp("wheels") / "a house"
    assert f"wheels in {folder}" in make("wheelhouse", WHEELHOUSE=folder, PYTHON=find_python()).stdout
    names = {path.name.partition("-")[0].lower() for path in folder.iterdir()}
    assert {"cryptography", "pyopenssl", "setuptools"} < names
    assert "gemd_server" not in names
    return folder


@pytest.fixture
def project(tmp_path):
    return copy_project(tmp_path / "project")


@pytest.fixture
def install(wheelhouse, project, tmp_path, monkeypatch):
    """`make install-program` of a project that may be changed, without a network; a place for `stage`."""
    monkeypatch.setenv("PIP_INDEX_URL", NOBODY)
    installation = Installation(tmp_path / "final")

    def install(stage="", **variables):
        variables = {**installation.variables, "WHEELHOUSE": wheelhouse, **variables}
        said = make("install-program", folder=project, DESTDIR=stage, **variables).stdout
        return installation, said

    return install


def change(project, version):
    path = project / "gemd/__init__.py"
    path.write_text(f'"""gemd, a little newer."""\n\n__version__ = "{version}"\n')


def describe(folder):
    """All that is below a folder, as an archive has it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(folder))] = (oct(status.st_mode), int(status.st_mtime), content)
    return found


def say_version(installation):
    return installation.run("gemd", "-V").stdout.splitlines()[0]


def link(installation, name):
    return str((installation.programs / name).readlink())


def test_the_same_things_have_the_same_name_and_the_same_bytes(install, project, tmp_path):
    made = []
    for stage in (tmp_path / "a", tmp_path / "somewhere/else/altogether", tmp_path / "c"):
        if stage.name == "c":
            change(project, gemd.__version__)
        installation, _ = install(stage)
        programs = stage / installation.programs.relative_to("/")
        name = str((programs / "current").readlink())
        made.append((name, describe(programs / name)))
    assert made[0] == made[1]
    assert made[0][0] != made[2][0]
    assert all(re.fullmatch(rf"{re.escape(gemd.__version__)}-[0-9a-f]{{12}}", name) for name, _ in made)


def test_the_same_release_is_installed_once(install):
    installation, _ = install()
    before = (installation.programs / "current").resolve().stat().st_ino
    _, said = install()
    assert "is there already" in said
    assert (installation.programs / "current").resolve().stat().st_ino == before
    assert not (installation.programs / "previous").exists()


def test_a_release_that_somebody_has_changed_is_made_anew(install):
    installation, _ = install()
    name = link(installation, "current")
    module = next(installation.programs.glob("current/lib/python*/site-packages/gemd/__main__.py"))
    module.write_text("raise SystemExit(1)\n")
    _, said = install()
    assert f"had been changed; what was there is in {name}.changed" in said
    assert (link(installation, "current"), installation.run("gemd", "-V").returncode) == (name, 0)
    assert {path.name for path in installation.programs.iterdir()} == {"current", name, f"{name}.changed"}
    install()
    assert {path.name for path in installation.programs.iterdir()} == {"current", name}


def test_a_rollback_and_another(install, project):
    installation, _ = install()
    first, said = say_version(installation), make("rollback", check=False, **installation.variables)
    assert said.returncode != 0
    assert f"{installation.programs} has no release before {link(installation, 'current')}" in said.stderr
    change(project, "9.8.7")
    install()
    assert say_version(installation) == "gemd 9.8.7"
    names = link(installation, "previous"), link(installation, "current")
    said = make("rollback", **installation.variables).stdout
    assert f"is {names[0]} again, and was {names[1]}\n" in said
    assert f"{installation.prefix}/sbin/gemctl upgrade" in said
    assert say_version(installation) == first
    make("rollback", **installation.variables)
    assert say_version(installation) == "gemd 9.8.7"


def test_what_is_kept_is_this_release_and_the_one_before(install, project):
    installation, _ = install()
    for version in ("9.0.0", "9.0.1"):
        change(project, version)
        install()
    make("rollback", **installation.variables)
    change(project, "9.0.2")
    install()
    releases = {path.name.partition("-")[0] for path in installation.programs.iterdir() if not path.is_symlink()}
    assert releases == {"9.0.0", "9.0.2"}
    assert link(installation, "previous").startswith("9.0.0-")


def test_no_gemd_to_go_back_from(tmp_path):
    done = make("rollback", check=False, PREFIX=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, f"there is no gemd in {tmp_path}/lib/gemd")


def test_a_wheelhouse_that_is_none(install, tmp_path):
    done = make("install-program", check=False, PREFIX=tmp_path, WHEELHOUSE=tmp_path / "x", PYTHON=find_python())
    assert f"WHEELHOUSE: there is no directory {tmp_path}/x; make wheelhouse fills one\n" in done.stderr
    assert make("wheelhouse", check=False).stderr.startswith("which directory? make wheelhouse WHEELHOUSE=...\n")


def test_what_to_do_is_said_where_nothing_can_be_installed(tmp_path, monkeypatch):
    def fail(**variables):
        done = make("install-program", check=False, PYTHON=find_python(), **variables)
        assert done.returncode == 2
        return [line for line in done.stderr.splitlines() if not line.startswith("make: ")][-1]

    # Where nobody can write, root neither.
    assert fail(PREFIX="/proc/gemd") == (
        "this writes to /proc/gemd/lib/gemd and /proc/gemd/sbin: be root, or name a PREFIX of your own"
    )
    (tmp_path / "wheels").mkdir()
    assert fail(PREFIX=tmp_path / "a", WHEELHOUSE=tmp_path / "wheels").startswith(f"{tmp_path}/wheels has not all that")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    assert fail(PREFIX=tmp_path / "b") == (
        "not installed: without a network, take WHEELHOUSE= (docs/INSTALL.md, Without a network)"
    )
    assert list((tmp_path / "b/lib/gemd").iterdir()) == []


def test_one_installation_at_a_time(install, tmp_path):
    installation, _ = install()
    before, attempt = sorted(installation.programs.iterdir()), ["flock", "-n", installation.programs, "true"]
    with subprocess.Popen(["flock", installation.programs, "sleep", "60"], stdout=subprocess.DEVNULL) as other:
        try:
            wait_for(lambda: subprocess.run(attempt).returncode != 0, "the other to have its lock")
            done = make("install-program", check=False, **installation.variables)
        finally:
            other.kill()
    assert f"another installation in {installation.programs} is under way" in done.stderr
    assert sorted(installation.programs.iterdir()) == before
