"""Gemtext, written (gemtext specification 0.24.1).

Rule: no text given here can become a line of another kind, or a second line.
"""

import re

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """`text` with control, line-breaking and direction-changing characters and stray octets replaced by U+FFFD."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def heading(text: str, level: int = 1) -> str:
    """A heading line of level 1 to 3."""
    return f"{'#' * level} {plain(text)}\n"


def link(url: str, label: str = "") -> str:
    """A link line; `url` must be percent-encoded."""
    return f"=> {url} {plain(label)}".rstrip() + "\n"
