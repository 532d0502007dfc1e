"""Processes and ports, as stories ask for them."""

import contextlib
import os
import random
import socket
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def exists(pid: int) -> bool:
    """Whether a process runs, or was not reaped yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def free_port(*addresses: str) -> int:
    """A port that nobody listens on at the moment, at any of the addresses, and that the kernel gives to nobody who
    asks for any: other tests run at the same time."""
    first_given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(50):
        port = random.SystemRandom().randrange(10_000, max(first_given, 20_000))
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for address in addresses or ("127.0.0.1",):
                stack.enter_context(socket.create_server((address, port)))
            return port
    raise AssertionError("no port is free on all addresses")
