"""A directory as a gemtext page.

Rules: directories first, then files, each in natural order; hidden names are left out; the page is bounded by a number
of entries, and says so when it leaves some out.
"""

import contextlib
import datetime
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

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
Hides = Callable[[os.stat_result, Sequence[str]], bool]  # what is there, and the names of its URL

_DIGITS = re.compile("[0-9]+")


class _Entry(msgspec.Struct):
    name: str
    is_directory: bool
    size: int
    modified: float


def list_directory(
    url: Url,
    location: Location,
    limit: int,
    open_below: OpenBelow | None = None,
    others: Sequence[Location] = (),
    hides: Hides = lambda *_: False,
) -> Response:
    """The listing of the directory that the URL names, at most `limit` entries.

    `open_below` opens what names lead to below the open root, and raises what keeps the client from it; by default what
    is beneath. `others` are locations that have to allow a name besides, and `hides` says of what nothing is shown.
    Raises NotFound (51), and what `open_below` raises for the directory.
    """
    open_below = open_below or partial(open_beneath, symlinks=location.symlinks)
    try:
        entries = list(islice(_read_entries(url, location, open_below, others, hides), limit + 1))
    except OSError:
        raise NotFound from None  # it was there a moment ago
    more = len(entries) > limit
    del entries[limit:]
    entries.sort(key=lambda entry: "01"[not entry.is_directory] + natural_order(entry.name))
    lines = [heading("/" + "/".join(url.names)), "\n"]
    if url.names:
        lines.append(link("../", ".. (up)"))
    lines.extend(map(_format, entries))
    if more:
        lines.append(f"There are more than {limit} entries; the others are left out.\n")
    meta = add_parameters(GEMTEXT, lang=location.lang, charset=None)
    return Response(Status.SUCCESS, meta, "".join(lines).encode())


def natural_order(name: str) -> str:
    """A sort key by which "page 9" comes before "page 10", upper and lower case side by side.

    One text: to compare 50,000 lists stops all threads for a fifth of a second, as nothing interrupts a sort.
    """
    return f"{_DIGITS.sub(_order_digits, name.casefold())}\0\0{name}"


def _order_digits(found: re.Match[str]) -> str:
    """Longer numbers after shorter ones, and digits before everything else: there is no NUL in a name."""
    digits = found[0].lstrip("0")
    return f"\0{len(digits):03}{digits}\0{found[0]}\0"


def _read_entries(
    url: Url, location: Location, open_below: OpenBelow, others: Sequence[Location], hides: Hides
) -> Iterator[_Entry]:
    """What may be seen: regular files and directories, and links to them that would be served."""
    assert location.root is not None
    names = url.names[len(location.mount) :]
    with contextlib.ExitStack() as opened:
        root = open_root(location.root)
        opened.callback(os.close, root)
        directory = open_below(root, names)
        opened.callback(os.close, directory)
        for entry in opened.enter_context(os.scandir(directory)):
            if not all(each.allows_name(entry.name) for each in (location, *others)):
                continue
            try:
                status = _stat_link(root, (*names, entry.name), open_below) if entry.is_symlink() else entry.stat()
            except (OSError, GeminiError):
                continue  # a link that leads nowhere, or out, or where the client may not go; or gone meanwhile
            if hides(status, (*url.names, entry.name)) or not _is_shown((*names, entry.name), status, location):
                continue
            if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
                yield _Entry(entry.name, stat.S_ISDIR(status.st_mode), status.st_size, status.st_mtime)


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


def _format(entry: _Entry) -> str:
    reference = encode_segment(entry.name)
    if ":" in reference:
        reference = "./" + reference  # else what stands before the colon would be a scheme (RFC 3986, 4.2)
    if entry.is_directory:
        return link(reference + "/", entry.name + "/")
    return link(reference, f"{entry.name} ({format_size(entry.size)}{_format_date(entry.modified)})")


def _format_date(seconds: float) -> str:
    try:
        return f", {datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return ""  # a file system may hold dates that a calendar does not
