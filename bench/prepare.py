"""What the measurements need in a temporary folder: a capsule, a certificate, and each server's configuration.

Rule: a server whose program can't be had raises Missing, whose text says why and, where something can be done, what.
"""

import dataclasses
import datetime
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from measure import ADDRESS, HOST, Server, free_port
from programs import (
    HERE,
    PROJECT,
    Missing,
    compile_program,
    compile_script,
    compile_with_current_openssl,
    find_program,
    install_package,
)

PAGE_SIZE = 1024
MEDIUM_SIZE = 100 * 1024
FILE_SIZE = 10 * 1024 * 1024
SCRIPT_SIZE = len("hello\n")
_AS_ROOT = 'user = "root"\n' if os.geteuid() == 0 else ""
_OTHER_HOSTS = 3
_SCRIPTS = 16  # at once in a worker, for the load's one address


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with a capsule, a certificate with its key, and room for configurations and logs."""

    folder: Path
    root: Path
    certificate: Path
    key: Path


# The capsule


def make_site(folder: Path) -> Site:
    """A capsule with files of 1 KB, also for members, of 100 KB and of 10 MiB, and a certificate for localhost."""
    root = folder / "capsule"
    (root / "members").mkdir(parents=True)
    line = b"The quick brown fox jumps over the lazy dog, and then goes home.\n"
    for name, size in (("page.gmi", PAGE_SIZE), ("medium.txt", MEDIUM_SIZE), ("file.txt", FILE_SIZE)):
        (root / name).write_bytes((line * (size // len(line) + 1))[:size])
    shutil.copy(root / "page.gmi", root / "members")
    certificate, key = make_certificate(folder, HOST)
    return Site(folder, root, certificate, key)


def add_script(site: Site) -> None:
    """Put /cgi-bin/hello into the capsule, a script that costs next to nothing of its own."""
    scripts = site.root / "cgi-bin"
    scripts.mkdir()
    shutil.copy(compile_script(), scripts)


def make_certificate(folder: Path, common_name: str) -> tuple[Path, Path]:
    """A self-signed P-256 certificate and its key, as files with that name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    certificate_file, key_file = folder / f"{common_name}.pem", folder / f"{common_name}-key.pem"
    certificate_file.write_bytes(certificate.public_bytes(encoding))
    key_file.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    key_file.chmod(0o600)
    return certificate_file, key_file


# The servers, each with its log in the site's folder


def prepare_floor(site: Site, workers: int) -> Server:
    """The C program, with what the system's OpenSSL has by default."""
    return _prepare_floor("floor", compile_program("floor"), site, workers)


def prepare_tuned_floor(site: Site, workers: int) -> Server:
    """The C program, with gemd's TLS settings."""
    return _prepare_floor("floor-tuned", compile_program("floor"), site, workers, "-t")


def prepare_current_floor(site: Site, workers: int) -> Server:
    """The C program, with gemd's TLS settings and an OpenSSL that knows X25519MLKEM768."""
    return _prepare_floor("floor-current", compile_with_current_openssl("floor"), site, workers, "-t")


def _prepare_floor(name: str, program: Path, site: Site, workers: int, *options: str) -> Server:
    port = free_port()
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
        f'listen = ["{ADDRESS}:{port}"]\nworkers = {workers}\n{_AS_ROOT}{keys}\n{settings}\n'
        f'[log]\naccess = "{site.folder}/{name}-access.log"\n{log}'
        f'[[host]]\nname = "{HOST}"\nroot = "{site.root}"\n'
        f'certificate = "{site.certificate}"\nkey = "{site.key}"\n{host}'
    )
    command = [sys.executable, "-m", "gemd", "-c", config]
    return Server(name, command, port, site.folder / f"{name}.log", directory=PROJECT)


def prepare_full_gemd(site: Site, workers: int, *, name: str = "gemd") -> Server:
    """The gemd of this folder with everything on: several hosts, scripts, an application, a place for members."""
    host = (
        'cgi = "cgi-bin"\n'
        f'[[host.location]]\npath = "/echo"\napp = "echo:echo"\napp-path = "{HERE}"\n'
        '[[host.location]]\npath = "/members"\nclient-certificate = "any"\n'
    )
    for number in range(_OTHER_HOSTS):
        certificate, key = make_certificate(site.folder, f"other{number}.example")
        host += f'[[host]]\nname = "other{number}.example"\nroot = "{site.root}"\n'
        host += f'certificate = "{certificate}"\nkey = "{key}"\n'
    return prepare_gemd(site, workers, name=name, settings=f"[limits]\ncgi-per-address = {_SCRIPTS}", host=host)


def prepare_other_gemd(site: Site, workers: int, folder: Path) -> Server:
    """The gemd of another folder, with this Python and its libraries."""
    code = "import gemd; print(gemd.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    if not done.stdout.startswith(f"{folder}/") or folder == PROJECT:
        raise Missing(f"{folder} has no other gemd: {done.stdout.strip() or done.stderr.strip()}")
    return dataclasses.replace(prepare_full_gemd(site, workers, name="gemd-before"), directory=folder)


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


def prepare_gmid(site: Site, workers: int) -> Server:
    """gmid: C, a process for each privilege, and as many that serve as gemd has. It runs no scripts."""
    program = find_program("gmid", "build it from its source")
    port = free_port()
    config = site.folder / "gmid.conf"
    config.write_text(
        f'prefork {workers}\nlog {{\n  access "{site.folder}/gmid-access.log"\n  syslog off\n}}\n'
        f'server "{HOST}" {{\n  listen on {ADDRESS} port {port}\n  cert "{site.certificate}"\n  key "{site.key}"\n'
        f'  root "{site.root}"\n  auto index on\n}}\n'
    )
    # It ends when a client comes before its process for signatures has the keys.
    return Server("gmid", [program, "-f", "-c", config], port, site.folder / "gmid.log", head_start=0.5)


def prepare_molly_brown(site: Site, _workers: int) -> Server:
    """Molly Brown: Go, one process. It listens on every address, which can't be set."""
    program = find_program("molly-brown", "apt-get install molly-brown")
    port = free_port()
    config = site.folder / "molly-brown.conf"
    config.write_text(
        f'Port = {port}\nHostname = "{HOST}"\nCertPath = "{site.certificate}"\nKeyPath = "{site.key}"\n'
        f'DocBase = "{site.root}"\nCGIPaths = ["{site.root}/cgi-bin/"]\n'
        f'AccessLog = "{site.folder}/molly-brown-access.log"\nErrorLog = "{site.folder}/molly-brown-error.log"\n'
    )
    return Server("molly-brown", [program, "-c", config], port, site.folder / "molly-brown.log")


SERVERS: dict[str, Callable[[Site, int], Server]] = {
    "floor": prepare_floor,
    "floor-tuned": prepare_tuned_floor,
    "floor-current": prepare_current_floor,
    "gemd": prepare_full_gemd,
    "molly-brown": prepare_molly_brown,
    "gmid": prepare_gmid,
    "jetforce": prepare_jetforce,
    "nauyaca": prepare_nauyaca,
}
