"""A listing as a table of its location tells it: a preamble, an order, titles, directories below, dates.

Rules: what is shown is in order before it is cut at the limit; a directory below is listed in-line if a request for it
would be answered with a listing, and it is no location of its own; all of it has a time.
"""

import contextlib
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

from gemd.config.host_settings import Location
from gemd.config.listing_settings import ListingSettings
from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.gemtext import heading, link
from gemd.protocol.headings import has_title
from gemd.protocol.mime import GEMTEXT
from gemd.protocol.response import Response
from gemd.protocol.url import Url
from gemd.responders.dated import date_label
from gemd.responders.listing import (
    MAX_SECONDS,
    NO_TIME,
    NOTHING_MOUNTED,
    UP,
    DirectoryEntry,
    Sight,
    answer_listing,
    format_entry,
    refer_to,
    scan_directory,
    tell_of_more,
)
from gemd.responders.mounted import Mounts
from gemd.responders.order import Item, ListingOrder
from gemd.responders.preamble import read_preamble
from gemd.responders.protection import Found
from gemd.responders.refusals import FORBIDDEN, NOT_FOUND
from gemd.responders.titles import RememberedTitles
from gemd.responders.viewer import FindType, Viewer, judged
from gemd.system.beneath import open_root
from gemd.system.resolved import Identity, identify

_MAX_SECONDS = MAX_SECONDS / 2  # for reading directories, and as much again for titles

_titles = RememberedTitles()  # in this worker


class Arranger:
    """Makes them, of at most `limit` entries."""

    def __init__(self, limit: int, mounts: Mounts | None, find_type: FindType) -> None:
        self._limit = limit
        self._mounts = mounts
        self._find_type = find_type

    def arrange(self, url: Url, viewer: Viewer, others: Sequence[Location]) -> Response:
        """The listing of the directory that the URL names, where the rules of `others` hold besides those of the
        viewer's location. Raises NotFound (51), and what keeps the viewer from it."""
        location = viewer.location
        assert location.root is not None
        try:
            with contextlib.ExitStack() as opened:
                root = open_root(location.root)
                opened.callback(os.close, root)
                page = _Page(root, url, viewer, self._limit, self._mounts, self._find_type)
                lines = [*page.begin(), *page.finish(others, _titles)]
        except OSError:
            raise NotFound from None  # it was there a moment ago
        return answer_listing(location, "".join(lines))


class _Page:
    """One that is being made."""

    def __init__(
        self, root: int, url: Url, viewer: Viewer, limit: int, mounts: Mounts | None, find_type: FindType
    ) -> None:
        settings = viewer.location.listing
        assert isinstance(settings, ListingSettings)
        self._root = root
        self._url = url
        self._viewer = viewer
        self._settings = settings
        self._limit = limit
        self._mounts = mounts
        self._find_type = find_type
        self._names = url.names[len(viewer.location.mount) :]
        self._order = ListingOrder(settings, limit)
        self._is_titled = settings.titles or settings.feed
        self._deadline = time.monotonic() + _MAX_SECONDS
        self._is_late = False

    def begin(self) -> Iterator[str]:
        """What stands before the entries: a heading, unless the preamble has one, and the preamble."""
        text = self._read_preamble()
        if not has_title(text):
            host = self._viewer.location.host
            place = host if self._settings.feed and "*" not in host else ""  # as it stands among other feeds
            yield heading(place + "/" + "/".join(self._url.names))
            yield "\n"
        if text:
            yield text
            yield "\n"
        if self._url.names:
            yield UP

    def _read_preamble(self) -> str:
        name = self._settings.preamble
        if name is None or not self._is_same((name,)) or not self._find_type_of((name,)):
            return ""
        return read_preamble(self._root, (*self._names, name), self._viewer)

    def finish(self, others: Sequence[Location], titles: RememberedTitles) -> Iterator[str]:
        """The lines of the entries."""
        items = self._choose(others)
        deadline = time.monotonic() + _MAX_SECONDS
        for item in items:
            title = ""
            if item.is_gemtext and self._is_titled and self._is_same(item.names) and time.monotonic() < deadline:
                title = titles.read(self._root, (*self._names, *item.names), self._viewer)
            yield _format(item, title)
        if self._is_late:
            yield NO_TIME
        elif self._order.is_cut:
            yield tell_of_more(self._limit)

    def _choose(self, others: Sequence[Location]) -> list[Item]:
        """Those that are shown, in order."""
        found = self._open(())
        items = self._walk((), found, others, ())
        if self._settings.feed:
            return self._order.sort(items)
        chosen = list(islice(items, self._limit + 1))
        if len(chosen) > self._limit:
            self._order.is_cut = True
            del chosen[self._limit :]
        return chosen

    def _walk(
        self, below: tuple[str, ...], found: Found, others: Sequence[Location], way: Sequence[Identity]
    ) -> Iterator[Item]:
        """What is in a directory so far below the listed one, which is closed then; each directory is followed by what
        is in it. `way` are those that it is in."""
        way = (*way, identify(found.resolved.status))
        try:
            items = self._order.sort(self._scan(below, found.resolved.descriptor, others))
        finally:
            os.close(found.resolved.descriptor)
        for item in items:
            yield item
            if len(way) <= self._settings.recursive and self._is_followed(item):
                inner = self._open_inner(item.names, way)
                if inner is not None:
                    yield from self._walk(item.names, inner, inner.others, way)

    def _scan(self, below: tuple[str, ...], directory: int, others: Sequence[Location]) -> Iterator[Item]:
        url_names = (*self._url.names, *below)
        sight = Sight(self._open_entry, others, self._viewer.hides, self._find_mounted(url_names))
        for entry in scan_directory(self._root, directory, url_names, self._viewer.location, sight):
            if time.monotonic() >= self._deadline:
                self._is_late = True
                return
            if entry.name != self._settings.preamble:
                yield self._order.make_item(below, entry, is_gemtext=self._is_gemtext(below, entry))

    def _is_gemtext(self, below: tuple[str, ...], entry: DirectoryEntry) -> bool:
        """Whether it would be answered as such."""
        return entry.is_file and self._find_type_of((*below, entry.name)).startswith(GEMTEXT)

    def _find_type_of(self, below: tuple[str, ...]) -> str:
        """The media type that is answered; "" where something else is said in place of what is there."""
        names, viewer = (*self._names, *below), self._viewer
        return judged(partial(self._find_type, self._root, names, viewer.location, viewer.peer))

    def _find_mounted(self, url_names: tuple[str, ...]) -> Mapping[str, DirectoryEntry | None]:
        if self._mounts is None:
            return NOTHING_MOUNTED
        return self._mounts.find(url_names, self._viewer.location, self._viewer.peer)

    def _open_entry(self, root: int, names: Sequence[str]) -> int:
        return self._viewer.open(root, names, is_entry=True).resolved.descriptor

    def _open(self, below: tuple[str, ...]) -> Found:
        return self._viewer.open(self._root, (*self._names, *below))

    def _is_followed(self, item: Item) -> bool:
        """Whether it may be listed in-line, as far as its name tells."""
        entry = item.entry
        if not entry.is_directory or entry.is_link or entry.size is None or self._is_late:
            return False
        return self._is_same(item.names)

    def _is_same(self, below: tuple[str, ...]) -> bool:
        """Whether the location that decides about the directory that something is in decides about that as well."""
        if self._mounts is None:
            return True
        names = (*self._url.names, *below)
        return self._mounts.are_together(self._viewer.location.host, names[:-1], names)

    def _open_inner(self, below: tuple[str, ...], way: Sequence[Identity]) -> Found | None:
        """A directory that would be answered with a listing, and is none of those that it is in."""
        try:
            found = self._open(below)
        except (OSError, GeminiError):
            return None
        descriptor, status = found.resolved.descriptor, found.resolved.status
        locations = (self._viewer.location, *found.others)
        if (
            stat.S_ISDIR(status.st_mode)
            and identify(status) not in way
            and all(each.listing for each in locations)
            and not any(_is_file_in(descriptor, index) for each in locations for index in each.index)
        ):
            return found
        os.close(descriptor)
        return None


def _is_file_in(directory: int, name: str) -> bool:
    """Whether there may be one, where a link counts as such."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        return error.errno not in NOT_FOUND or error.errno in FORBIDDEN
    return not stat.S_ISDIR(status.st_mode)


def _format(item: Item, title: str) -> str:
    if not item.date:
        return format_entry(item.entry, item.names[:-1], title)
    reference = refer_to(*item.names) + "/" * item.entry.is_directory
    return link(reference, date_label(item.date, title, item.stem, item.entry.name, reference))
