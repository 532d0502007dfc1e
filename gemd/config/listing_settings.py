"""The settings of listings: what stands in the page of a directory, and in which order."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from gemd.config.types import Settings, Text

Depth = Annotated[int, Meta(ge=0, le=16, description="a whole number from 0 to 16")]


class ListingSettings(Settings, frozen=True):
    """A `listing` table. `preamble` is the name of a file whose text comes first; `recursive` how many levels of
    directories are listed besides; with `feed` it is a page that one can subscribe to."""

    preamble: Text | None = None
    sort: Literal["name", "time", "size"] = "name"
    reverse: bool = False
    titles: bool = False
    recursive: Depth = 0
    feed: bool = False


def judge_listing(listing: bool | ListingSettings) -> Iterator[tuple[str, str]]:
    """What is wrong with a `listing`, by key."""
    if isinstance(listing, bool):
        return
    name = listing.preamble
    if name is not None and ("/" in name or name in (".", "..")):
        yield "listing.preamble", "expected the name of a file that is in the directory itself, without a slash"
    if listing.feed and listing.sort != "name":
        yield "listing.sort", "with feed = true the order is by date, the newest first: remove one of the two keys"
