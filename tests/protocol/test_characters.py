import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.characters import (
    JOINERS,
    escape,
    escape_field,
    fits_header,
    is_misleading,
    percent_encode,
    replace_harmful,
    shows_something,
)
from gemd.protocol.errors import BadRequest
from gemd.protocol.url import parse_url

# What it is: whether a header, a URL or variable, a page, and a terminal may have it.
CHARACTERS = {
    "NUL": ("\0", False, False, False, False),
    "line feed": ("\n", False, False, False, False),
    "form feed": ("\x0c", False, False, False, False),
    "escape": ("\x1b", False, False, False, False),
    "delete": ("\x7f", False, False, False, False),
    "next line": ("\x85", False, False, False, False),
    "CSI": ("\x9b", False, False, False, False),
    "line separator": ("\u2028", False, False, False, False),
    "paragraph separator": ("\u2029", False, False, False, False),
    "Arabic letter mark": ("\u061c", True, False, False, False),
    "right-to-left mark": ("\u200f", True, False, False, False),
    "right-to-left override": ("\u202e", True, False, False, False),
    "isolate": ("\u2066", True, False, False, False),
    "joiner": ("\u200d", True, True, True, False),
    "zero width space": ("\u200b", True, True, True, False),
    "byte order mark": ("\ufeff", True, True, True, False),
    "stray octet": ("\udcff", False, True, False, False),
    "umlaut": ("ü", True, True, True, True),
    "emoji": ("\U0001f600", True, True, True, True),
    "soft": ("~", True, True, True, True),
}


@pytest.mark.parametrize(("character", "header", "value", "page", "terminal"), CHARACTERS.values(), ids=CHARACTERS)
def test_who_may_have_what(character, header, value, page, terminal):
    text = f"a{character}b"
    assert fits_header(text) == header
    assert is_misleading(text) != value
    assert (percent_encode(text) == text) == value
    assert (replace_harmful(text) == text) == page
    assert (escape(text) == text) == (escape_field(text) == text) == terminal


@pytest.mark.parametrize("character", [row[0] for row in CHARACTERS.values() if row[0] != "\udcff"])
def test_a_url_has_nothing_that_misleads(character):
    try:
        parse_url(f"gemini://h/a{character}b".encode())
    except BadRequest:
        assert is_misleading(character)
    else:
        assert not is_misleading(character)


# Categories that can end a line or steer a terminal, and characters that turn text around.
_BAD = {"Cc", "Zl", "Zp", "Cs"}
_TURNS = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def is_harmless(text):
    return not any(unicodedata.category(c) in _BAD or unicodedata.bidirectional(c) in _TURNS for c in text)


def unescape(text):
    return re.sub(r"\\(?:x(..)|u(....))", lambda match: chr(int(match[1] or match[2], 16)), text)


ANYTHING = st.text(st.characters() | st.sampled_from('\\"x\u2028\u202e\udcff\x9b'), max_size=30)


@given(ANYTHING)
def test_an_escaped_field_is_harmless_and_still_all_there(text):
    escaped = escape_field(text)
    assert is_harmless(escaped)
    assert '"' not in escaped
    assert unescape(escaped) == text


@given(ANYTHING)
def test_what_is_escaped_is_harmless_and_stays_so(text):
    escaped = escape(text)
    assert is_harmless(escaped)
    assert escape(escaped) == escaped
    assert len(escaped.splitlines()) <= 1


@given(ANYTHING)
def test_what_was_encoded_or_replaced_is_harmless(text):
    assert not is_misleading(percent_encode(text))
    assert is_harmless(replace_harmful(text))


def test_some_may_be_kept():
    assert escape("a\n\tb\x1b" + JOINERS, keep="\n\t" + JOINERS) == "a\n\tb\\x1b" + JOINERS


EMPTY = [
    "",
    " ",
    "\t",
    "\u3000",
    "\u00a0\u2003",
    "\u200b",
    "\ufeff",
    "\u00ad",
    "\u3164",
    "\u2800",
    "\ufe0f",
    "\U000e0041",
]


@pytest.mark.parametrize("text", EMPTY)
def test_what_shows_nothing(text):
    assert not shows_something(text)
    assert shows_something(text + "a" + text)


@pytest.mark.parametrize(
    "text", ["a", "ü", "-", "\N{GRINNING FACE}", "\N{REPLACEMENT CHARACTER}", "\N{THAI CHARACTER KO KAI}"]
)
def test_what_shows_something(text):
    assert shows_something(text)
