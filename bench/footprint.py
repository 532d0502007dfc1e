"""How much memory a hostile connection holds: the difference that many of them make, divided by their number.

Rules: they come from 500 addresses, so that no limit by client keeps them out; memory is read when the server has
nothing left to do for them; limits and timeouts of gemd are raised so that they stay.
"""

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import attackers
import measure
import targets
from chains import Chains
from measure import MeasureError, Server
from prepare import Site
from programs import Missing
from tables import print_table

_ADDRESSES = 500
_READY_TIMEOUT = 90.0  # seconds
_IDLE = 0.5  # seconds without any CPU time, after which the server has done what it had to do
_IDLE_TIMEOUT = 60.0
_WARM_UP = 50
_ESTABLISHED = "01"  # in /proc/net/tcp


@dataclass(frozen=True, slots=True)
class Footprint:
    """What hostile.c does, with so many connections, on `only`; `options` are its own. `chain` is the kind of chain of
    which they have the largest that the server lets in."""

    title: str
    kind: str
    connections: int
    path: str = "/"
    options: tuple[str, ...] = ()
    chain: Literal["dear", "small"] | None = None
    only: tuple[str, ...] = tuple(targets.SERVERS)


FOOTPRINTS = {
    "memory-hello": Footprint("half a ClientHello", "half-hello", 500),
    "memory-idle": Footprint("a handshake and no request", "idle", 500),
    "memory-half-chain": Footprint("half of the longest chain", "hold", 500, options=("-w", "0.5"), chain="small"),
    "memory-chain": Footprint("the longest chain, but for a byte", "hold", 500, chain="small"),
    "memory-dear-chain": Footprint("the dearest chain, but for a byte", "hold", 500, chain="dear"),
    # A server that reads the whole file for each of them would have to be given 50 GB.
    "memory-readers": Footprint("a reader that doesn't read 5 MB", "unread", 10_000, "/big.txt", only=("gemd",)),
}

_HEADING = (
    *("a connection with", "server", "connections", "PSS KB", "USS KB"),
    *("server's send buffer KB", "kernel, both ends KB"),
)


def run_footprints(
    gemload: Path,
    hostile: Path,
    site: Site,
    workers: int,
    servers: Sequence[str],
    footprints: Sequence[Footprint],
    dear: Chains,
) -> None:
    """Each on each server, and a table of them."""
    most = max(footprint.connections for footprint in footprints)
    measure.raise_descriptor_limit(most + 100)
    settings = f"[timeouts]\nrequest = 300\nresponse = 300\n[limits]\nconnections = {2 * most}"
    chains = {"dear": dear, "small": Chains(site.folder, are_small=True), None: None}
    lines, notes = [_HEADING], []
    for footprint in footprints:
        for name in servers:
            if name not in footprint.only:
                continue
            try:
                if name == "gemd":
                    server = targets.prepare_gemd(site, workers, name="gemd-footprint", settings=settings)
                else:
                    server = targets.SERVERS[name](site, workers)
                figures = _measure(gemload, hostile, server, footprint, chains[footprint.chain])
                lines.append((footprint.title, name, *figures))
            except (Missing, MeasureError) as error:
                notes.append(f"{name}, {footprint.title}: {error}")
    print("\nMemory, by connection\n")
    print_table(lines, left=2)
    if notes:
        print("", *notes, sep="\n")


def _measure(
    gemload: Path, hostile: Path, server: Server, footprint: Footprint, chains: Chains | None
) -> tuple[str, ...]:
    """The cells of one line. Raises MeasureError."""
    with measure.run(server) as running:
        measure.load(gemload, server.port, "/page.gmi", connections=1, requests=_WARM_UP)
        options = footprint.options
        if chains is not None:
            issuers = targets.find_largest_chain(gemload, server, chains)
            if not issuers:
                raise MeasureError("no such chain is let in")
            options += ("-k", str(chains.make(issuers)), "-K", str(chains.key))
        _wait_until_idle(running.pid)
        memory, kernel = measure.memory(running.pid), _kernel_memory()
        size = ("-c", str(footprint.connections), "-n", str(_ADDRESSES), "-a", "127.0.1.1")
        limit = ("-d", str(2 * _READY_TIMEOUT + _IDLE_TIMEOUT))
        command = (*size, *limit, *options, footprint.kind, str(server.port), footprint.path)
        with attackers.attack(hostile, *command) as attack:
            attack.wait_until_ready(_READY_TIMEOUT)
            _wait_until_idle(running.pid)
            more, more_kernel = measure.memory(running.pid), _kernel_memory()
            unsent = _unsent(server.port)
            there = attack.finish()["settled"]
    if not there:
        raise MeasureError("none of them was let stay")
    # The kernel's is of the whole machine, on which others may close what they have.
    amounts = ((more.pss - memory.pss) * 1024, (more.uss - memory.uss) * 1024, unsent, max(0.0, more_kernel - kernel))
    return (f"{there:.0f}", *(f"{amount / there:.1f}" for amount in amounts))


def _wait_until_idle(pid: int) -> None:
    """Wait until the server's tree uses no CPU for a while."""
    limit = time.monotonic() + _IDLE_TIMEOUT
    before, since = measure.cpu_seconds(pid), time.monotonic()
    while (now := time.monotonic()) < limit and now - since < _IDLE:
        time.sleep(0.05)
        if (cpu := measure.cpu_seconds(pid)) != before:
            before, since = cpu, now


def _unsent(port: int) -> float:
    """KB that the server's kernel still has to send from this port, or has not heard to have arrived."""
    total = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].partition(":")[2], 16) == port and fields[3] == _ESTABLISHED:
            total += int(fields[4].partition(":")[0], 16)
    return total / 1024


def _kernel_memory() -> float:
    """KB of buffers of all TCP connections of this machine."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            fields = line.split()
            return int(fields[fields.index("mem") + 1]) * resource.getpagesize() / 1024
    return 0.0
