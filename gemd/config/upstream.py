"""Where another server or program is that gemd asks, as the configuration names it."""

from ipaddress import IPv6Address

from gemd.config.listen import parse_listen
from gemd.config.types import Address
from gemd.protocol.host import ANY_ADDRESSES, normalise_host


def parse_upstream(text: str, *, needs_port: bool = False) -> Address:
    """ "10.0.0.3:1965", "[::1]", "b.internal:1966" or "unix:/path". Raises ValueError."""
    if text.isdecimal():
        raise ValueError(f'a port needs a host: expected "localhost:{text}", or another one')
    if text.startswith("/"):
        raise ValueError(f'expected "unix:{text}" for a socket')
    address = parse_listen(text)
    if address.path:
        return address
    if needs_port and ":" not in text.rpartition("]")[2]:
        raise ValueError(f'expected a port too, as in "{text}:9000"')
    if not address.port:
        raise ValueError("expected a port from 1 to 65535")
    if address.host in ANY_ADDRESSES or (text.startswith("[") and IPv6Address(address.host).is_unspecified):
        raise ValueError("expected the address of one server")
    return address if text.startswith("[") else Address(normalise_host(address.host), address.port)
