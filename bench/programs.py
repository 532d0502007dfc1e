"""The programs that measure and that are measured: compiled or installed into .bench/, or found in the PATH.

Rule: what can't be had raises Missing, whose text says why and, where something can be done, what.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
BUILD = PROJECT / ".bench"

PACKAGES = ("jetforce", "nauyaca")
_SYSTEM_OPENSSL = ("-lssl", "-lcrypto")
_KNOWS_MLKEM = (3, 5)  # the first OpenSSL with X25519MLKEM768
_COMPILE_TIMEOUT = 60
_INSTALL_TIMEOUT = 120


class Missing(Exception):
    """Something is not there and could not be made."""


def find_program(name: str, advice: str) -> str:
    """Where the PATH has it; `advice` says how to get it."""
    program = shutil.which(name)
    if program is None:
        raise Missing(f"not in the PATH: {advice}")
    return program


# Compiled


def compile_program(name: str) -> Path:
    """NAME.c with the system's OpenSSL, as .bench/NAME."""
    return _compile(name, name, _SYSTEM_OPENSSL)


def compile_script() -> Path:
    """hello.c, which needs no library at all when it is started."""
    return _compile("hello", "hello", ("-static",))


def compile_with_current_openssl(name: str) -> Path:
    """NAME.c with an OpenSSL that knows X25519MLKEM768, as .bench/NAME-current.

    It is the system's from 3.5 on. Otherwise it is the one inside a wheel of PyPI: all of 3.x have one ABI, so that the
    system's headers fit.
    """
    version = openssl_version(compile_program("floor"))
    if version >= _KNOWS_MLKEM:
        return _compile(name, f"{name}-current", _SYSTEM_OPENSSL)
    folder = BUILD / "openssl"
    if not _find_libraries(folder):
        print("installing OpenSSL, of the wheel psycopg-binary, into .bench/openssl", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        _install_packages(Path(sys.executable), "psycopg-binary", "--no-deps", "--target", str(folder))
    libraries = _find_libraries(folder)
    if not libraries or version < (3, 0):
        raise Missing(f"no OpenSSL 3.5 for headers of {version[0]}.{version[1]}")
    path = f"-Wl,--disable-new-dtags,-rpath,{libraries[0].parent}"
    program = _compile(name, f"{name}-current", (path, *map(str, libraries)))
    if openssl_version(program) < _KNOWS_MLKEM:
        raise Missing("psycopg-binary has an OpenSSL before 3.5")
    return program


def _find_libraries(folder: Path) -> list[Path]:
    return [path for name in ("libssl", "libcrypto") for path in sorted(folder.glob(f"*.libs/{name}-*.so.3"))]


def describe_openssl(program: Path) -> str:
    """What gemload or floor says of its OpenSSL."""
    return subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stdout.strip()


def openssl_version(program: Path) -> tuple[int, int]:
    """Major and minor version of what gemload or floor uses."""
    found = re.match(r"OpenSSL (\d+)\.(\d+)", said := describe_openssl(program))
    if found is None:
        raise Missing(f"{program.name} does not tell its OpenSSL: {said}")
    return int(found[1]), int(found[2])


def _compile(source_name: str, name: str, libraries: Sequence[str]) -> Path:
    """Compile unless the program is newer than its source."""
    source, program = HERE / f"{source_name}.c", BUILD / name
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    if shutil.which("gcc") is None:
        raise Missing("gcc is not installed: apt-get install gcc libc6-dev libssl-dev")
    BUILD.mkdir(exist_ok=True)
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-o", program, source, *libraries, "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_TIMEOUT, check=False)
    if done.returncode == 0:
        return program
    if "openssl/" in done.stderr or "-lssl" in done.stderr:
        raise Missing("OpenSSL's headers are not installed: apt-get install libssl-dev")
    raise Missing(f"{source.name} does not compile:\n{done.stderr.strip()}")


# Installed


def install_package(name: str) -> Path:
    """Install a package from PyPI into a virtual environment of its own; return that one's bin/."""
    environment = BUILD / name
    if not (environment / "bin" / name).exists():
        print(f"installing {name} into .bench/{name}", file=sys.stderr)
        shutil.rmtree(environment, ignore_errors=True)
        _run_installer([sys.executable, "-m", "venv", environment])
        _install_packages(environment / "bin/python", name)
    return environment / "bin"


def _install_packages(python: Path, *arguments: str) -> None:
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1")
    _run_installer([*pip, "--timeout", "15", *arguments])


def _run_installer(command: Sequence[str | Path]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"can't be installed: not done after {_INSTALL_TIMEOUT} s") from None
    if done.returncode:
        errors = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise Missing("can't be installed: " + (errors[-1] if errors else f"exit code {done.returncode}"))


def package_version(name: str) -> str:
    """The version of a package that was installed so; "" when it was not."""
    python = BUILD / name / "bin/python"
    if not python.exists():
        return ""
    code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    return subprocess.run([python, "-c", code, name], capture_output=True, text=True, check=False).stdout.strip()
