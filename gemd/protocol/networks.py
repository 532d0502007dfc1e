"""Networks as they are written (CIDR, RFC 4632 and RFC 4291), and what holds for an address by the networks it is in.

Rules: the most specific network decides; an IPv4 address is the same one where IPv6 has it mapped (RFC 4291, 2.5.5.2);
"unix" is who came by a unix socket, and in no other network. What is written must be a network for sure.
"""

import functools
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Generic, TypeVar

import msgspec

from gemd.protocol.peer import UNIX

V = TypeVar("V")

_BITS = {4: 32, 6: 128, 0: 0}  # of an address, by family
_MAPPED = 96  # bits before an IPv4 address that is mapped
_LENGTH = re.compile("0|[1-9][0-9]{0,2}")
_REMEMBERED = 1024  # addresses, for each of the tables


class Network(msgspec.Struct, frozen=True):
    """The first `length` bits of its addresses are the number `start`. `family` is 4 or 6, and 0 for unix sockets."""

    family: int
    start: int
    length: int

    def __str__(self) -> str:
        if not self.family:
            return UNIX
        bits = _BITS[self.family]
        address = (IPv4Address if self.family == 4 else IPv6Address)(self.start << bits - self.length)
        return str(address) if self.length == bits else f"{address}/{self.length}"


def parse_network(text: str) -> Network:
    """ "192.0.2.0/24", "2001:db8::/32", one address, or "unix". Raises ValueError, which says what was expected."""
    if text == UNIX:
        return Network(0, 0, 0)
    written, slash, size = text.partition("/")
    address = _parse_address(written)
    if address is None:
        raise ValueError('expected a network such as "192.0.2.0/24" or "2001:db8::/32", an address, or "unix"')
    bits = address.max_prefixlen
    if not slash:
        return _network_of(address, bits)
    if not _LENGTH.fullmatch(size) or int(size) > bits:
        raise ValueError(f"expected a number of bits from 0 to {bits} after the slash")
    network = _network_of(address, int(size))
    first = network.start << _BITS[network.family] - network.length
    if first != _network_of(address, bits).start:
        raise ValueError(f'"{written}" is an address in the network "{network}": expected one of the two')
    return network


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Without a zone, which means something on one machine alone."""
    try:
        return ip_address(text) if "%" not in text else None
    except ValueError:
        return None


def _network_of(address: IPv4Address | IPv6Address, length: int) -> Network:
    """The network of so many bits that an address is in."""
    if address.version == 6 and address.ipv4_mapped is not None and length >= _MAPPED:
        address, length = address.ipv4_mapped, length - _MAPPED
    return Network(address.version, int(address) >> address.max_prefixlen - length, length)


class Networks(Generic[V]):
    """Values by network. What was found for the last addresses is remembered: networks never change."""

    def __init__(self, values: Mapping[Network, V]) -> None:
        self._values: dict[int, list[tuple[int, dict[int, V]]]] = {}  # by family: the longest first
        for family, bits in _BITS.items():
            by_length: dict[int, dict[int, V]] = {}
            for network, value in values.items():
                if network.family == family:
                    by_length.setdefault(network.length, {})[network.start] = value
            self._values[family] = [(bits - length, by_length[length]) for length in sorted(by_length, reverse=True)]
        self.find: Callable[[str], V | None] = functools.lru_cache(_REMEMBERED)(self._find)

    def _find(self, address: str) -> V | None:
        """The value of the most specific network that an address is in; None where it is in none, or is no address."""
        if address == UNIX:
            return self.find_around(Network(0, 0, 0))
        parsed = _parse_address(address)
        return self.find_around(_network_of(parsed, parsed.max_prefixlen)) if parsed is not None else None

    def find_around(self, network: Network, *, is_wider: bool = False) -> V | None:
        """The value of the most specific network that a whole network is in, itself or only others that are wider."""
        cut = _BITS[network.family] - network.length
        for shift, starts in self._values[network.family]:
            if shift > cut or (shift == cut and not is_wider):
                value = starts.get(network.start >> shift - cut)
                if value is not None:
                    return value
        return None


def build_rule(allow: Collection[str] | None, deny: Iterable[str]) -> Callable[[str], bool]:
    """Whether an address may come, by networks that may and others that may not. The most specific one decides, and of
    two that are equal it is no. In neither: yes, unless there are some that may. Raises ValueError."""
    verdicts = {
        **{parse_network(text): True for text in allow or ()},
        **{parse_network(text): False for text in deny},
    }
    networks, otherwise = Networks(verdicts), allow is None

    def may_come(address: str) -> bool:
        found = networks.find(address)
        return otherwise if found is None else found

    return may_come
