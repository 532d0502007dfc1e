"""A directory as a gemtext page.

Rules: directories first, then files, each in natural order; hidden names are left out; the page is bounded by a number
of entries, of which the first in order are shown, and by time, and says so when it leaves some out.
"""

import contextlib
import datetime
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from gemd.config.host_settings import Location
from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.gemtext import heading, link
from gemd.protocol.mime import GEMTEXT, add_parameters
from gemd.protocol.quantities import format_size
from gemd.protocol.response import Response
from gemd.protocol.status import Status
from gemd.protocol.url import Url, encode_segment
from gemd.responders.script_looks import has_script_extension
from gemd.system.beneath import open_beneath, open_root

OpenBelow = Callable[[int, Sequence[str]], int]  # root and names; gives a descriptor
Hides = Callable[[os.stat_result, tuple[str, ...]], bool]  # what is there, and the names of its URL

UP = link("../", ".. (up)")
NO_TIME = "There was no time for more; some entries are left out.\n"
MAX_SECONDS = 4.0  # for a page: with the rest, less than a turn

T = TypeVar("T")

_DIGITS = re.compile("[0-9]+")


class DirectoryEntry(msgspec.Struct):
    """Of a directory. The size is None for what is mounted there and no directory."""

    name: str
    is_directory: bool
    size: int | None
    modified: float
    is_link: bool = False

    @property
    def is_file(self) -> bool:
        """Whether it stands behind the directories."""
        return not self.is_directory and self.size is not None


NOTHING_MOUNTED: Mapping[str, DirectoryEntry | None] = {}


class Sight(msgspec.Struct, frozen=True):
    """What may be seen of a directory. `open_below` opens what names lead to below the open root, and raises what keeps
    the client from it; `others` are locations that have to allow a name besides, and `hides` says of what nothing is
    shown. `mounted` are other locations in it, by their names, and None for those of which nothing is shown."""

    open_below: OpenBelow
    others: Sequence[Location] = ()
    hides: Hides = lambda *_: False
    mounted: Mapping[str, DirectoryEntry | None] = NOTHING_MOUNTED


def list_directory(url: Url, location: Location, limit: int, sight: Sight | None = None) -> Response:
    """The listing of the directory that the URL names, at most `limit` entries; by default of all that is beneath.

    Raises NotFound (51), and what `open_below` raises for the directory.
    """
    sight = sight or Sight(partial(open_beneath, symlinks=location.symlinks))
    deadline = time.monotonic() + MAX_SECONDS
    is_late = False

    def read_in_time() -> Iterator[DirectoryEntry]:
        nonlocal is_late
        for entry in _read_entries(url, location, sight):
            if time.monotonic() >= deadline:
                is_late = True
                return
            yield entry

    try:
        entries, is_cut = choose_first(read_in_time(), limit, _sort)
    except OSError:
        raise NotFound from None  # it was there a moment ago
    lines = [heading("/" + "/".join(url.names)), "\n"]
    if url.names:
        lines.append(UP)
    lines.extend(format_entry(entry) for entry in entries)
    if is_late:
        lines.append(NO_TIME)
    elif is_cut:
        lines.append(tell_of_more(limit))
    return answer_listing(location, "".join(lines))


def choose_first(items: Iterable[T], limit: int, sort: Callable[[list[T]], list[T]]) -> tuple[list[T], bool]:
    """The first `limit` of the items as `sort` has them, and whether others are left out. A quarter more is held at
    once, however many there are."""
    kept: list[T] = []
    is_cut = False

    def cut() -> list[T]:
        nonlocal is_cut
        found = sort(kept)
        is_cut = is_cut or len(found) > limit
        return found[:limit]

    for item in items:
        kept.append(item)
        if len(kept) > limit + limit // 4:
            kept = cut()
    return cut(), is_cut


def _sort(entries: list[DirectoryEntry]) -> list[DirectoryEntry]:
    return sorted(entries, key=lambda entry: "01"[entry.is_file] + natural_order(entry.name))


def answer_listing(location: Location, page: str) -> Response:
    """A page with the location's language."""
    meta = add_parameters(GEMTEXT, lang=location.lang, charset=None)
    return Response(Status.SUCCESS, meta, page.encode())


def tell_of_more(limit: int) -> str:
    """The last line of a page that leaves some out."""
    return f"There are more than {limit} entries; the others are left out.\n"


def natural_order(name: str) -> str:
    """A sort key by which "page 9" comes before "page 10", upper and lower case side by side.

    One text: to compare 50,000 lists stops all threads for a fifth of a second, as nothing interrupts a sort.
    """
    return f"{_DIGITS.sub(_order_digits, name.casefold())}\0\0{name}"


def _order_digits(found: re.Match[str]) -> str:
    """Longer numbers after shorter ones, and digits before everything else: there is no NUL in a name."""
    digits = found[0].lstrip("0")
    return f"\0{len(digits):03}{digits}\0{found[0]}\0"


def _read_entries(url: Url, location: Location, sight: Sight) -> Iterator[DirectoryEntry]:
    assert location.root is not None
    names = url.names[len(location.mount) :]
    with contextlib.ExitStack() as opened:
        root = open_root(location.root)
        opened.callback(os.close, root)
        directory = sight.open_below(root, names)
        opened.callback(os.close, directory)
        yield from scan_directory(root, directory, url.names, location, sight)


def scan_directory(
    root: int, directory: int, url_names: tuple[str, ...], location: Location, sight: Sight
) -> Iterator[DirectoryEntry]:
    """What may be seen of an open directory below the open root of its location: regular files and directories, links
    to them that would be served, and what is mounted there. Raises OSError."""
    names = url_names[len(location.mount) :]
    locations = (location, *sight.others)
    yield from filter(None, sight.mounted.values())
    with os.scandir(directory) as found:
        for entry in found:
            name = entry.name
            if name in sight.mounted or not all(each.allows_name(name) for each in locations):
                continue
            is_link = entry.is_symlink()
            try:
                status = _stat_link(root, (*names, name), sight.open_below) if is_link else entry.stat()
            except (OSError, GeminiError):
                continue  # a link that leads nowhere, or out, or where the client may not go; or gone meanwhile
            if sight.hides(status, (*url_names, name)) or not _is_shown((*names, name), status, location):
                continue
            if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
                yield DirectoryEntry(name, stat.S_ISDIR(status.st_mode), status.st_size, status.st_mtime, is_link)


def _is_shown(names: tuple[str, ...], status: os.stat_result, location: Location) -> bool:
    """Whether what these names lead to is no directory of scripts, and no script that can't be run."""
    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o111:
        return True
    places = location.script_places
    if location.cgi and places.find_depth(names) is not None:
        return False
    return not (places.is_everywhere and stat.S_ISREG(status.st_mode) and has_script_extension(names[-1]))


def _stat_link(root: int, names: Sequence[str], open_below: OpenBelow) -> os.stat_result:
    """What a request for the link would find. Raises OSError or GeminiError where it would find nothing."""
    target = open_below(root, names)
    try:
        return os.fstat(target)
    finally:
        os.close(target)


def format_entry(entry: DirectoryEntry, above: Sequence[str] = (), title: str = "") -> str:
    """The line of an entry of a directory whose names below the listed one are `above`."""
    name = title or "/".join((*above, entry.name))
    reference = refer_to(*above, entry.name)
    if entry.is_directory:
        return link(reference + "/", name + "/")
    if entry.size is None:
        return link(reference, name)
    return link(reference, f"{name} ({format_size(entry.size)}{_format_date(entry.modified)})")


def refer_to(*names: str) -> str:
    """A relative reference to what has these names below the listed directory."""
    reference = "/".join(map(encode_segment, names))
    if ":" in reference.partition("/")[0]:
        return "./" + reference  # else what stands before the colon would be a scheme (RFC 3986, 4.2)
    return reference


def _format_date(seconds: float) -> str:
    try:
        return f", {datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return ""  # a file system may hold dates that a calendar does not
