"""Characters that do harm, by what they do, and how they are written so that they do none.

Rule: the classes stand here and nowhere else; who has to refuse or replace some says which, and why not all of them.
"""

import re
from urllib.parse import quote

# Content of a regular expression's brackets.
_CONTROL = "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: they end lines and fields, and steer terminals
_SEPARATOR = "\u2028\u2029"  # line and paragraph separator: str.splitlines and some viewers end a line there
_TURNING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns text around; RFC 3987 (4.1) bars it from IRIs
_INVISIBLE = "\u200b-\u200d\u2060-\u2065\u206a-\u206f\ufeff"  # what makes two texts look the same
_SURROGATE = "\ud800-\udfff"  # octets that are not UTF-8, as file names have them (PEP 383): they can't be sent

# What is none of these, nor white space, and yet shows nothing: soft hyphens, fillers, selectors of a form, tags.
_EMPTY = (
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)

JOINERS = "\u200c\u200d"  # of those that are invisible, what emoji and many scripts are written with

_ENDS_HEADER = re.compile(f"[{_CONTROL}{_SEPARATOR}{_SURROGATE}]")
_MISLEADS = re.compile(f"[{_CONTROL}{_SEPARATOR}{_TURNING}]")
_HARMS_PAGE = re.compile(f"[{_CONTROL}{_SEPARATOR}{_TURNING}{_SURROGATE}]")
_SHOWS = rf"[^\s{_CONTROL}{_SEPARATOR}{_TURNING}{_INVISIBLE}{_SURROGATE}{_EMPTY}]"
_HARMS_TERMINAL = re.compile(f"[{_CONTROL}{_SEPARATOR}{_TURNING}{_INVISIBLE}{_SURROGATE}]")
_HARMS_FIELD = re.compile(f'["\\\\{_CONTROL}{_SEPARATOR}{_TURNING}{_INVISIBLE}{_SURROGATE}]')


def fits_header(text: str) -> bool:
    """Whether `text` may stand in a header. What turns text around may: a prompt in Hebrew is written with it."""
    return _ENDS_HEADER.search(text) is None


def is_misleading(text: str) -> bool:
    """Whether `text` has a character that a URL, the path of a script or a variable's value must not have. Octets that
    are not UTF-8 may be part of a file's name."""
    return _MISLEADS.search(text) is not None


def percent_encode(text: str) -> str:
    """`text` with misleading characters percent-encoded, and all others as they are."""
    return _MISLEADS.sub(lambda match: quote(match[0], safe=""), text)


def replace_harmful(text: str) -> str:
    """`text` as a page may show it, with U+FFFD in the place of each harmful character; joiners stay."""
    return _HARMS_PAGE.sub("\N{REPLACEMENT CHARACTER}", text)


def shows_something(text: str) -> bool:
    """Whether there is anything to see in `text`: a label of blanks alone is none."""
    return re.search(_SHOWS, text) is not None


def escape(text: str, *, keep: str = "") -> str:
    """`text` as a terminal or a log may show it, harmful characters as escapes: xhh or uhhhh after a backslash.

    Those in `keep` stay.
    """
    return _HARMS_TERMINAL.sub(lambda match: match[0] if match[0] in keep else _escape_one(match), text)


def escape_field(text: str) -> str:
    """The same for a field in quotes, with quotes and backslashes as escapes too: what was sent can be told from it."""
    return _HARMS_FIELD.sub(_escape_one, text)


def _escape_one(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
