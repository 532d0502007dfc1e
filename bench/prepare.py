"""What the measurements need, made below .bench/ or in a temporary folder: programs, peers, a capsule, a certificate.

Rule: what can't be had raises Missing, whose text says why and, where something can be done, what.
"""

import datetime
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from measure import ADDRESS, HOST, Server, free_port

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
BUILD = PROJECT / ".bench"

PAGE_SIZE = 1024
FILE_SIZE = 10 * 1024 * 1024
PACKAGES = ("jetforce", "nauyaca")
AS_ROOT = 'user = "root"\n' if os.geteuid() == 0 else ""
_COMPILE_TIMEOUT = 60
_INSTALL_TIMEOUT = 120


class Missing(Exception):
    """Something is not there and could not be made."""


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with a capsule, a certificate with its key, and room for configurations and logs."""

    folder: Path
    root: Path
    certificate: Path
    key: Path


# Programs


def compile_program(name: str) -> Path:
    """Compile NAME.c into .bench/ unless that is newer. Raises Missing."""
    source, program = HERE / f"{name}.c", BUILD / name
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    if shutil.which("gcc") is None:
        raise Missing("gcc is not installed: apt-get install gcc libc6-dev libssl-dev")
    BUILD.mkdir(exist_ok=True)
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-o", program, source, "-lssl", "-lcrypto", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_TIMEOUT, check=False)
    if done.returncode == 0:
        return program
    if "openssl/" in done.stderr or "-lssl" in done.stderr:
        raise Missing("OpenSSL's headers are not installed: apt-get install libssl-dev")
    raise Missing(f"{source.name} does not compile:\n{done.stderr.strip()}")


def install_package(name: str) -> Path:
    """Install a package from PyPI into a virtual environment of its own; return that one's bin/. Raises Missing."""
    environment = BUILD / name
    if not (environment / "bin" / name).exists():
        print(f"installing {name} into .bench/{name}", file=sys.stderr)
        shutil.rmtree(environment, ignore_errors=True)
        _run_installer([sys.executable, "-m", "venv", environment])
        pip = [environment / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
        _run_installer([*pip, "--timeout", "15", name])
    return environment / "bin"


def _run_installer(command: Sequence[str | Path]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"can't be installed: not done after {_INSTALL_TIMEOUT} s") from None
    if done.returncode:
        errors = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise Missing("can't be installed: " + (errors[-1] if errors else f"exit code {done.returncode}"))


def package_version(name: str) -> str:
    """The version of a package that was installed so."""
    code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    command = [BUILD / name / "bin/python", "-c", code, name]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


# The capsule


def make_site(folder: Path) -> Site:
    """A capsule with /page.gmi of 1 KB and /file.txt of 10 MiB, and a certificate for localhost."""
    root = folder / "capsule"
    root.mkdir()
    line = b"The quick brown fox jumps over the lazy dog, and then goes home.\n"
    for name, size in (("page.gmi", PAGE_SIZE), ("file.txt", FILE_SIZE)):
        (root / name).write_bytes((line * (size // len(line) + 1))[:size])
    certificate, key = make_certificate(folder)
    return Site(folder, root, certificate, key)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed P-256 certificate for localhost and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(encoding))
    (folder / "key.pem").write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "key.pem").chmod(0o600)
    return folder / "cert.pem", folder / "key.pem"


# The servers, each with its log in the site's folder


def prepare_floor(site: Site, workers: int) -> Server:
    """The C program, with what OpenSSL has by default."""
    return _prepare_floor("floor", site, workers)


def prepare_tuned_floor(site: Site, workers: int) -> Server:
    """The C program, with gemd's TLS settings."""
    return _prepare_floor("floor-tuned", site, workers, "-t")


def _prepare_floor(name: str, site: Site, workers: int, *options: str) -> Server:
    port = free_port()
    program = compile_program("floor")
    command = [program, "-w", str(workers), *options, str(port), site.certificate, site.key, site.root]
    return Server(name, command, port, site.folder / f"{name}.log")


def prepare_gemd(
    site: Site,
    workers: int,
    *,
    name: str = "gemd",
    keys: str = "",
    settings: str = "",
    log: str = "",
    host: str = "",
) -> Server:
    """The gemd of this folder, run by this Python. `keys` are lines for the top of its file, `settings` are tables to
    add, `log` are lines for its table of that name, and `host` is what follows the host's own keys. What it makes is in
    the site's folder and has its name."""
    port = free_port()
    config = site.folder / f"{name}.toml"
    config.write_text(
        f'listen = ["{ADDRESS}:{port}"]\nworkers = {workers}\n{AS_ROOT}{keys}\n{settings}\n'
        f'[log]\naccess = "{site.folder}/{name}-access.log"\n{log}'
        f'[[host]]\nname = "{HOST}"\nroot = "{site.root}"\n'
        f'certificate = "{site.certificate}"\nkey = "{site.key}"\n{host}'
    )
    command = [sys.executable, "-m", "gemd", "-c", config]
    return Server(name, command, port, site.folder / f"{name}.log", directory=PROJECT)


def prepare_jetforce(site: Site, _workers: int) -> Server:
    """Jetforce: one process, Twisted."""
    port = free_port()
    command = [
        *(install_package("jetforce") / "jetforce", "--host", ADDRESS, "--port", str(port), "--hostname", HOST),
        *("--tls-certfile", site.certificate, "--tls-keyfile", site.key, "--dir", site.root),
    ]
    return Server("jetforce", command, port, site.folder / "jetforce.log")


def prepare_jetforce_app(site: Site) -> Server:
    """Jetforce with the application of echo.py, as its own documentation runs one."""
    port = free_port()
    command = [install_package("jetforce") / "python", HERE / "echo.py", str(port), site.certificate, site.key]
    return Server("jetforce", command, port, site.folder / "jetforce-app.log")


def prepare_nauyaca(site: Site, _workers: int) -> Server:
    """nauyaca: one process, asyncio. Its rate limit, on by default, is off."""
    port = free_port()
    config = site.folder / "nauyaca.toml"
    config.write_text(
        f'[server]\nhost = "{ADDRESS}"\nport = {port}\ndocument_root = "{site.root}"\n'
        f'certfile = "{site.certificate}"\nkeyfile = "{site.key}"\n'
        "[rate_limit]\nenabled = false\n"
    )
    command = [install_package("nauyaca") / "nauyaca", "serve", "--config", config]
    return Server("nauyaca", command, port, site.folder / "nauyaca.log")


SERVERS = {
    "floor": prepare_floor,
    "floor-tuned": prepare_tuned_floor,
    "gemd": prepare_gemd,
    "jetforce": prepare_jetforce,
    "nauyaca": prepare_nauyaca,
}
