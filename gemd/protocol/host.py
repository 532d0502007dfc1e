"""Host names: how they are normalised, and which of them a wildcard stands for.

Rule: two names are the same host if they are normalised to the same text; a wildcard "*.example.org" stands for every
name that has one label in its place.
"""

import functools
import re
from collections.abc import Collection, Mapping
from ipaddress import AddressValueError, IPv6Address, ip_address
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from gemd.protocol.characters import is_misleading

T = TypeVar("T")

_ASCII_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_MAX_HOST = 253  # RFC 1035, 2.3.4: the longest name in text form
_ANY_LABEL = "*."
ANY_HOST = "*"  # the host that has what no other one has
ANY_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104, only compared with


def decode_host(host: str) -> str:
    """The host of a URL without percent-encoding (RFC 3986, 3.2.2). Raises ValueError for an encoded character that no
    host has; whether the rest is a name is for `normalise_host` to say."""
    if "%" not in host:
        return host
    decoded = unquote_to_bytes(host).decode()  # which leaves a percent sign that encodes nothing
    if is_misleading(decoded) or "[" in decoded:
        raise ValueError("an encoded character that no host name has")
    return decoded


@functools.lru_cache(maxsize=1024)
def normalise_host(host: str) -> str:
    """The host of a URL: lower case, one trailing dot dropped, IDNA 2008 A-labels, IPv6 in RFC 5952 form without its
    brackets. Raises ValueError for what is no host name."""
    if host.startswith("["):
        if not host.endswith("]"):
            raise ValueError("an address has its brackets at both ends")
        if "%" in host:
            raise ValueError("an address in a URL has no zone")
        try:
            return str(IPv6Address(host[1:-1]))
        except AddressValueError:
            raise ValueError("not an IPv6 address") from None
    name = _clean(host)
    if not name or len(name) > _MAX_HOST:
        raise ValueError("a host name has 1 to 253 characters")
    if not name.isascii():
        import idna  # its tables take 20 ms to load, and few capsules need them

        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError:
            raise ValueError("a domain name can't have such characters or so long a part (IDNA 2008)") from None
    if not _ASCII_HOST.fullmatch(name):
        raise ValueError("a host name is made of letters, digits, hyphens and dots")
    return name


def normalise_name(name: str) -> str:
    """The same for a name that an operator wrote: it may be a wildcard, which keeps its "*.", and an IPv6 address needs
    no brackets. Raises ValueError."""
    if name == ANY_HOST:
        return name
    if "/" in name:
        raise ValueError("a name is neither a URL nor a path: leave out the scheme, and all from the slash behind it")
    if name.count(":") == 1 or "]:" in name:
        raise ValueError("a name has no port: the ports are those of the key listen")
    prefix = _ANY_LABEL if is_wildcard(name) else ""
    if "*" in name.removeprefix(_ANY_LABEL):
        raise ValueError("a * stands for the first part alone, as in *.example.org, or for the whole name")
    return prefix + normalise_host(bracket(name.removeprefix(_ANY_LABEL)))


@functools.lru_cache(maxsize=1024)
def normalise_server_name(raw: bytes) -> str | None:
    """The name that a TLS handshake asks for (RFC 6066, 3): ASCII, and A-labels already; None for an IP address, which
    must not be there. What else is no name stays a text that no host has, for a callback of the TLS library must not
    raise."""
    name = _clean(raw.decode("ascii", "backslashreplace"))
    return None if is_address(name) else name


def is_address(name: str) -> bool:
    """Whether it is an IP address and no name; an IPv6 one may be in brackets."""
    if ":" not in name and not name.removesuffix("]")[-1:].isdigit():
        return False  # as most names, and at a tenth of the cost
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def is_host_name(name: str) -> bool:
    """Whether a text may be a host's name as it is normalised; a wildcard is none."""
    return len(name) <= _MAX_HOST and _ASCII_HOST.fullmatch(name) is not None


def _clean(name: str) -> str:
    return name.lower().removesuffix(".")


def bracket(host: str) -> str:
    """The host as a URL has it, an IPv6 address in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def place(host: str, port: int) -> str:
    """ "host:port", with an address in brackets."""
    return f"{bracket(host)}:{port}"


def write_authority(host: str, port: int | None) -> str:
    """The same of a URL, which may have no port."""
    return bracket(host) if port is None else place(host, port)


def is_wildcard(name: str) -> bool:
    """Whether the name stands for several."""
    return name == ANY_HOST or name.startswith(_ANY_LABEL)


def find_by_name(entries: Mapping[str, T], name: str) -> T | None:
    """The entry of the host `name`, or else that of the wildcard which stands for it, or that of the rest."""
    found = entries.get(name)
    return found if found is not None else entries.get(_wildcard_for(name), entries.get(ANY_HOST))


def covers(names: Collection[str], name: str) -> bool:
    """Whether `name` is among `names`, itself or by a wildcard."""
    return name in names or _wildcard_for(name) in names


def _wildcard_for(name: str) -> str:
    return _ANY_LABEL + name.partition(".")[2]
