import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.meta_file import MAX_GLOBS, MAX_LINES, MAX_NAMES, MAX_PARAMETERS, Preset, parse_meta
from gemd.protocol.response import MAX_META, encode_header

README = """
# This line will be ignored.
**/*.de.gmi: ;lang=de
nl/**/*.gmi: ;lang=nl
index.gmi: ;lang=en-GB
LICENSE: text/plain;charset=UTF-8
gone.gmi: 52 This file is no longer here, sorry.
"""  # Agate's

SAID = {
    "index.gmi": (20, ";lang=en-GB"),
    "LICENSE": (20, "text/plain;charset=UTF-8"),
    "gone.gmi": (52, "This file is no longer here, sorry."),
    "page.de.gmi": (20, ";lang=de"),
    "deep/down/page.de.gmi": (20, ";lang=de"),
    "nl/pagina.gmi": (20, ";lang=nl"),
    "nl/a/b.gmi": (20, ";lang=nl"),
    "nl/page.de.gmi": (20, ";lang=nl"),
    "other.gmi": None,
    "deep/index.gmi": None,
    ".hidden/page.de.gmi": None,
}


def find(text, path):
    presets, faults = parse_meta(text.encode())
    assert not faults
    return presets.find(path)


@pytest.mark.parametrize(("path", "expected"), SAID.items())
def test_what_agates_own_example_says(path, expected):
    found = find(README, path)
    assert (found and (found.status, found.text)) == expected


@pytest.mark.parametrize("lines", [("a.gmi: 51 A", "*.gmi: 52 B"), ("*.gmi: 51 A", "a.gmi: 52 B")])
def test_the_last_line_that_matches_counts(lines):
    assert find("\n".join(lines), "a.gmi").status == 52
    assert find("\n".join(reversed(lines)), "a.gmi").status == 51


def test_of_patterns_the_last_one_counts():
    assert find("*: 50 A\na*: 51 B\n?b: 52 C\n", "ab").status == 52
    assert find("*: 50 A\na*: 51 B\n?b: 52 C\n", "ax").status == 51


PRESETS = {
    "a:": (20, ""),
    "a: # nothing": (20, ""),
    "a : ;lang=de": (20, ";lang=de"),
    "  a:;lang=de,fr  ": (20, ";lang=de,fr"),
    "a: image/svg+xml": (20, "image/svg+xml"),
    "a: 20 text/plain": (20, "text/plain"),
    "a/: 31 /b": (31, "/b"),
    "a: 30 gemini://other.example:1965/x?y": (30, "gemini://other.example:1965/x?y"),
    "a: 30 /ü?ß": (30, "/%C3%BC?%C3%9F"),
    "a: 10 Wie heißt du?": (10, "Wie heißt du?"),
    "a:\t52\tGone": (52, "Gone"),
    "a: 51": (51, ""),
    "a: 44 30": (44, "30"),
    "a: 60 Bring a certificate": (60, "Bring a certificate"),
}


@pytest.mark.parametrize(("line", "expected"), PRESETS.items())
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_what_a_line_says(line, expected, end):
    found = find("\ufeff" + line + end, "a")
    assert (found.status, found.text) == expected


FAULTS = {
    b"no colon": "no colon",
    b"[section]": "no colon",
    b": text/plain": "expected a pattern",
    b"/a: text/plain": "expected a path below",
    b"../a: text/plain": "expected a path below",
    b"a**: text/plain": "stands for names",
    b"[a: text/plain": "a bracket",
    b"a: gone": "expected a media type",
    b"a: t\xc3\xa4xt/plain": "expected a media type",
    b"a: text/plain; a=\xc3\xa4": "expected a media type",
    b"a: ;lang=\xc3\xa4": "expected parameters in ASCII",
    b"a: ;" + b"x" * MAX_PARAMETERS: "of at most 512 bytes",
    b"a: 5 Gone": "expected a status of two digits",
    b"a: 520 Gone": "expected a status of two digits",
    b"a: 52Gone": "expected a status of two digits",
    b"a: 7": "expected a status of two digits",
    "a: ٥٢ Gone".encode(): "expected a status of two digits",
    b"a: 55 Gone": "there is no status 55",
    b"a: 10": "status 10 needs a text",
    b"a: 20": "expected a media type behind the status 20",
    b"a: 31": "a redirect has to lead somewhere",
    b"a: 20 Welcome": "expected a media type behind the status 20",
    b"a: 30 /b c": "a URL has no blank",
    b"a: 30 gemini:///b": "needs a host name",
    b"a: 44 soon": "expected the seconds",
    b"a: 52 Gone\x1b[2J": "control character",
    b"a: 52 " + b"x" * (MAX_META + 1): "at most 1024 are allowed",
    b"\xff: text/plain": "not UTF-8",
}


@pytest.mark.parametrize(("line", "text"), FAULTS.items(), ids=map(repr, FAULTS))
def test_a_line_that_is_none_costs_itself(line, text):
    presets, faults = parse_meta(b"a: 50 Before\n" + line + b"\nb: 52 Behind\n")
    assert [fault.number for fault in faults] == [2]
    assert text in faults[0].text
    assert [presets.find(path).status for path in "ab"] == [50, 52]


@pytest.mark.parametrize(
    ("preset", "guessed", "expected"),
    [
        (";lang=de", "text/gemini", "text/gemini;lang=de"),
        ("; lang=de", "text/gemini; lang=en; x=y", "text/gemini; x=y; lang=de"),
        (";charset=ascii", "text/plain; charset=utf-8", "text/plain;charset=ascii"),
        ("", "text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("image/png", "text/plain; charset=utf-8", "image/png"),
    ],
)
def test_describes_a_type(preset, guessed, expected):
    assert Preset(20, preset).describe(guessed) == expected


def test_what_is_too_much_is_no_file():
    assert not parse_meta(b"a: b/c\n" * MAX_LINES)[1]
    with pytest.raises(ValueError, match="more than 1000 lines"):
        parse_meta(b"a: b/c\n" * (MAX_LINES + 1))
    glob = b"*aaaaaaaaaaaaaaa"
    assert not parse_meta((glob + b": b/c\n") * (MAX_GLOBS // len(glob)))[1]
    with pytest.raises(ValueError, match="have more than 4096 characters"):
        parse_meta((glob + b": b/c\n") * (MAX_GLOBS // len(glob) + 1))


HOSTILE = [
    "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a[b]",
    "**/a/**/a/**/a/**/a/**/a/**/a/[b]",
    "**/*a/*a/*a/*a/[b]",
    "*" + "a" * 200 + "[b]",
]


@pytest.mark.parametrize("pattern", HOSTILE)
@pytest.mark.parametrize("path", ["a" * 1000, "a/" * (MAX_NAMES - 1) + "a", "a/" * 500 + "a"])
def test_no_pattern_runs_away(pattern, path):
    presets, _ = parse_meta(f"{pattern}: b/c\n".encode() * (MAX_GLOBS // len(pattern)))
    began = time.process_time()
    assert presets.find(path) is None
    assert time.process_time() - began < 0.5


@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=40), max_size=10))
def test_whatever_it_says_fits_a_header(lines):
    presets, faults = parse_meta("\n".join(f"a: {line}" for line in lines).encode("utf-8", "surrogatepass"))
    assert len(faults) <= len(lines)
    found = presets.find("a")
    if found is not None:
        assert encode_header(found.status, found.text if found.is_header else found.describe("text/plain"))
