"""Headings of gemtext that others have written (gemtext specification 0.24.1), and labels made of them.

Rules: any octets are a page: what is no UTF-8 has replacement characters; what stands between the toggles of
preformatted text is no heading; a label is one line that shows something, or nothing at all.
"""

import re
from collections.abc import Iterator

from gemd.protocol.characters import replace_harmful, shows_something

MAX_LABEL = 120  # characters

_BOM = "\ufeff"
_TOGGLE = "```"
_LINE_END = re.compile("\r?\n")


def decode_page(octets: bytes) -> str:
    """A text as UTF-8, without its byte order mark, its lines ended by LF alone."""
    return _LINE_END.sub("\n", octets.decode("utf-8", "replace").removeprefix(_BOM))


def find_heading(octets: bytes) -> str:
    """The first heading of a page that begins with `octets`, of any level, as a label; "" where there is none."""
    for _, text in _headings(decode_page(octets)):
        label = make_label(text)
        if label:
            return label
    return ""


def has_title(text: str) -> bool:
    """Whether a heading of level 1 in it shows something."""
    return any(level == 1 and shows_something(heading) for level, heading in _headings(text))


def is_open(text: str) -> bool:
    """Whether it ends within preformatted text, as what is added to it would."""
    return sum(line.startswith(_TOGGLE) for line in text.split("\n")) % 2 == 1


def make_label(text: str) -> str:
    """`text` as a label of at most MAX_LABEL characters, its white space single blanks; "" if it shows nothing."""
    label = " ".join(replace_harmful(" ".join(text.split())).split())
    if len(label) > MAX_LABEL:
        label = label[: MAX_LABEL - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
    return label if shows_something(label) else ""


def _headings(text: str) -> Iterator[tuple[int, str]]:
    """Each with its level."""
    is_preformatted = False
    for line in text.split("\n"):
        if line.startswith(_TOGGLE):
            is_preformatted = not is_preformatted
        elif line.startswith("#") and not is_preformatted:
            rest = line.lstrip("#")
            yield len(line) - len(rest), rest
