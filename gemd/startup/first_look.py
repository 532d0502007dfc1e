"""A first look at the configuration: what has to be known of it before OpenSSL is loaded.

Rules: how many tickets TLS 1.3 sends OpenSSL is told once, as it is loaded. A distribution's Python shares its OpenSSL
with the library cryptography, so nothing that is imported here may load it, as hashlib does. Nobody here finds fault
with anything.
"""

import argparse
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

_KEY, _INCLUDE = "session-tickets", "include"
_VARIABLE = "GEMD_TLS_SESSION_TICKETS"


class _QuietParser(argparse.ArgumentParser):
    """Leaves mistakes to whoever parses the command line in earnest."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def wants_tickets(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the configuration that a command line names wants session tickets, at a first look: the file and what it
    includes, unless the environment says."""
    said = environment.get(_VARIABLE)
    if said:
        return _is_true(said)
    parser = _QuietParser(add_help=False)
    parser.add_argument("-c", "--config", type=Path)
    for flag in "dtTVh":  # which may stand before c in one word
        parser.add_argument(f"-{flag}", action="store_true")
    try:
        path = parser.parse_known_args(arguments)[0].config
        return path is not None and any(map(_says_so, _read_tables(path)))
    except (OSError, ValueError, RecursionError):
        return False


def _is_true(text: str) -> bool:
    try:
        return tomllib.loads(f"{_KEY} = {text}")[_KEY] is True
    except (ValueError, RecursionError):
        return False


def _read_tables(path: Path) -> Iterator[dict[str, object]]:
    """Those of the file, then of what it includes, as far as they may say something. Raises OSError and ValueError."""
    main = _read(path, _KEY, _INCLUDE)
    yield main
    patterns = main.get(_INCLUDE)
    if isinstance(patterns, list):
        import glob

        for pattern in patterns:
            for name in glob.glob(pattern, root_dir=path.parent) if isinstance(pattern, str) else ():
                yield _read(path.parent / name, _KEY)


def _read(path: Path, *words: str) -> dict[str, object]:
    """The tables of a file, none where it has none of the words."""
    if not path.is_file():  # a pipe can be read once
        return {}
    text = path.read_text(encoding="utf-8-sig")
    return tomllib.loads(text) if any(word in text for word in words) else {}


def _says_so(tables: Mapping[str, object]) -> bool:
    tls = tables.get("tls")
    return isinstance(tls, dict) and tls.get(_KEY) is True
