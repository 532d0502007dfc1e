"""The words of gmid's configuration language.

Rule: a word is what gmid takes for one: quotes make any text a string, a macro is one where it stands.
"""

import re
from collections.abc import Iterator

import msgspec

from gemd.gemctl.foreign.original import Spot, mistake

_WORD = re.compile(
    r"(?P<blank>(?:[ \t]|\\\n)+|\#[^\n]*)"
    r"|(?P<end>\n|;)"
    r"|(?P<quote>[\"'])"
    r"|(?P<macro>[$@])(?P<name>\w*)"
    r"|(?P<number>-?[0-9]+)(?=[\s),/}=;]|\Z)"
    r"|(?P<word>[\w:](?:\\\n|\\.|[^\s(){}!=\#,;\\])*)"
    r"|(?P<sign>.)",
    re.DOTALL,
)


_MOST_DIGITS = 9  # of a number that counts


class Word(msgspec.Struct, frozen=True):
    """One of them. `kind` is "word", "string", "number", "end" (of a line), "sign", or "$" and "@" for macros."""

    kind: str
    text: str
    spot: Spot


def split_words(text: str, file: str) -> Iterator[Word]:
    """All of a file. Raises Failure."""
    place, line = 0, 1
    while place < len(text):
        match = _WORD.match(text, place)
        assert match is not None
        spot = Spot(file, line)
        place, kind = match.end(), str(match.lastgroup)
        if match["quote"]:
            value, place = _read_string(text, place, match["quote"], spot)
            yield Word("string", value, spot)
        elif match["macro"]:
            yield Word(match["macro"], match["name"], spot)
        elif kind == "number" and len(match[0]) > _MOST_DIGITS:
            raise mistake(spot, f"{match[0][:_MOST_DIGITS]}... is a number of more than {_MOST_DIGITS} digits")
        elif kind == "word":
            yield Word(kind, re.sub(r"\\(.)", r"\1", match[0].replace("\\\n", "")), spot)
        elif kind != "blank":
            yield Word(kind, match[0], spot)
        line += text.count("\n", match.start(), place)


def _read_string(text: str, place: int, quote: str, spot: Spot) -> tuple[str, int]:
    """The text up to the quote that ends it, and what stands behind that."""
    found: list[str] = []
    while place < len(text):
        each, following = text[place], text[place + 1 : place + 2]
        place += 1
        if each == quote:
            return "".join(found), place
        if each == "\\" and following in (quote, " ", "\t"):
            found.append(following)
            place += 1
        elif each == "\\" and following == "\n":
            place += 1
        elif each != "\n":
            found.append(each)
    raise mistake(spot, f"the string that begins here has no {quote} at its end")
