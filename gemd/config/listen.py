"""Where to listen, as it is written: "[::]:1965", "localhost", "unix:/run/gemd.sock"."""

import re

from gemd.config.tables import Problem, key_path, show
from gemd.config.types import Address
from gemd.protocol.url import DEFAULT_PORT

DEFAULT_LISTEN = (f"localhost:{DEFAULT_PORT}",)

_LISTEN = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]+))?")


def parse_listen(text: str) -> Address:
    """ "[::]:1965", "0.0.0.0:1965", "localhost", "*:1965" or "unix:/path". Raises ValueError."""
    if text.startswith("unix:"):
        if not text.startswith("unix:/") or not text.isprintable():
            raise ValueError("expected an absolute path, as in unix:/run/gemd.sock")
        return Address("unix", 0, text.removeprefix("unix:"))
    match = _LISTEN.fullmatch(text)
    host = match and (match["v6"] if match["v6"] is not None else match["name"])
    if match is None or not host:
        raise ValueError('expected "address:port", "[address]:port" or "unix:/path"')
    if host.isdecimal():
        raise ValueError(f'a port needs an address: expected "[::]:{host}" for all, or "localhost:{host}"')
    port = int(match["port"] or DEFAULT_PORT)
    if port > 65535:
        raise ValueError("a port is at most 65535")
    return Address("::" if host == "*" else host, port)


def read_listen(entries: object, problems: list[Problem]) -> tuple[Address, ...]:
    """The addresses of `listen`. What is wrong goes to `problems`."""
    assert isinstance(entries, tuple)
    addresses: list[Address] = []
    for i, entry in enumerate(entries, 1):
        try:
            address = parse_listen(entry)
        except ValueError as error:
            problems.append(Problem(key_path("listen", i), f"{error}, not {show(entry)}"))
            continue
        if address in addresses and address.port != 0:
            problems.append(Problem(key_path("listen", i), f"{entry} is listed twice"))
        addresses.append(address)
    if not entries:
        problems.append(Problem("listen", "expected at least one address"))
    return tuple(addresses)
