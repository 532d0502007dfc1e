"""Who looks at a listing, and what protection shows them.

Rule: it runs in a thread, which may judge whoever asks.
"""

import os
import stat
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from gemd.config.convert_settings import find_extension
from gemd.config.host_settings import Location
from gemd.protocol.errors import GeminiError, Overloaded
from gemd.protocol.peer import Peer
from gemd.responders.judged import MAX_JUDGEMENTS, Unjudged

if TYPE_CHECKING:  # it takes the cryptography library along, which an application's program may not want yet
    from gemd.responders.location_rules import Trail
    from gemd.responders.protection import Found, Protection
    from gemd.system.resolved import Resolved

# The media type of the file that names lead to below the open root, for a client. It may raise Unjudged.
FindType = Callable[[int, Sequence[str], Location, Peer], str]

_T = TypeVar("_T")


class Viewer:
    """A client at a location."""

    def __init__(self, protection: "Protection", location: Location, peer: Peer) -> None:
        if peer.tls.client_certificate is not None:
            _ = peer.tls.client_chain  # known from now on, for rules that the thread may ask; TLS is not for threads
        self._protection = protection
        self._traced: tuple[tuple[str, ...], Trail] | None = None
        self.location = location
        self.peer = peer

    def open(self, root: int, names: Sequence[str], *, is_entry: bool = False) -> "Found":
        """What `names` lead to below the open root, as `Protection.open` has it. Raises what that raises, but for
        Unjudged."""
        return judged(lambda: self._protection.open(root, names, self.location, self.peer, is_entry=is_entry))

    def open_text(self, root: int, names: Sequence[str]) -> "Resolved | None":
        """The file that `names` lead to, to be read; None for what is none, or would not be sent to the client as it
        is."""
        try:
            found = self.open(root, names)
        except (OSError, GeminiError):
            return None
        locations = (self.location, *found.others)
        if stat.S_ISREG(found.resolved.status.st_mode) and not any(
            has_converter(each, names[-1]) for each in locations
        ):
            return found.resolved
        os.close(found.resolved.descriptor)
        return None

    def hides(self, status: os.stat_result, names: tuple[str, ...]) -> bool:
        """Whether nothing of what is there is shown, by the names of a URL."""
        if self._traced is None or self._traced[0] != names[:-1]:  # entries of a directory come one after another
            below = names[len(self.location.mount) : -1]
            self._traced = names[:-1], self._protection.trace(below, self.location)
        return self._protection.hides(status, names, self._traced[1], self.location, self.peer)


def has_converter(location: Location, name: str) -> bool:
    """Whether a program of the location makes what is sent of a file of this name."""
    return bool(location.convert) and find_extension(name) in location.convert


def judged(ask: Callable[[], _T]) -> _T:
    """What `ask` returns or raises, after all the judgements that it needs. Raises Overloaded (41) where these have no
    end."""
    for _ in range(MAX_JUDGEMENTS):
        try:
            return ask()
        except Unjudged as error:
            error.judge()
    raise Overloaded
