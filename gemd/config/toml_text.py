"""A text in TOML to tables, and what is wrong with it in words of our own; Python's parser tells one mistake alone.

Rules: what is said twice is told with the line where it was said first, and else left out, so that all that is wrong is
told at once; with anything else that is no TOML, nothing can be known of what follows.
"""

import re
import tomllib
import unicodedata
from collections.abc import Sequence

import msgspec

from gemd.config.tables import Problem, key_path
from gemd.config.toml_lines import Statement, trace_statements
from gemd.protocol.characters import escape

_MOST_REPEATED = 100
_HEADING = re.compile(r"^[ \t]*\[", re.MULTILINE)
_ENTRY = re.compile(r"\[[0-9]+\]$")
_PLACE = re.compile(r" \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)$")
_REPEATED = re.compile(r"Cannot (?:overwrite|declare|mutate|redefine)|Duplicate inline")
_UNENDED = re.compile(r"Unterminated string|Expected (?:\"'\"|\"'''\")|(?:Illegal|Found invalid) character '\\n'")

_BRACES = "; a table in braces is in one line, and has no comma at its end"

# What Python's parser says, and what is told: {rest} is what stands there.
_WORDS = (
    ("Invalid statement", "expected a key, or a heading in brackets, not {rest}"),
    ("Expected newline or end", "expected the end of the line, not {rest}: each key has a line of its own"),
    ("Expected '=' after a key", "expected a = after the key, and then its value, not {rest}"),
    ("Invalid initial character for a key", f"expected a key here, of letters, digits, - and _, not {{rest}}{_BRACES}"),
    ("Expected ']]'", "expected ]] at the end of the heading, not {rest}"),
    ("Expected ']'", "expected a ] at the end of the heading, not {rest}"),
    ("Unclosed array", "expected a comma or the ] of the list here, not {rest}"),
    ("Unclosed inline table", "expected a comma or the }} of the table, in one line with its {{, not {rest}"),
    (
        "Unescaped '\\'",
        "a backslash is no character in double quotes: write two, or put the text in single quotes",
    ),
    ("Invalid hex value", "\\u takes four hexadecimal digits, and \\U eight: write two backslashes for one"),
    ("Escaped character is not", "\\u takes the number of a character, which this is not"),
    ("Invalid date", "{rest} is no date that there is: put a text in quotes"),
    ("Invalid value", "expected a value, not {rest}: put a text in quotes"),
)

# What editors and web pages write for quotes.
_QUOTES = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2032\u2033\u2039\u203a\u00ab\u00bb\uff02\uff07\u00b4`"


class Parsed(msgspec.Struct, frozen=True):
    """The tables, None where the text is no TOML; the `text` that they are of, without what is said twice."""

    tables: dict[str, object] | None
    text: str
    problems: tuple[Problem, ...] = ()


def parse_text(text: str) -> Parsed:
    """Parse a configuration, whose lines end with newlines alone."""
    problems: list[Problem] = []
    while True:
        try:
            return Parsed(tomllib.loads(text), text, tuple(problems))
        except tomllib.TOMLDecodeError as error:
            said = str(error)
        except (ValueError, RecursionError):  # which it leaves to its callers
            what = "has a number of too many digits, or brackets that are nested too deeply"
            return Parsed(None, text, (*problems, Problem("", what)))
        message, line, column = _split(said, text)
        is_repeated = _REPEATED.match(message) is not None and len(problems) < _MOST_REPEATED
        found = _find_repeated(text, line) if is_repeated else None
        if found is None:
            return Parsed(None, text, (*problems, _explain(text, message, line, column)))
        problem, text = found
        problems.append(problem)


def _split(said: str, text: str) -> tuple[str, int, int]:
    """What the parser says, and the line and column of which it does."""
    match = _PLACE.search(said)
    message = said if match is None else said[: match.start()]
    if match is None or match[1] is None:
        return message, text.rstrip("\n").count("\n") + 1, 0
    return message, int(match[1]), int(match[2])


def _explain(text: str, message: str, line: int, column: int) -> Problem:
    """What is wrong at this place, 0 for the end."""
    if _UNENDED.match(message):
        return Problem("", "the text that begins here has no closing quote", line=_find_quote(text, line))
    if message.startswith(("Illegal character", "Found invalid character")):
        character = message.partition("character ")[2].strip("'\"")
        return Problem("", f"has the control character {character}, which no text has: remove it", line=line)
    if not column and message.startswith("Unclosed"):
        line = _find_last(text)
    rest = text.split("\n")[line - 1][column - 1 :] if column else ""
    if unlike := _find_unlike(rest):
        return Problem("", unlike, line=line)
    rest = rest.strip()
    shown = escape(rest if len(rest) <= 60 else rest[:57] + "...") or "the end of " + (
        "the line" if column else "the file"
    )
    words = next((words for said, words in _WORDS if message.startswith(said)), None)
    return Problem("", words.format(rest=shown) if words is not None else f"is not TOML: {message}", line=line)


def _find_unlike(rest: str) -> str | None:
    """What is wrong with the first character, where it only looks like one of TOML's, or like none."""
    character = rest[:1]
    if not character or character in " \t":
        return None
    if character in _QUOTES:
        return f'{character} is no quote in TOML: write " before the text and behind it'
    if character.isspace() or unicodedata.category(character) == "Cf":
        return f"has a U+{ord(character):04X}, which can't be seen and is no blank in TOML: remove it, or write a blank"
    return None


def _find_quote(text: str, line: int) -> int:
    """The line of the quote that is never closed, before this one."""
    for statement, _ in trace_statements(text):
        for piece, at in statement.pieces:
            if piece in ("'", '"'):
                return at
    return line


def _find_last(text: str) -> int:
    """The line of the last statement."""
    return max((statement.line for statement, _ in trace_statements(text)), default=1)


def _find_repeated(text: str, line: int) -> tuple[Problem, str] | None:
    """What is said again by the statement that this line is in, and the text without it; None where that can't be
    told."""
    traced = list(trace_statements(text))
    number = max((i for i, (statement, _) in enumerate(traced) if statement.line <= line), default=0)
    if not traced:
        return None
    statement, paths = traced[number]
    path = paths[-1]
    first = _find_first(traced[:number], path)
    end = statement.end
    if statement.depth:
        end = _find_heading(text, traced, number)
    blank = re.sub("[^\n]", " ", text[statement.start : end])
    left = text[: statement.start] + blank + text[end:]
    return Problem(
        _ENTRY.sub("", path) if statement.depth else path, _describe(statement, first), line=statement.line
    ), left


def _find_heading(text: str, traced: Sequence[tuple[Statement, list[str]]], number: int) -> int:
    """Where the heading begins that follows this statement, at the end of the text if there is none."""
    after = next((statement.start for statement, _ in traced[number + 1 :] if statement.depth), None)
    if after is not None:
        return after
    match = _HEADING.search(text, traced[-1][0].end)  # behind what is no statement, if there is such
    return match.start() if match is not None else len(text)


def _find_first(before: Sequence[tuple[Statement, list[str]]], path: str) -> Statement | None:
    """The statement that says the same as one of this path, or else what it can't stand beside."""
    same = {path, key_path(path, 1), _ENTRY.sub("", path)}
    found = next((statement for statement, paths in before if not same.isdisjoint(paths)), None)
    if found is not None:
        return found
    return next((statement for statement, paths in reversed(before) if path.startswith(f"{paths[-1]}.")), None)


def _describe(statement: Statement, first: Statement | None) -> str:
    """Why a statement can't stand beside the first one of the same."""
    heading = ".".join(statement.names)
    if first is None:
        return "is said twice, or in two forms: leave it once"
    if statement.depth == 1 and first.depth == 2:
        return f"is a list in line {first.line}, and has to be one here: put each entry under [[{heading}]]"
    if statement.depth == 2 and first.depth == 1:
        return f"is one table in line {first.line}: put each entry under a heading of its own, [[{heading}]]"
    if statement.depth and first.depth:
        return f"is a heading in line {first.line} already: put all of its keys below that one"
    if statement.depth:
        return f"has its value in line {first.line} already, and can't go on under a heading: put all of it in one form"
    if len(statement.names) > 1 or first.depth:
        return f"is set in line {first.line} already, or what it is in: put all of it in one form"
    return f"is set in line {first.line} already: leave one of them"
