"""Dates before the links of a page, by which one can subscribe to it (companion specification "Subscribing to Gemini
pages").

Rule: each dated label is a date of the calendar and a title that shows something, so that every reader has an entry.
"""

import datetime
import re

from gemd.protocol.headings import make_label

_MARKS = "-_.,:; \u2013\u2014"
_DATE = re.compile(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?![0-9])[\s{re.escape(_MARKS)}]*")
_EARLIEST = "1970-01-01"


def looks_dated(text: str) -> bool:
    """Whether readers may take its beginning for a date."""
    return _DATE.match(text) is not None


def find_date(name: str, modified: float) -> str:
    """The date that a name begins with, if the calendar has it; else the day, in UTC, of `modified`, in seconds."""
    match = _DATE.match(name)
    if match is not None and _is_date(match[1]):
        return match[1]
    try:
        return datetime.datetime.fromtimestamp(modified, datetime.UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return _EARLIEST  # a file system may hold dates that a calendar does not


def date_label(date: str, *titles: str) -> str:
    """The label of an entry: its date, and the first of `titles` that is more than marks, which readers leave out.
    Of each a date at its beginning is left out first, unless that is all."""
    for title in titles:
        for text in (_DATE.sub("", title, count=1) if looks_dated(title) else title, title):
            label = make_label(text)
            if label.strip(_MARKS):
                return f"{date} {label}"
    return f"{date} {date}"


def _is_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True
