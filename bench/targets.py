"""The servers that are attacked, and what they serve: gemd, and two that this machine has to have already."""

from collections.abc import Callable
from pathlib import Path

import measure
import prepare
from chains import Chains
from measure import Server
from prepare import Site
from programs import HERE

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


SERVERS: dict[str, Callable[[Site, int], Server]] = {
    "gemd": prepare_gemd,
    "gmid": prepare.prepare_gmid,
    "molly-brown": prepare.prepare_molly_brown,
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
