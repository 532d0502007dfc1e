import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.mime import add_parameters, guess_type, is_media_type, quote_parameter
from gemd.protocol.response import encode_header

FIRST = {".gmi": "text/gemini; lang=fr", ".a": "application/a"}
SECOND = {".gmi": "text/gemini", ".gz": "application/gzip", ".txt": "text/plain"}

GUESSES = {
    "page.gmi": "text/gemini; lang=fr",
    "PAGE.TXT": "text/plain",
    "notes.txt.gz": "application/gzip",
    "README": "application/octet-stream",
    "x.unknown": "application/octet-stream",
    ".gmi": "application/octet-stream",
    "": "application/octet-stream",
    "a.": "application/octet-stream",
}

PARAMETERS = [
    ("text/gemini", "en", None, "text/gemini; lang=en"),
    ("text/gemini", "en,fr", None, "text/gemini; lang=en,fr"),
    ("text/gemini", "en", "utf-8", "text/gemini; charset=utf-8; lang=en"),
    ("text/gemini; lang=de", "en", None, "text/gemini; lang=de"),
    ("text/gemini ;LANG=de", "en", None, "text/gemini ;LANG=de"),
    ("Text/Gemini; slang=de", "en", None, "Text/Gemini; slang=de; lang=en"),
    ("text/gemini-like", "en", None, "text/gemini-like"),
    ("text/plain;Charset=ascii", None, "utf-8", "text/plain;Charset=ascii"),
    ("text/gemini", "a b", None, 'text/gemini; lang="a b"'),
    ("text/gemini", "en,", None, 'text/gemini; lang="en,"'),
    ("text/plain; charset=ascii", None, "utf-8", "text/plain; charset=ascii"),
    ("text/plain", "en", None, "text/plain"),
    ("image/png", "en", "utf-8", "image/png"),
]


@pytest.mark.parametrize(("name", "media_type"), GUESSES.items())
def test_guesses(name, media_type):
    assert guess_type(name, FIRST, SECOND) == media_type


def test_a_star_stands_for_every_other_name():
    assert guess_type("README", {"*": "text/plain"}, SECOND) == "text/plain"
    assert guess_type("x.unknown", {"*": "text/plain"}, SECOND) == "text/plain"
    assert guess_type("x.gz", {"*": "text/plain"}, SECOND) == "application/gzip"


@pytest.mark.parametrize(("media_type", "lang", "charset", "expected"), PARAMETERS)
def test_adds_parameters(media_type, lang, charset, expected):
    assert add_parameters(media_type, lang=lang, charset=charset) == expected


FORCED = {
    "text/plain": "text/plain; charset=utf-8",
    "text/plain; charset=ascii": "text/plain; charset=utf-8",
    'text/plain;a=b ;CHARSET="x;\\"y";c=d': "text/plain;a=b;c=d; charset=utf-8",
    "text/plain; charset": "text/plain; charset; charset=utf-8",
    "image/svg+xml; charset=ascii": "image/svg+xml; charset=ascii",
}


@pytest.mark.parametrize(("media_type", "expected"), FORCED.items())
def test_a_forced_charset_takes_the_place_of_another(media_type, expected):
    assert add_parameters(media_type, lang=None, charset="utf-8", is_forced=True) == expected


def test_quotes_what_is_no_token():
    assert quote_parameter('a"b\\c') == '"a\\"b\\\\c"'


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60))
def test_any_printable_language_makes_a_header(lang):
    assert encode_header(20, add_parameters("text/gemini", lang=lang, charset=lang))


@pytest.mark.parametrize("text", ["text/gemini", "text/gemini; lang=en", "text/x; a=b;c=d", "image/svg+xml", "a/b ;c"])
def test_media_types(text):
    assert is_media_type(text)


@pytest.mark.parametrize("text", ["", "text", "text/", "/plain", "text/ plain", "text/plain\n", "text/plain;a\r\n20 x"])
def test_no_media_types(text):
    assert not is_media_type(text)
