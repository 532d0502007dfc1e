"""A page as one that subscribes to it reads it (companion specification "Subscribing to Gemini pages").

Nothing of gemd's own is used here.
"""

import datetime
import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

_LINK = re.compile(r"=>[ \t]*(\S+)(?:[ \t]+(.*))?")
# As readers have it that are strict: something that is no digit follows the date, and something more.
_ENTRY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[^0-9](.+)")


@dataclass
class FeedEntry:
    """A link whose label begins with a date; it is of noon UTC."""

    url: str
    title: str
    updated: datetime.datetime


@dataclass
class Feed:
    """`title` is the first heading of level 1, `subtitle` one of level 2 that follows it at once."""

    url: str
    title: str
    subtitle: str = ""
    entries: list[FeedEntry] = field(default_factory=list)

    @property
    def updated(self) -> datetime.datetime:
        """Of the latest entry."""
        return max(entry.updated for entry in self.entries)


def read_feed(url: str, text: str) -> Feed:
    """The feed that the page at a gemini URL is. Raises ValueError for a page that is none."""
    title: str | None = None
    subtitle, may_follow = "", False
    entries: dict[str, FeedEntry] = {}
    is_preformatted = False
    for line in text.split("\n"):
        line = line.removesuffix("\r")
        if line.startswith("```"):
            is_preformatted = not is_preformatted
        elif not is_preformatted:
            if title is None and re.match("#(?!#)", line):
                title, may_follow = line[1:].strip(), True
            elif may_follow and re.match("##(?!#)", line):
                subtitle, may_follow = line[2:].strip(), False
            elif line.strip() and not line.startswith("#"):
                may_follow = False
            if (link := _LINK.fullmatch(line)) and (entry := _ENTRY.fullmatch(link[2] or "")):
                day = datetime.date.fromisoformat(entry[1])
                noon = datetime.datetime(day.year, day.month, day.day, 12, tzinfo=datetime.UTC)
                address = "gemini" + urljoin("https" + url.removeprefix("gemini"), link[1]).removeprefix("https")
                entry_title = entry[2].strip(" \t-:")
                if not entry_title.strip():
                    raise ValueError(f"no title: {line!r}")
                entries.setdefault(address, FeedEntry(address, entry_title, noon))
    if not title:
        raise ValueError("no title")
    return Feed(url, title, subtitle, list(entries.values()))
