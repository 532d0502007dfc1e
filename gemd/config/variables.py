"""Keys that variables of the environment set, over those of the file: GEMD_WORKERS, GEMD_LOG_ACCESS, GEMD_HOST_ROOT.

Rules: every key has a variable but those of locations, and those of hosts are the first host's; what is no key is an
error, as in the file; an empty variable is none.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping

import msgspec

from gemd.config.hosts import HOST_KEYS
from gemd.config.keys import PREFIX, TABLES, TOP_KEYS
from gemd.config.origins import Origins
from gemd.config.sources import INCLUDE
from gemd.config.tables import Problem, keys_of, suggest

# What Kubernetes, and Docker's links, tell of a service that is called gemd or gemd-something.
_SERVICE = re.compile(r"GEMD_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_[0-9]+_[A-Z]+(_(PROTO|PORT|ADDR))?)")


def list_variables() -> dict[str, tuple[tuple[str, ...], object]]:
    """The table and the key that each variable sets, with the key's type."""
    return {PREFIX + "_".join(names).upper().replace("-", "_"): (names, kind) for names, kind in _list_keys()}


def _list_keys() -> Iterator[tuple[tuple[str, ...], object]]:
    for key, kind in TOP_KEYS.items():
        if key in TABLES:
            yield from (((key, inner), type_) for inner, type_ in keys_of(TABLES[key]).items())
        elif key == "host":
            yield from (((key, inner), type_) for inner, type_ in HOST_KEYS.items() if inner != "location")
        elif key != INCLUDE:
            yield (key,), kind


def apply_variables(variables: Mapping[str, str], tables: dict[str, object], origins: Origins) -> None:
    """Set in `tables` what those of the `variables` say that are gemd's, and tell `origins`, also of a name that is no
    key's, and of what is no text."""
    known = list_variables()
    problems = []
    for name, text in variables.items():
        if not name.startswith(PREFIX) or not text or _is_others(name, text):
            continue
        if name not in known:
            problems.append(Problem("", "no key has this variable" + _suggest(name, known), name))
        elif not _is_text(text):
            problems.append(Problem("", "is not UTF-8 text", name))
        else:
            names, kind = known[name]
            _set(tables, origins, names, parse_value(text, kind), name)
    origins.problems += problems


def parse_value(text: str, kind: object) -> object:
    """The value of a variable for a key of this type: in TOML, or a bare text where the key takes one or a list."""
    values = [*_parse_toml(text), text, [text]]
    for value in values:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError:
            continue
        return value
    return values[0]  # which the check of all keys complains of


def _parse_toml(text: str) -> list[object]:
    try:
        tables = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return []
    return [tables["value"]] if len(tables) == 1 else []


def _is_others(name: str, text: str) -> bool:
    return _SERVICE.fullmatch(name) is not None or (name.endswith("_PORT") and "://" in text)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _suggest(name: str, known: Mapping[str, object]) -> str:
    import difflib  # for mistakes alone

    # Without what all begin with, by which any two would be alike.
    near = difflib.get_close_matches(name[len(PREFIX) :], [word[len(PREFIX) :] for word in known], n=1, cutoff=0.6)
    if not near:
        return "; gemd(8), ENVIRONMENT, says how they are called"
    return suggest(name, [PREFIX + near[0]])


def _set(tables: dict[str, object], origins: Origins, names: tuple[str, ...], value: object, variable: str) -> None:
    """Where the table is none, the check of all keys complains of it."""
    table: object = tables
    path = names[0]
    if names[0] == "host":
        hosts = tables.setdefault("host", [{"name": "localhost"}])
        table = hosts[0] if isinstance(hosts, list) and hosts else None
        path = f"host[1].{names[1]}"
    elif len(names) == 2:
        table = tables.setdefault(names[0], {})
        path = ".".join(names)
    if isinstance(table, dict):
        table[names[-1]] = value
        origins.replace(path, variable)
