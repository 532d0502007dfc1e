"""A first look at the configuration: what has to be known of it before OpenSSL is loaded.

Rules: how many tickets TLS 1.3 sends OpenSSL is told once, as it is loaded. A distribution's Python shares its OpenSSL
with the library cryptography, so nothing that is imported here may load it, as hashlib does. Nobody here finds fault
with anything.
"""

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

_KEY = "session-tickets"


class _QuietParser(argparse.ArgumentParser):
    """Leaves mistakes to whoever parses the command line in earnest."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def wants_tickets(arguments: Sequence[str]) -> bool:
    """Whether the configuration that a command line names wants session tickets, at a first look."""
    parser = _QuietParser(add_help=False)
    parser.add_argument("-c", "--config", type=Path)
    for flag in "dtTVh":  # which may stand before c in one word
        parser.add_argument(f"-{flag}", action="store_true")
    try:
        path = parser.parse_known_args(arguments)[0].config
        if path is None or not path.is_file():  # a pipe can be read once
            return False
        text = path.read_text(encoding="utf-8")
        tls = tomllib.loads(text).get("tls") if _KEY in text else None
    except (OSError, ValueError):
        return False
    return isinstance(tls, dict) and tls.get(_KEY) is True
