"""What is one word, and on which line."""

import pytest

from gemd.gemctl.failure import Failure
from gemd.gemctl.foreign.gmid_words import split_words


def words(text):
    return [(word.kind, word.text) for word in split_words(text, "gmid.conf") if word.kind != "end"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("lang it", [("word", "lang"), ("word", "it")]),
        ("a # b\nc", [("word", "a"), ("word", "c")]),
        ("a\\\nb c", [("word", "ab"), ("word", "c")]),
        ('"a b" \'c "d"\'', [("string", "a b"), ("string", 'c "d"')]),
        (r'"a\"b\\c\n"', [("string", r'a"b\\c\n')]),
        ('"a\\\nb"', [("string", "ab")]),
        ("prefork 3}", [("word", "prefork"), ("number", "3"), ("sign", "}")]),
        ("10.0.0.6 ::1", [("word", "10.0.0.6"), ("word", "::1")]),
        ("$dir@common", [("$", "dir"), ("@", "common")]),
        ("text/gemini gmi", [("word", "text/gemini"), ("word", "gmi")]),
        ("on * {a=b}", [("word", "on"), ("sign", "*"), ("sign", "{"), ("word", "a"), ("sign", "="), ("word", "b"),
                        ("sign", "}")]),
    ],
)  # fmt: skip
def test_words(text, found):
    assert words(text) == found


def test_lines():
    text = 'a\n# b\n"c\nd" e\\\n\nf; g'
    assert [(word.text, word.spot.line) for word in split_words(text, "x") if word.kind != "end"] == [
        ("a", 1), ("cd", 3), ("e", 4), ("f", 6), ("g", 6),
    ]  # fmt: skip


def test_a_number_that_nothing_takes():
    with pytest.raises(Failure, match=r"gmid\.conf:2: 999999999\.\.\. is a number of more than 9 digits"):
        words(f"a\nprefork {'9' * 5000}")


def test_a_string_without_end():
    with pytest.raises(Failure, match=r'gmid\.conf:2: the string that begins here has no " at its end'):
        words('a\nroot "b\nc')
