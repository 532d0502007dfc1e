import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.characters import shows_something
from gemd.protocol.headings import MAX_LABEL, decode_page, find_heading, has_title, is_open, make_label

HEADINGS = {
    "first": (b"# One\n# Two\n", "One"),
    "behind text": (b"Text\n\n# One\n", "One"),
    "without a line end": (b"# One", "One"),
    "without a blank": (b"#One\n", "One"),
    "level 2": (b"##  Two \n# One", "Two"),
    "level 3": (b"### Three", "Three"),
    "CR LF": (b"text\r\n# One\r\n", "One"),
    "byte order mark": (b"\xef\xbb\xbf# One\n", "One"),
    "blanks within": (b"#\t One \t two\xe3\x80\x80three\n", "One two three"),
    "empty, then one": (b"#\n# \n# \xe3\x80\x80\n## One\n", "One"),
    "in preformatted text": (b"```sh\n# comment\n```\n# One\n", "One"),
    "in preformatted text that has no end": (b"```\n# comment\n", ""),
    "not at the beginning of the line": (b" # One\n", ""),
    "none": (b"Text\n=> /a # a\n", ""),
    "nothing": (b"", ""),
    "octets that are no UTF-8": (b"# Caf\xe9\n", "Caf\N{REPLACEMENT CHARACTER}"),
    "control characters": (b"# \x1b[31mred\x07\n", "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"),
    "what turns around": ("# a\u202egpj\n".encode(), "a\N{REPLACEMENT CHARACTER}gpj"),
    "other ends of lines": ("# a\u2028b\x85c\x0bd\n".encode(), "a b c d"),
    "lone CR": (b"# a\rb\n", "a b"),
    "joiners": ("# \N{WOMAN}\u200d\N{ROCKET}\n".encode(), "\N{WOMAN}\u200d\N{ROCKET}"),
    "nothing to see": ("# \u200b\u2060\u3164\u2800\u00ad\ufe0f\n".encode(), ""),
    "an image": (bytes(range(256)), ""),
}


@pytest.mark.parametrize(("octets", "heading"), HEADINGS.values(), ids=HEADINGS)
def test_the_first_heading(octets, heading):
    assert find_heading(octets) == heading


def test_a_long_heading_is_cut():
    found = find_heading(b"# " + b"word " * 1000)
    assert len(found) <= MAX_LABEL
    assert found.endswith("word\N{HORIZONTAL ELLIPSIS}")
    assert find_heading(b"# " + b"x" * MAX_LABEL) == "x" * MAX_LABEL


def test_a_character_that_is_cut_in_two_is_no_fault():
    assert find_heading("# grün".encode()[:-2]).startswith("gr")


@given(st.binary() | st.text().map(str.encode) | st.text().map(lambda text: b"# " + text.encode()))
def test_any_octets_have_a_label_of_one_line_or_none(octets):
    found = find_heading(octets)
    assert found == make_label(found)
    assert len(found.splitlines()) <= 1
    assert found == "" or (shows_something(found) and found == found.strip())
    found.encode()


@given(st.text())
def test_a_page_is_decoded_as_it_is(text):
    expected = text.removeprefix("\ufeff")
    while "\r\n" in expected:
        expected = expected.replace("\r\n", "\n")
    assert decode_page(text.encode()).replace("\r\n", "\n").replace("\r", "") == expected.replace("\r", "")


TITLES = {
    "# One\n": True,
    "## Two\n": False,
    "## Two\n# One": True,
    "```\n# One\n```\n": False,
    "#\n": False,
    "# \u3000\n": False,
    "": False,
}


@pytest.mark.parametrize(("text", "has_one"), TITLES.items())
def test_a_title_is_a_heading_of_level_1(text, has_one):
    assert has_title(text) == has_one


@pytest.mark.parametrize(
    ("text", "open_at_end"),
    [("", False), ("```\n", True), ("```\na\n```\n", False), ("a ```\n", False), ("```alt", True)],
)
def test_whether_preformatted_text_goes_on(text, open_at_end):
    assert is_open(text) == open_at_end
