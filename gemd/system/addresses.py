"""The addresses of other servers, as the machine's resolver has them.

Rule: this waits, for as long as a name server takes: it is for threads, never for the event loop.
"""

import socket
from collections.abc import Sequence

from gemd.protocol.response import ResolveError, Target


def look_up(host: str, port: int) -> Sequence[Target]:
    """All addresses of a server, in the order in which they are to be tried, each once. Raises ResolveError."""
    try:
        # As octets it needs none of the tables for internationalised names.
        entries = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ResolveError(f"it can't be looked up: {getattr(error, 'strerror', None) or 'no such name'}") from None
    return list(dict.fromkeys((int(family), place) for family, _, _, _, place in entries))
