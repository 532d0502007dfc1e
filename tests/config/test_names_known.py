"""Charsets and languages that somebody knows."""

import pytest

from gemd.config.names_known import is_charset, is_languages


@pytest.mark.parametrize(
    "name",
    ["utf-8", "UTF-8", "iso-8859-1", "ISO_8859-1:1987", "windows-1252", "koi8-r", "Shift_JIS", "viscii", "US-ASCII"],
)
def test_charsets(name):
    assert is_charset(name)


@pytest.mark.parametrize(
    "name",
    ["klingon", "utf8x", "base64", "rot13", "hex", "zlib", "idna", "punycode", "unicode_escape", "", "a b", "utf-8\n"],
)
def test_what_is_none(name):
    assert not is_charset(name)


@pytest.mark.parametrize("text", ["en", "EN-us", "en,fr", "de-CH-1996", "x-mine", "i-klingon", "zh-Hant-TW", "tlh"])
def test_languages(text):
    assert is_languages(text)


@pytest.mark.parametrize(
    "text", ["english", "e", "en_US", "en,", "en, fr", "en-", "en-toolongsub", "x", "1", "en\r\n20"]
)
def test_what_are_none(text):
    assert not is_languages(text)
