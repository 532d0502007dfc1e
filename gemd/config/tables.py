"""Checks a TOML table against the settings: every mistake at once, each with its key path.

Rules: an unknown key names its nearest known one; a wrong value says what was expected; what is right is converted even
where something beside it is wrong.
"""

import re
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, TypeGuard, TypeVar, Union, get_args, get_origin

import msgspec

from gemd.config.types import Settings
from gemd.protocol.characters import escape

S = TypeVar("S", bound=Settings)

_NUMBER = re.compile(r"\[[0-9]+\]")
_MOST_SHOWN = 25  # of the keys that a table may have


class Problem(msgspec.Struct, frozen=True):
    """One mistake: the path of its key, as in "host[2].root", and what to change. `source` and `line` are the file and
    the line where they don't follow from the key, and `unknown` is the key where its table has none such."""

    path: str
    text: str
    source: str | None = None
    line: int = 0
    unknown: str | None = None

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.path, self.text)))


def key_path(*parts: str | int) -> str:
    """The path of a key, as in "host[2].location[1].root": a number is that of an entry, beginning with 1.

    A part may be a path itself, "" for the top of the file.
    """
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path and part else part
    return path


def keys_of(settings: type[Settings]) -> dict[str, object]:
    """The keys of a table as the file spells them, with their types."""
    return {field.encode_name: field.type for field in msgspec.structs.fields(settings)}


def read_settings(table: object, settings: type[S], path: str, problems: list[Problem]) -> S:
    """The settings of a whole table; a key that is wrong has its default."""
    return msgspec.convert(read_table(table, keys_of(settings), path, problems), settings)


def read_table(table: object, keys: Mapping[str, object], path: str, problems: list[Problem]) -> dict[str, object]:
    """The entries of `table` that are right, converted; what is wrong goes to `problems`."""
    if not isinstance(table, dict):
        is_list = isinstance(table, list) and bool(table) and all(isinstance(entry, dict) for entry in table)
        text = f"expected one table, under [{path}], not a list of them" if is_list else "expected a table, not "
        problems.append(Problem(path, text if is_list else text + show(table)))
        return {}
    values: dict[str, object] = {}
    for key, value in table.items():
        where = key_path(path, key)
        if key not in keys:
            problems.append(Problem(where, "there is no such key" + suggest(key, keys), unknown=key))
            continue
        if _has_nul(value):
            problems.append(Problem(where, f"expected a text without NUL, not {show(value)}"))
            continue
        kind = keys[key]
        inner = _settings_in(kind)
        before = len(problems)
        if inner is not None and isinstance(value, list) and tuple[inner, ...] in get_args(kind):  # type: ignore[valid-type]
            values[key] = tuple(_read_entries(value, inner, where, problems))
            continue
        if inner is not None and isinstance(value, dict):
            entries = read_table(value, keys_of(inner), where, problems)
            if len(problems) > before:
                continue
            value = entries
        try:
            values[key] = msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            text = _explain(value, kind, str(error))
            if get_origin(kind) is list:
                text = (
                    f"expected tables, each under a heading [[{_NUMBER.sub('', where)}]] of its own, not {show(value)}"
                )
            problems += _wrong_entries(value, kind, where) or [Problem(where, text)]
    return values


def _read_entries(value: list[object], inner: type[S], where: str, problems: list[Problem]) -> Iterator[S]:
    """The tables of a list that are right, converted."""
    if not value:
        problems.append(Problem(where, "is an empty list: remove it"))
    for i, entry in enumerate(value, 1):
        before, at = len(problems), key_path(where, i)
        table = read_table(entry, keys_of(inner), at, problems)
        if len(problems) == before:
            try:
                yield msgspec.convert(table, inner)
            except msgspec.ValidationError as error:
                problems.append(Problem(at, _explain(table, inner, str(error))))


def _wrong_entries(value: object, kind: object, where: str) -> list[Problem]:
    """What is wrong with a table whose keys are anybody's, or with empty texts in a list, entry by entry."""
    if isinstance(value, list) and "" in value and _is_of_kind([entry or "-" for entry in value], kind):
        return [Problem(key_path(where, i), "is an empty text") for i, entry in enumerate(value, 1) if entry == ""]
    if get_origin(kind) is not dict or not isinstance(value, dict):
        return []
    problems: list[Problem] = []
    entries = get_args(kind)[1]
    inner = _settings_in(entries)
    for name, entry in value.items():
        try:
            msgspec.convert(entry, entries)
        except msgspec.ValidationError as error:
            before, path = len(problems), key_path(where, name)
            if inner is not None and isinstance(entry, dict):
                read_table(entry, keys_of(inner), path, problems)
            if len(problems) == before:
                problems.append(Problem(path, _explain(entry, entries, str(error))))
    return problems


def _is_of_kind(value: object, kind: object) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _has_nul(value: object) -> bool:
    """No path, name or variable can hold one."""
    texts = value if isinstance(value, list) else [value]
    return any("\0" in text for text in texts if isinstance(text, str))


def _settings_in(kind: object) -> type[Settings] | None:
    """The table type that a value of this type may be."""
    members = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    return next((m for m in members if _is_table(m)), None)


def _is_table(kind: object) -> TypeGuard[type[Settings]]:
    return isinstance(kind, type) and issubclass(kind, Settings)


def _explain(value: object, kind: object, error: str) -> str:
    if "missing required field" in error:
        return "needs the key " + error.split("`")[1]
    return f"expected {describe(kind)}" + ("" if _is_secret(kind) else f", not {show(value)}")


def _is_secret(kind: object) -> bool:
    """Whether its values are passwords, or tables with some."""
    if any(isinstance(meta, msgspec.Meta) and bool(meta.extra) for meta in getattr(kind, "__metadata__", ())):
        return True
    inner = _settings_in(kind)
    return inner is not None and any(map(_is_secret, keys_of(inner).values()))


def suggest(word: str, known: Iterable[str]) -> str:
    """A clause that names the known word nearest to `word`, or all of them when none is near and they
    are few."""
    import difflib  # for mistakes alone

    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return "; known here: " + ", ".join(known) if len(known) <= _MOST_SHOWN else "; gemd.conf(5) has all of them"


def show(value: object) -> str:
    """A value as the file spells it, cut short."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        text = "[" + ", ".join(map(show, value[:61])) + "]"
        return text if len(text) <= 60 else text[:57] + "..."
    try:
        text = repr(value) if not isinstance(value, str) else '"' + escape(value) + '"'
    except ValueError:  # hexadecimal is read at any length
        return "a number of too many digits"
    return text if len(text) <= 60 else text[:57] + "..."


def describe(kind: object) -> str:
    """A type in an operator's words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        meta = arguments[1]
        if isinstance(meta, msgspec.Meta) and meta.description:
            return meta.description
        return "a text that is not empty" if arguments[0] is str else describe(arguments[0])
    if origin in (Union, types.UnionType):
        return " or ".join(describe(a) for a in arguments if a is not types.NoneType)
    if origin is Literal:
        return " or ".join(show(a) for a in arguments)
    if origin is list:
        return "tables, each under a heading of its own in double brackets"
    if origin is tuple:
        return "a list of such tables" if _is_table(arguments[0]) else "a list of texts"
    if origin is dict:
        return "a table of texts" if arguments[1] is str else f"a table, each entry {describe(arguments[1])}"
    if _is_table(kind):
        return "a table with " + ", ".join(keys_of(kind))
    return {bool: "true or false", str: "a text", int: "a whole number", float: "a number"}.get(kind, str(kind))  # type: ignore[call-overload,no-any-return]
