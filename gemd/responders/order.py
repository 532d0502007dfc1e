"""The order of a listing's entries.

Rules: directories come first; what is left out at the limit is what comes last, however much there is to choose from.
"""

from collections.abc import Iterable, Sequence

import msgspec

from gemd.config.listing_settings import ListingSettings
from gemd.responders.dated import find_date, looks_dated
from gemd.responders.listing import DirectoryEntry, choose_first, natural_order


class Item(msgspec.Struct):
    """An entry with its names below the listed directory. `date` is what stands before its title in a feed, "" for what
    is no entry of that, and `place` its own among those of its date."""

    names: tuple[str, ...]
    entry: DirectoryEntry
    is_gemtext: bool
    place: str
    date: str

    @property
    def stem(self) -> str:
        """Its name, for gemtext without the extension."""
        name = self.entry.name
        return name.rpartition(".")[0] if self.is_gemtext else name


class ListingOrder:
    """That of a `listing` table, for at most `limit` items."""

    def __init__(self, settings: ListingSettings, limit: int) -> None:
        self._settings = settings
        self._limit = limit
        self.is_cut = False

    def make_item(self, above: Sequence[str], entry: DirectoryEntry, *, is_gemtext: bool) -> Item:
        """An entry of the directory that is so far below the listed one."""
        name, date = entry.name, ""
        place = natural_order("/".join((*above, name)))
        if self._settings.feed and (is_gemtext or looks_dated(name)):
            date = find_date(name, entry.modified)
            if not name.startswith(date):
                place = f"{entry.modified:020.3f}{place}"  # of those of a day that their names don't tell
        return Item((*above, name), entry, is_gemtext, place, date)

    def sort(self, items: Iterable[Item]) -> list[Item]:
        """The first of them, in order; `is_cut` says whether ever some were left out."""
        kept, is_cut = choose_first(items, self._limit, self._sort)
        self.is_cut = self.is_cut or is_cut
        return kept

    def _sort(self, items: list[Item]) -> list[Item]:
        groups: list[list[Item]] = [[], [], []]
        for item in items:
            groups[1 if item.date else 2 if item.entry.is_file else 0].append(item)
        for group in groups:
            self._sort_group(group)
        return [item for group in groups for item in group]

    def _sort_group(self, items: list[Item]) -> None:
        """By texts and numbers alone: nothing interrupts a sort, and these are compared fast."""
        settings = self._settings
        if settings.feed:
            items.sort(key=lambda item: item.date + item.place)
            if items and items[0].date and not settings.reverse:
                items.reverse()
        else:
            items.sort(key=lambda item: item.place, reverse=settings.reverse and settings.sort == "name")
            if settings.sort != "name":
                items.sort(key=self._measure, reverse=settings.reverse)

    def _measure(self, item: Item) -> float:
        if self._settings.sort == "time":
            return item.entry.modified
        return item.entry.size or 0 if item.entry.is_file else 0  # that of a directory says nothing about what is in it
