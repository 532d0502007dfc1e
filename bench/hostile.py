"""What a visitor meets while others attack, and what the attack costs them.

Rules: each attack has a server of its own, which nobody has attacked before; it comes from four addresses, the visitors
from others; all of it prints what it counted and asserts nothing.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import attackers
import footprint
import measure
import programs
import targets
from chains import Chains
from footprint import FOOTPRINTS
from measure import MeasureError, Server
from prepare import Site
from programs import Missing
from tables import print_table

_CALM_SECONDS = 3.0
_BUILD_UP = 1.0  # seconds of attack before the visitors come
_ATTACK_SECONDS = 8.0
_PATIENCE = 20.0  # seconds of silence after which a visitor gives up


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks for `path` from an address of its own, with so many connections, each once in `interval` seconds."""

    name: str
    path: str
    address: str
    connections: int
    interval: float


_PAGE = Visitor("page", "/page.gmi", "127.0.0.9", 16, 0.4)
_SCRIPT = Visitor("script", "/cgi-bin/quick", "127.0.0.10", 2, 0.5)
_CALL = Visitor("call", "/nap", "127.0.0.6", 1, 1.2)


@dataclass(frozen=True, slots=True)
class Attack:
    """What hostile.c does with so many connections; on `only`, if not on every server. `has_chain` gives them the
    largest chain that the server lets in."""

    title: str
    kind: str
    connections: int
    path: str = "/"
    visitors: tuple[Visitor, ...] = (_PAGE,)
    has_chain: bool = False
    only: tuple[str, ...] = tuple(targets.SERVERS)


ATTACKS = {
    "half-open": Attack("half-open connections", "half-open", 2000),
    "hellos": Attack("a ClientHello and no more", "hello", 64),
    "handshakes": Attack("handshakes without a request", "handshake", 64),
    "chains": Attack("dear client certificates", "ask", 40, "/page.gmi", has_chain=True),
    "keyupdate": Attack("endless KeyUpdate", "keyupdate", 16),
    "readers": Attack("readers of 5 MB that don't read", "unread", 4 * 160, "/big.txt"),
    "listings": Attack("listings of 5,000 entries", "ask", 16, "/many/"),
    "scripts": Attack(
        *("scripts of 5 s", "ask", 4 * 32, "/cgi-bin/slow"), visitors=(_PAGE, _SCRIPT), only=("gemd", "molly-brown")
    ),
    "calls": Attack(*("calls of 1 s", "ask", 4 * 20, "/nap"), visitors=(_PAGE, _CALL), only=("gemd",)),
    "dribble": Attack("requests a byte at a time", "dribble", 1000),
}

_HEADING = (
    *("attack", "server", "visitor for a", "attackers: CPU %", "KB/s", "server: CPU %"),
    *("calm: p50 ms", "p99 ms", "attacked: p50 ms", "p99 ms", "requests", "not ok", "workers gone"),
)


def run_hostile(
    gemload: Path, site: Site, workers: int, servers: Sequence[str] | None, attacks: Sequence[str] | None
) -> None:
    """The attacks and footprints that are named, on the servers that are named; all of them by default."""
    program = programs.compile_program("hostile")
    targets.furnish(site)
    chains = Chains(site.folder)
    wanted_servers = [name for name in targets.SERVERS if not servers or name in servers]
    wanted_attacks = [attack for name, attack in ATTACKS.items() if not attacks or name in attacks]
    wanted_footprints = [one for name, one in FOOTPRINTS.items() if not attacks or name in attacks]
    if wanted_attacks:
        bench = _Bench(gemload, program, site, workers, chains)
        try:
            for attack in wanted_attacks:
                for name in wanted_servers:
                    bench.run(attack, name)
        finally:  # it takes minutes, and whoever interrupts it wants to see what there is
            bench.show()
    if wanted_footprints:
        footprint.run_footprints(gemload, program, site, workers, wanted_servers, wanted_footprints, chains)


class _Bench:
    """`lines` are the table's, `notes` what else there is to say."""

    def __init__(self, gemload: Path, program: Path, site: Site, workers: int, chains: Chains) -> None:
        self.lines: list[Sequence[str]] = [_HEADING]
        self.notes: list[str] = []
        self._gemload = gemload
        self._program = program
        self._site = site
        self._workers = workers
        self._chains = chains

    def show(self) -> None:
        """Print the table, and the notes below it."""
        print(f"\n{_ATTACK_SECONDS:.0f} s of each attack, of visitors before it {_CALM_SECONDS:.0f} s\n")
        print_table(self.lines, left=3)
        print("", *self.notes, sep="\n")

    def run(self, attack: Attack, name: str) -> None:
        """One attack on one server; a line for each of its visitors."""
        if name not in attack.only:
            return
        try:
            server = targets.SERVERS[name](self._site, self._workers)
            options = self._present_chain(server) if attack.has_chain else ()
            self._attack(server, attack, options)
        except (Missing, MeasureError) as error:
            self.notes.append(f"{name}, {attack.title}: {error}")

    def _present_chain(self, server: Server) -> tuple[str, ...]:
        with measure.run(server):
            issuers = targets.find_largest_chain(self._gemload, server, self._chains)
        if issuers is None:
            raise MeasureError("no such certificate is let in")
        size = self._chains.size(issuers)
        self.notes.append(f"{server.name} lets in client certificates with {issuers} such issuers, {size} bytes")
        return ("-k", str(self._chains.make(issuers)), "-K", str(self._chains.key))

    def _attack(self, server: Server, attack: Attack, options: Sequence[str]) -> None:
        with measure.run(server) as running:
            workers = targets.list_workers(server, running.pid)
            calm = self._visit(server, attack, _CALM_SECONDS)
            size = ("-c", str(attack.connections), "-d", str(_BUILD_UP + _ATTACK_SECONDS))
            cpu, began = measure.cpu_seconds(running.pid), time.monotonic()
            with attackers.attack(
                self._program, *size, *options, attack.kind, str(server.port), attack.path
            ) as attacking:
                time.sleep(_BUILD_UP)
                attacked = self._visit(server, attack, _ATTACK_SECONDS)
                cpu, seconds = measure.cpu_seconds(running.pid) - cpu, time.monotonic() - began
                done = attacking.finish()
            gone = len(set(workers) - set(targets.list_workers(server, running.pid)))
        title = f"{server.name}, {attack.title}"
        self.notes.append(f"{title}: {_describe(done)}")
        for visitor, before, found in zip(attack.visitors, calm, attacked, strict=True):
            for when, faults in (("before", measure.describe_faults(before)), ("", measure.describe_faults(found))):
                if faults:
                    self.notes.append(f"{title}, visitor for a {visitor.name}: {faults} {when}".rstrip())
            self.lines.append(
                (
                    *(attack.title, server.name, visitor.name),
                    f"{100 * done['cpu_seconds'] / done['seconds']:.0f}",
                    f"{done['bytes'] / done['seconds'] / 1e3:.1f}",
                    f"{100 * cpu / seconds:.0f}",
                    *(f"{one[key]:.1f}" for one in (before, found) for key in ("p50_ms", "p99_ms")),
                    *(f"{found['requests']:.0f}", f"{found['requests'] - found['ok']:.0f}"),
                    f"{gone} of {len(workers)}",
                )
            )

    def _visit(self, server: Server, attack: Attack, seconds: float) -> list[dict[str, float]]:
        """What gemload counted of each visitor; they come at the same time."""
        with ThreadPoolExecutor(len(attack.visitors)) as pool:
            found = [
                pool.submit(
                    measure.load,
                    *(self._gemload, server.port, visitor.path, "-s", visitor.address),
                    *("-i", str(visitor.interval), "-w", f"{_PATIENCE:.0f}"),
                    connections=visitor.connections,
                    seconds=seconds,
                    timeout=seconds + 4 * _PATIENCE,
                )
                for visitor in attack.visitors
            ]
            return [one.result() for one in found]


def _describe(done: dict[str, float]) -> str:
    """What the attackers did, of which not every attack does everything."""
    kinds = {
        "opened": "connections",
        "closed": "closed by the server",
        "failed": "not let in",
        "handshakes": "handshakes",
        "answers": "answers",
        "refusals": "refusals",
    }
    return ", ".join(f"{done[kind]:.0f} {words}" for kind, words in kinds.items() if done[kind])
