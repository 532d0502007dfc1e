"""debian/: what it says is what the project says, and what is built of it."""

import configparser
import datetime
import os
import re
import shutil
import subprocess
import sys
from types import MappingProxyType

import pytest

import gemd
from tests.packaging.installing import COMMANDS, PROJECT

pytestmark = pytest.mark.timeout(600)

DEBIAN = PROJECT / "debian"
DASHBOARD = "usr/share/gemd/prometheus/gemd-dashboard.json"
NAMES = {"pyopenssl": "python3-openssl", "python-daemon": "python3-daemon"}  # where it is not python3-NAME


def read_relations(field):
    """The packages that a field of debian/control names, with the version that each has to have, or ""."""
    text = (DEBIAN / "control").read_text()
    block = re.search(rf"^{field}:\n((?: .*\n)+)", text, re.MULTILINE)[1]
    found = re.findall(r"^ (python3[\w-]*)(?: \(>= ([\d.]+)\))?", block, re.MULTILINE)
    return dict(found)


def read_requirements():
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")
    wanted = {"python3": setup["options"]["python_requires"].removeprefix(">=")}
    for line in setup["options"]["install_requires"].strip().splitlines():
        name, _, version = line.partition(" >= ")
        wanted[NAMES.get(name.lower(), f"python3-{name.lower()}")] = version
    return wanted


def test_it_depends_on_what_setup_cfg_requires():
    assert read_relations("Depends") == read_requirements()
    assert read_requirements().items() <= read_relations("Build-Depends").items()


def test_its_version_is_that_of_gemd():
    first = (DEBIAN / "changelog").read_text().splitlines()[0]
    assert first.startswith(f"gemd ({gemd.__version__}) "), "debian/changelog needs an entry for this version"
    releases = re.findall(r"^## \[(\d[^]]*)\] - (\S+)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[0][0] == gemd.__version__, "CHANGELOG.md needs a heading for this version"
    assert datetime.date.fromisoformat(releases[0][1])


def test_the_reason_for_the_oldest_libraries_is_what_the_code_says():
    """README.source has it in words."""
    text = (DEBIAN / "README.source").read_text()
    assert f"Why pyOpenSSL has to be {read_requirements()['python3-openssl']}\n" in text
    assert f"no cryptography before {read_requirements()['python3-cryptography']}" in text
    code = (PROJECT / "gemd/system/tls_context.py").read_text()
    for name in re.findall(r"^  \* (\w+),", text, re.MULTILINE):
        assert f"context.{name}(" in code


class TestCheckingTheLibraries:
    """debian/check-libraries, on a machine that a script tells of."""

    @pytest.fixture
    def check(self, tmp_path, need_program):
        need_program("dpkg")
        shutil.copytree(DEBIAN, tmp_path / "debian")
        programs = tmp_path / "bin"
        programs.mkdir()

        def check(offered=MappingProxyType({}), **versions):
            cases = "".join(f"{name.replace('_', '-')}) echo '{version}';;\n" for name, version in versions.items())
            script = f"#!/bin/sh\nfor last; do :; done\ncase $last in\n{cases}*) exit 1;;\nesac\n"
            (programs / "dpkg-query").write_text(script)
            (programs / "dpkg-query").chmod(0o755)
            lines = {name: f"{name}:\\n  Candidate: {version}\\n" for name, version in offered.items()}
            policy = "".join(f"{name}) printf '{line}';;\n" for name, line in lines.items())
            (programs / "apt-cache").write_text(f"#!/bin/sh\ncase $2 in\n{policy}*) ;;\nesac\n")
            (programs / "apt-cache").chmod(0o755)
            environ = {"PATH": f"{programs}:/usr/bin:/bin"}
            command = [tmp_path / "debian/check-libraries"]
            done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
            return done.returncode, done.stderr.splitlines()

        return check

    @pytest.fixture
    def new(self):
        return {name.replace("-", "_"): f"{version}-1" for name, version in read_requirements().items()}

    def test_new_enough(self, check, new):
        assert check(**new) == (0, [])

    def test_too_old(self, check, new):
        code, said = check(**{**new, "python3_openssl": "25.0.0-1+deb13u1", "python3_h11": "0.14.0-1.1"})
        assert (code, said[:2]) == (
            1,
            [
                "python3-h11 is 0.14.0-1.1 here, and gemd needs 0.16",
                "python3-openssl is 25.0.0-1+deb13u1 here, and gemd needs 25.2",
            ],
        )
        assert "This release of Debian is too old" in said[2]
        assert "`make install` works here" in " ".join(said)

    def test_not_installed(self, check, new):
        del new["python3_msgspec"]
        missing = ["not installed: python3-msgspec", "apt-get build-dep . installs what is missing"]
        assert check(**new) == check({"python3-msgspec": "0.20.0-1"}, **new) == (1, missing)
        assert check({"python3-msgspec": "(none)"}, **new) == (1, missing)
        code, said = check({"python3-msgspec": "0.18.0-1"}, **new)
        assert (code, said[0]) == (1, "python3-msgspec is 0.18.0-1 here, and gemd needs 0.19")
        assert "This release of Debian is too old" in said[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Built without the libraries, which it doesn't need for that, from what the project has."""
    for program in ("dpkg-buildpackage", "dh", "dh_python3", "lintian"):
        if shutil.which(program) is None:
            (pytest.fail if os.environ.get("GEMD_TESTS_MAY_SKIP") == "no" else pytest.skip)(f"no {program}")
    top = tmp_path_factory.mktemp("debian")
    subprocess.run([PROJECT / "packaging/copy-tree", top / "tree"], check=True)
    # Where the systemd of Debian 12 has its units, for the debhelper of Debian 12.
    environ = {**os.environ, "DEB_BUILD_OPTIONS": "nocheck", "UNITDIR": "/lib/systemd/system"}
    command = ["dpkg-buildpackage", "-b", "-us", "-uc", "-d"]
    done = subprocess.run(command, cwd=top / "tree", env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (package,) = top.glob("gemd_*_all.deb")
    return package


@pytest.fixture(scope="module")
def unpacked(built):
    subprocess.run(["dpkg-deb", "-R", built, built.parent / "unpacked"], check=True)
    return built.parent / "unpacked"


@pytest.mark.slow
class TestThePackage:
    def test_lintian_finds_no_error(self, built):
        command = ["lintian", "--allow-root", "--fail-on", "error", *built.parent.glob("*.changes")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_the_commands_run_its_own_modules(self, unpacked):
        for command in COMMANDS:
            text = (unpacked / f"usr/sbin/{command}").read_text()
            assert text.startswith("#!/usr/bin/python3\n")
            here = text.replace('"/usr/share', f'"{unpacked}/usr/share')
            run = [sys.executable, "-B", "-c", here, "-V"]
            done = subprocess.run(run, cwd=unpacked, capture_output=True, text=True, timeout=60)
            assert done.stdout.startswith(f"{command} {gemd.__version__}\n"), done.stderr
            code = here.partition("\nif ")[0] + "\nimport gemd; print(gemd.__file__)"
            done = subprocess.run(
                [sys.executable, "-B", "-c", code], cwd=unpacked, capture_output=True, text=True, timeout=60
            )
            assert done.stdout == f"{unpacked}/usr/share/gemd/modules/gemd/__init__.py\n"

    def test_it_has_every_module_and_what_install_files_installs(self, unpacked):
        there = {
            path.relative_to(unpacked / "usr/share/gemd/modules") for path in unpacked.glob("**/modules/gemd/**/*")
        }
        here = {path.relative_to(PROJECT) for path in PROJECT.glob("gemd/**/*")}
        assert {path for path in here if "__pycache__" not in path.parts} == there
        for name in ("etc/gemd.conf", "usr/share/man/man8/gemd.8.gz", "usr/lib/gemd/certbot-hook", DASHBOARD):
            assert (unpacked / name).is_file()
        assert "ExecStart=/usr/sbin/gemd -c /etc/gemd.conf\n" in next(unpacked.rglob("gemd.service")).read_text()
        assert (unpacked / "DEBIAN/conffiles").read_text().split() == ["/etc/gemd.conf", "/etc/logrotate.d/gemd"]

    def test_an_upgrade_stops_nothing_and_keys_outlive_it_all(self, unpacked):
        scripts = {name: (unpacked / "DEBIAN" / name).read_text() for name in ("prerm", "postinst", "postrm")}
        assert '"$1" = upgrade' not in scripts["prerm"]
        assert "gemctl -c /etc/gemd.conf upgrade" in scripts["postinst"]
        assert not re.search(r"^\s*rm .*/(var/lib/gemd|srv)", "".join(scripts.values()), re.MULTILINE)
        for script in scripts.values():
            subprocess.run(["sh", "-n"], input=script, text=True, check=True)
