"""Runs `make install` and its kin, into a place of the test's own."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
COMMANDS = ("gemd", "gemctl")
SHELLS = ("bash", "zsh", "fish")


def make(
    target: str, *, folder: Path = PROJECT, check: bool = True, **variables: object
) -> subprocess.CompletedProcess[str]:
    """`make TARGET NAME=value...` in the project or a copy of it, without what a make around the tests has set."""
    environ = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
    arguments = [f"{name}={value}" for name, value in variables.items()]
    done = subprocess.run(
        ["make", "--no-print-directory", target, *arguments], cwd=folder, env=environ, capture_output=True, text=True
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def copy_project(folder: Path) -> Path:
    """What installing needs, for a test that changes it."""
    folder.mkdir()
    for name in ("Makefile", "README.md", "LICENSE", "setup.cfg", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder)
    for name in ("etc", "gemd", "man", "packaging", "systemd"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def find_python() -> str:
    """The system's Python where it will do, as a service uses it: one below /root is for root alone."""
    program = "/usr/bin/python3"
    check = [program, "-c", "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"]
    return program if Path(program).exists() and subprocess.run(check, stderr=-3).returncode == 0 else sys.executable


@dataclass
class Installation:
    """gemd installed below `top`, with every directory that the Makefile lets one choose in a place of its own."""

    top: Path

    @property
    def variables(self) -> dict[str, object]:
        places = {"PREFIX": "gemd", "SYSCONFDIR": "etc", "UNITDIR": "units", "SYSUSERSDIR": "users"}
        places["TMPFILESDIR"] = "directories"
        return {"PYTHON": find_python(), **{name: self.top / place for name, place in places.items()}}

    @property
    def prefix(self) -> Path:
        return self.top / "gemd"

    @property
    def programs(self) -> Path:
        return self.prefix / "lib/gemd"

    def files(self) -> list[Path]:
        """All that is installed but directories, relative to `top`."""
        return sorted(path.relative_to(self.top) for path in self.top.rglob("*") if path.is_symlink() or path.is_file())

    def run(self, command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        words = [str(self.prefix / "sbin" / command), *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, timeout=60)


def install_by_way_of(stage: Path, top: Path) -> Installation:
    """Install as packagers do: with a DESTDIR, from which the files are then moved to where they belong."""
    installation = Installation(top)
    make("install", DESTDIR=f"{stage}/", **installation.variables)
    staged = stage / top.relative_to("/")
    staged.rename(top)
    shutil.rmtree(stage)
    return installation
