"""Directories without a page of their own: their listings, from memory or to be worked out.

Rules: a thread works them out; what a listing shows may depend on who asks. What only some configurations need is
imported for these.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from gemd.config.convert_settings import complete, find_extension
from gemd.config.host_settings import Location
from gemd.protocol.mime import guess_type
from gemd.protocol.peer import Peer
from gemd.protocol.response import Answer, Response
from gemd.protocol.url import Url
from gemd.responders.computed import Computed
from gemd.responders.listing import NOTHING_MOUNTED, Sight, list_directory
from gemd.responders.remembered import RememberedListings
from gemd.responders.viewer import FindType, Viewer, has_converter

if TYPE_CHECKING:  # they take the cryptography library along, which an application's program may not want yet
    from gemd.responders.arranged import Arranger
    from gemd.responders.location_rules import Rule
    from gemd.responders.mounted import Mounts
    from gemd.responders.protection import Protection


class Directories:
    """Lists what is below locations, at most `max_listing` entries at once; `rules` are those of all hosts."""

    def __init__(
        self,
        mime_table: Mapping[str, str],
        max_listing: int,
        protection: "Protection",
        rules: "Mapping[str, Sequence[Rule]]",
    ) -> None:
        self._mime_table = mime_table
        self._max_listing = max_listing
        self._protection = protection
        self._mounts = _find_mounts(rules)
        self._listings = RememberedListings()
        self._find_type: FindType = self._guess_type
        self._arranger: Arranger | None = None
        if any(not isinstance(location.listing, bool) for entries in rules.values() for location, _ in entries):
            self._arranger = self._make_arranger()

    def describe_by(self, find_type: FindType) -> None:
        """What a file is, `find_type` says from now on."""
        self._find_type = find_type

    def answer(
        self, url: Url, location: Location, found: os.stat_result, others: Sequence[Location], peer: Peer
    ) -> Answer:
        """The listing of a directory, of which `found` is what fstat(2) says, and where the rules of `others` hold
        besides those of the location."""
        key = location.where, url.names, self._protection.list_for(location, peer)
        known = self._listings.find(key, found)
        if known is not None:
            return known
        viewer = Viewer(self._protection, location, peer)

        def compute() -> Response:
            response = self._listings.find(key, found)  # others may have waited for the same one
            if response is None:
                response = self._choose(location)(url, viewer, others)
                self._listings.keep(key, found, response)
            return response

        return Computed(compute)

    def _choose(self, location: Location) -> Callable[[Url, Viewer, Sequence[Location]], Response]:
        if isinstance(location.listing, bool):
            return self._list_plainly
        if self._arranger is None:
            self._arranger = self._make_arranger()
        return self._arranger.arrange

    def _list_plainly(self, url: Url, viewer: Viewer, others: Sequence[Location]) -> Response:
        location = viewer.location
        depth = len(url.names) - len(location.mount)

        def open_below(root: int, names: Sequence[str]) -> int:
            return viewer.open(root, names, is_entry=len(names) > depth).resolved.descriptor

        mounts = self._mounts
        mounted = mounts.find(url.names, location, viewer.peer) if mounts is not None else NOTHING_MOUNTED
        return list_directory(url, location, self._max_listing, Sight(open_below, others, viewer.hides, mounted))

    def _guess_type(self, _root: int, names: Sequence[str], location: Location, _peer: Peer) -> str:
        return guess_sent_type(names[-1], location, self._mime_table)

    def _make_arranger(self) -> "Arranger":
        from gemd.responders.arranged import Arranger

        return Arranger(self._max_listing, self._mounts, lambda *asked: self._find_type(*asked))


def guess_sent_type(name: str, location: Location, mime_table: Mapping[str, str]) -> str:
    """The media type of what is sent of a file of this name, which a converter may make."""
    if has_converter(location, name):
        return complete(location.convert[find_extension(name)]).type
    return guess_type(name, location.mime, mime_table)


def _find_mounts(rules: "Mapping[str, Sequence[Rule]]") -> "Mounts | None":
    if all(len(entries) < 2 for entries in rules.values()):
        return None
    from gemd.responders.mounted import Mounts

    return Mounts(rules)
