"""Hosts and locations that are passed on to this gemd itself: a connection to one would come in again and again.

Rule: only what needs no name server is looked at, for that may take a while; a worker sees the others when it has
connected.
"""

import contextlib
import socket
from ipaddress import IPv6Address, ip_address

from gemd.config import Config, Problem
from gemd.config.proxy_checks import parse_upstreams
from gemd.config.tables import key_path
from gemd.config.types import Address
from gemd.protocol.host import ANY_ADDRESSES
from gemd.startup.proxies import find_proxies

_LOCALHOST = {"127.0.0.1", "::1"}


def find_loops(config: Config) -> list[Problem]:
    """A problem for each that is passed on to where gemd listens."""
    upstreams = [(key_path(host.where, "pass"), host.address) for host in config.passes]
    tables = {proxy: where for where, proxy in reversed(list(find_proxies(config)))}  # that of a host once
    for proxy, where in tables.items():
        upstreams += [(key_path(where, "proxy", "to"), upstream.address) for upstream in parse_upstreams(proxy)]
    problems = []
    for key, address in upstreams:
        listens = [entry.address for entry in config.listen if _is_same(address, entry.address)]
        if listens:
            text = f"gemd itself listens on {listens[0]}: name the server that is behind it"
            problems.append(Problem(key, text))
    return problems


def _is_same(upstream: Address, listen: Address) -> bool:
    """Whether a connection to `upstream` comes to `listen`, as far as that can be told."""
    if upstream.path or listen.path:
        return upstream.path == listen.path
    if upstream.port != listen.port:
        return False
    there, here = _numeric(upstream.host), _numeric(listen.host)
    if not here.isdisjoint(ANY_ADDRESSES):
        return any(_is_own(address) for address in there)
    return upstream.host == listen.host or bool(there & here)


def _numeric(host: str) -> set[str]:
    """The addresses of a host; nothing for a name that would have to be looked up."""
    if host == "localhost":
        return _LOCALHOST
    try:
        address = ip_address(host)
    except ValueError:
        return set()
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return {str(mapped or address)}


def _is_own(address: str) -> bool:
    """Whether it is one of this machine's."""
    with contextlib.suppress(OSError), socket.socket(_family(address), socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        return True
    return False


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
