"""Where the machines of docs/SCALING.md are: in a network namespace each, with the addresses that the document has; or
all on loopback, for an ordinary user.

Rule: nothing outside of the namespaces is touched; they are gone when the last process in one has ended.
"""

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.support.processes import free_port
from tests.support.waiting import LONGEST, wait_for

CLONE_NEWNET = 0x40000000
FRONT, NODE1, NODE2 = "198.51.100.1", "10.0.0.2", "10.0.0.3"
INSIDE = "10.0.0.1"  # the address by which the front reaches the nodes
PORT = 1965
LINKS = {NODE1: "one", NODE2: "two"}  # of the front, to each node
Result = TypeVar("Result")
CLIENTS = 200  # addresses that clients have


class NoNamespaces(Exception):
    """This machine has none; the text says why."""


@dataclass
class Place:
    """`replaced` is what of the document's configurations is something else here, addresses above all; the port is one
    that is free."""

    clients: str  # what each client's address begins with
    port: int = PORT
    replaced: dict[str, str] = field(default_factory=dict)
    namespaces: dict[str, Path] = field(default_factory=dict)  # by the address in the document
    ip: str = "ip"  # the path of ip(8)

    def fill(self, text: str) -> str:
        """A configuration of the document, as it is right for this place."""
        for there, here in self.replaced.items():
            text = text.replace(there, here)
        return text.replace(f":{PORT}", f":{self.port}")

    def before(self, machine: str) -> tuple[str, ...]:
        """The words before a command that have it run on a machine."""
        path = self.namespaces.get(machine)
        return () if path is None else ("nsenter", f"--net={path}", "--")

    def change_network(self, machine: str, *commands: str) -> None:
        """Run ip(8) on a machine, with the words of each command. Raises NoNamespaces."""
        for command in commands:
            words = [*self.before(machine), self.ip, *command.split()]
            done = subprocess.run(words, capture_output=True, text=True, timeout=LONGEST)
            if done.returncode:
                raise NoNamespaces(f"ip {command}: {done.stderr.strip()}")

    def enter(self) -> None:
        """Have this thread, from now on, be among the clients. Others stay where they are."""
        path = self.namespaces.get("clients")
        if path is not None:
            enter_namespace(path)

    def run(self, action: Callable[[], Result]) -> Result:
        """The result of a function that is called among the clients."""
        with ThreadPoolExecutor(1, initializer=self.enter) as thread:
            return thread.submit(action).result()

    def connect(self, client: int = 0, timeout: float = LONGEST) -> socket.socket:
        """To the front, from the address of a client. Only in a thread that is among them."""
        source = f"{self.clients}{client % CLIENTS + 10}"
        front = self.replaced.get(FRONT, FRONT)
        return socket.create_connection((front, self.port), timeout, (source, 0))


def enter_namespace(path: Path) -> None:
    """Move the calling thread to another network; needs root."""
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open("rb") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def make_loopback() -> Place:
    """All of them on this machine, at one port that is free on each address."""
    addresses = {FRONT: "127.0.0.1", INSIDE: "127.0.0.1", NODE1: "127.0.0.2", NODE2: "127.0.0.3"}
    # Plain TCP needs no force on loopback, and gemd says so.
    return Place("127.1.0.", free_port(*sorted(set(addresses.values()))), {**addresses, "force = true, ": ""})


@contextlib.contextmanager
def namespaces(ip: str) -> Iterator[Place]:
    """Four namespaces: clients, front and two nodes. `ip` is the path of ip(8). Raises NoNamespaces."""
    with contextlib.ExitStack() as stack:
        paths = {name: stack.enter_context(_namespace()) for name in ("clients", FRONT, NODE1, NODE2)}
        place = Place("192.0.2.", namespaces=paths, ip=ip)
        run = place.change_network
        for machine in paths:
            run(machine, "link set lo up")
        run(FRONT, "link add inside type bridge", f"addr add {INSIDE}/24 dev inside", "link set inside up")
        for machine, name in (("clients", "outside"), *LINKS.items()):
            pid = paths[machine].parts[2]
            run(FRONT, f"link add {name} type veth peer name eth0 netns {pid}", f"link set {name} up")
        run(FRONT, *(f"link set {name} master inside" for name in LINKS.values()), f"addr add {FRONT}/24 dev outside")
        for machine, address in (("clients", "198.51.100.2"), (NODE1, NODE1), (NODE2, NODE2)):
            run(machine, f"addr add {address}/24 dev eth0", "link set eth0 up")
        run("clients", "route add local 192.0.2.0/24 dev lo")  # each of these addresses is a client's
        run(FRONT, "route add 192.0.2.0/24 via 198.51.100.2")
        yield place


@contextlib.contextmanager
def _namespace() -> Iterator[Path]:
    """The path of a network namespace, which a process holds meanwhile."""
    with subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stderr=subprocess.PIPE, text=True) as holder:
        path, ours = Path(f"/proc/{holder.pid}/ns/net"), Path("/proc/self/ns/net").readlink()

        def is_apart() -> bool:
            if holder.poll() is not None:
                raise NoNamespaces(holder.stderr.read().strip())
            with contextlib.suppress(OSError):
                return path.readlink() != ours
            return False

        try:
            wait_for(is_apart, "a network namespace")
            yield path
        finally:
            holder.kill()
