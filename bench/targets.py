"""The servers that are attacked, and what they serve: gemd, and two that this machine has to have already.

Rule: gmid and Molly Brown are not on PyPI; they are taken from the PATH, and whoever is not there raises Missing, which
says how to get it.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import measure
import prepare
from chains import Chains
from measure import ADDRESS, HOST, Server, free_port
from prepare import HERE, Missing, Site

BIG_FILE = 5_000_000
_ENTRIES = 5000
_SCRIPT = "#!/bin/sh\nsleep {}\nprintf '20 text/plain\\r\\nhello\\n'\n"


def furnish(site: Site) -> None:
    """Put what the attacks ask for into the capsule: a file of 5 MB, a directory of 5,000 entries, two scripts."""
    line = b"All work and no play makes Jack a dull boy.\n"
    (site.root / "big.txt").write_bytes((line * (BIG_FILE // len(line) + 1))[:BIG_FILE])
    many, scripts = site.root / "many", site.root / "cgi-bin"
    many.mkdir()
    for number in range(_ENTRIES):
        (many / f"entry {number}.txt").touch()
    scripts.mkdir()
    for name, seconds in (("quick", 0), ("slow", 5)):
        (scripts / name).write_text(_SCRIPT.format(seconds))
        (scripts / name).chmod(0o755)


def prepare_gemd(site: Site, workers: int, *, name: str = "gemd", settings: str = "") -> Server:
    """A gemd with scripts and an application, and with its own defaults unless `settings` says otherwise."""
    host = f'cgi = "cgi-bin"\n[[host.location]]\npath = "/nap"\napp = "echo:nap"\napp-path = "{HERE}"\n'
    return prepare.prepare_gemd(site, workers, name=name, settings=settings, host=host)


def prepare_gmid(site: Site, workers: int) -> Server:
    """gmid: C, a process for each privilege, and as many that serve as gemd has. It runs no scripts."""
    program = _find_program("gmid", "build it from its source")
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
    program = _find_program("molly-brown", "apt-get install molly-brown")
    port = free_port()
    config = site.folder / "molly-brown.conf"
    config.write_text(
        f'Port = {port}\nHostname = "{HOST}"\nCertPath = "{site.certificate}"\nKeyPath = "{site.key}"\n'
        f'DocBase = "{site.root}"\nCGIPaths = ["{site.root}/cgi-bin/"]\n'
        f'AccessLog = "{site.folder}/molly-brown-access.log"\nErrorLog = "{site.folder}/molly-brown-error.log"\n'
    )
    return Server("molly-brown", [program, "-c", config], port, site.folder / "molly-brown.log")


def _find_program(name: str, advice: str) -> str:
    program = shutil.which(name)
    if program is None:
        raise Missing(f"not in the PATH: {advice}")
    return program


SERVERS: dict[str, Callable[[Site, int], Server]] = {
    "gemd": prepare_gemd,
    "gmid": prepare_gmid,
    "molly-brown": prepare_molly_brown,
}


def list_workers(server: Server, pid: int) -> list[int]:
    """The processes that serve, of which Molly Brown has one; its children are scripts."""
    return [pid] if server.name == "molly-brown" else measure.children(pid)


def find_largest_chain(gemload: Path, server: Server, chains: Chains) -> int | None:
    """How many dear issuers a client certificate may have for this server, which runs; None when it is not let in
    with none either. Raises MeasureError."""

    def is_let_in(chain: Path) -> bool:
        options = ("-k", str(chain), "-K", str(chains.key))
        return measure.load(gemload, server.port, "/page.gmi", *options, connections=1, requests=1)["ok"] == 1

    return chains.find_largest(is_let_in)
