"""What passing requests on takes besides the configuration: what was found of this machine before root was given up."""

import socket
from collections.abc import Callable, Mapping

import msgspec

from gemd.system.authorities import Read, read_authorities
from gemd.system.certificates import ServerCertificate
from gemd.system.known_servers import KnownServers


def _is_nobodys(_sock: socket.socket) -> bool:
    return False


class ProxyMeans(msgspec.Struct, frozen=True):
    """`certificates`, by the path of each, are what upstreams know gemd by; `read` has the authorities in a file.
    `known` are the servers that were met so far; without it nobody is trusted at first sight. `is_own` says whether a
    connection leads to a listener of this gemd."""

    certificates: Mapping[str, ServerCertificate] = {}
    read: Read = read_authorities
    known: KnownServers | None = None
    is_own: Callable[[socket.socket], bool] = _is_nobodys
