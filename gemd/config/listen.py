"""Where to listen, and for whom: "[::]:1965", "localhost", "unix:/run/gemd.sock", or a table with an address and more.

Rule: without TLS, and by a proxy's word, only what says so in full is served: see gemd.conf(5), "listen".
"""

import os
import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Annotated

import msgspec
from msgspec import Meta

from gemd.config.tables import Problem, key_path, keys_of, read_table, show
from gemd.config.types import Address, Settings, Text
from gemd.protocol.host import ANY_ADDRESSES
from gemd.protocol.networks import parse_network
from gemd.protocol.peer import UNIX
from gemd.protocol.url import DEFAULT_PORT

DEFAULT_LISTEN = (f"localhost:{DEFAULT_PORT}",)
LOCAL_PROXIES = ("127.0.0.0/8", "::1", UNIX)

Entries = Annotated[
    tuple[str | dict[str, object], ...], Meta(description='a list of addresses such as "[::]:1965", or tables with one')
]
Mode = Annotated[str, Meta(pattern="^0?[0-7]{3}$", description='octal digits, such as "0660"')]
Owner = Annotated[str, Meta(pattern="^(?:[^:]+(?::[^:]+)?|:[^:]+)$", description='a user, "user:group" or ":group"')]

MAX_UNIX_PATH = 107  # bytes, unix(7), without the NUL that ends it
_MAX_PORT = 65535

_LISTEN = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]+))?")


class Listen(Settings, frozen=True):
    """An entry of `listen`. With `proxy_protocol` a PROXY header comes before all else, from one of the `trusted`
    networks; `mode` and `owner` are those of a unix socket; `force` allows plain TCP where others could listen in."""

    address: Address
    proxy_protocol: bool = False
    trusted: tuple[Text, ...] = msgspec.field(default=(), name="from")
    tls: bool = True
    mode: Mode | None = None
    owner: Owner | None = None
    force: bool = False


_KEYS = {**keys_of(Listen), "address": Text}


def parse_listen(text: str) -> Address:
    """ "[::]:1965", "0.0.0.0:1965", "localhost", "*:1965" or "unix:/path". Raises ValueError."""
    if text.startswith("unix:"):
        if not text.startswith("unix:/") or not text.isprintable():
            raise ValueError("expected an absolute path, as in unix:/run/gemd.sock")
        if len(os.fsencode(text.removeprefix("unix:"))) > MAX_UNIX_PATH:
            raise ValueError(f"the path of a unix socket has at most {MAX_UNIX_PATH} bytes")
        return Address("unix", 0, text.removeprefix("unix:"))
    match = _LISTEN.fullmatch(text)
    host = match and (match["v6"] if match["v6"] is not None else match["name"])
    if match is None or not host:
        raise ValueError('expected "address:port", "[address]:port" or "unix:/path"')
    if host.isdecimal():
        raise ValueError(f'a port needs an address: expected "[::]:{host}" for all, or "localhost:{host}"')
    port = match["port"] or str(DEFAULT_PORT)
    if len(port) > len(str(_MAX_PORT)) or int(port) > _MAX_PORT:
        raise ValueError(f"a port is at most {_MAX_PORT}")
    return Address("::" if host == "*" else host, int(port))


def read_listen(entries: object, problems: list[Problem]) -> tuple[Listen, ...]:
    """The entries of `listen`. What is wrong goes to `problems`."""
    assert isinstance(entries, tuple)
    found: list[Listen] = []
    for i, entry in enumerate(entries, 1):
        where = key_path("listen", i)
        listen = _read_entry(entry, where, problems)
        if listen is None:
            continue
        is_any_port = not listen.address.path and listen.address.port == 0
        if any(known.address == listen.address and not (is_any_port and known == listen) for known in found):
            problems.append(Problem(where, f"{listen.address} is listed twice"))
        found.append(listen)
    if not entries:
        problems.append(Problem("listen", "expected at least one address"))
    return tuple(found)


def _read_entry(entry: object, where: str, problems: list[Problem]) -> Listen | None:
    before = len(problems)
    values = {"address": entry} if isinstance(entry, str) else read_table(entry, _KEYS, where, problems)
    if "address" not in values:
        if len(problems) == before:
            problems.append(Problem(where, 'needs the key "address"'))
        return None
    place = where if isinstance(entry, str) else key_path(where, "address")
    try:
        address = parse_listen(str(values["address"]))
    except ValueError as error:
        problems.append(Problem(place, f"{error}, not {show(values['address'])}"))
        return None
    listen = msgspec.convert({**values, "address": address}, Listen)
    if len(problems) == before:
        problems.extend(Problem(key_path(where, key), text) for key, text in _judge(listen))
    if listen.proxy_protocol and not listen.trusted:
        listen = msgspec.structs.replace(listen, trusted=LOCAL_PROXIES)
    return listen


def _judge(listen: Listen) -> Iterator[tuple[str, str]]:
    """What is wrong with an entry's values, by key."""
    for network in listen.trusted:
        try:
            parse_network(network)
        except ValueError as error:
            yield "from", f"{error}, not {show(network)}"
    if listen.trusted and listen.address.path and UNIX not in listen.trusted:
        yield "from", 'has to hold "unix": whoever comes by a unix socket has no address'
    if set(listen.trusted) == {UNIX} and not listen.address.path:
        yield "from", 'needs a network: "unix" is who comes by a unix socket'
    if listen.trusted and not listen.proxy_protocol:
        yield "from", "needs proxy-protocol = true: nothing else is taken from a proxy"
    is_local = bool(listen.address.path) or is_loopback(listen.address.host)
    if listen.proxy_protocol and not listen.trusted and not is_local:
        yield "from", 'is needed: the networks of the proxies, as in from = ["192.0.2.10/32"]'
    if not listen.tls and not is_local and not listen.force:
        yield (
            "tls",
            "without TLS others can read and change all: only for loopback and unix sockets, or with force = true",
        )
    if listen.force and (listen.tls or is_local):
        yield "force", "has no effect here: it allows tls = false where others could listen in"
    for key, value in (("mode", listen.mode), ("owner", listen.owner)):
        if value is not None and not listen.address.path:
            yield key, "is for unix sockets alone"


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can connect to an address that is written so."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def find_listen(address: Address, entries: Sequence[Listen]) -> Listen | None:
    """The entry that decides about a socket of this address: its own, or that of every address with the same port, or
    what all have in common; None where that can't be told."""
    for entry in entries:
        if entry.address == address:
            return entry
    for entry in entries:
        if entry.address.port == address.port != 0 and entry.address.host in ANY_ADDRESSES:
            return entry
    first = msgspec.structs.replace(entries[0], address=address)
    alike = [msgspec.structs.replace(entry, address=address, mode=None, owner=None) for entry in entries]
    return first if all(entry == alike[0] for entry in alike) else None
