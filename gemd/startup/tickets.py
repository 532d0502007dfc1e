"""Session tickets: what has to be known of `tls.session-tickets` before OpenSSL is loaded.

Rules: how many tickets TLS 1.3 sends OpenSSL is told once, as it is loaded, so the configuration is looked at before
that, and found fault with by nobody here. What it says when it is read in earnest holds only as far as OpenSSL goes
along.
"""

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from gemd.config import Config, Host
from gemd.config.titan_settings import TitanSettings
from gemd.system.openssl import has_tickets

TOO_LATE = (
    "tls.session-tickets stays false: the configuration said otherwise as gemd began, or could not be read twice; name "
    "a regular file, and start gemd again"
)
IDLE = (
    "tls.session-tickets has no effect: every host has a location with client-certificate, or with titan for who has "
    "one, and who resumes a session shows no certificate"
)
FIXED = "tls.session-tickets changes at a restart or an upgrade, not at a reload"

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


def gives_tickets(host: Host) -> bool:
    """Whether sessions with it may be resumed. Not where a client may need a certificate: it could show none, and would
    be refused for as long as it resumes a session that began without."""
    return not any(
        location.client_certificate != "none" or (isinstance(location.titan, TitanSettings) and location.titan.allow)
        for location in host.locations
    )


def find_idle_tickets(config: Config) -> list[str]:
    """What is to be said where the setting does nothing."""
    return [IDLE] if config.tls.session_tickets and not any(map(gives_tickets, config.hosts)) else []


def keep_to_loaded(config: Config) -> tuple[Config, list[str]]:
    """The configuration as far as OpenSSL goes along, and what is to be said of that."""
    if not config.tls.session_tickets or has_tickets():
        return config, []
    return set_tickets(config, is_on=False), [TOO_LATE]


def set_tickets(config: Config, *, is_on: bool) -> Config:
    """The configuration with or without them."""
    return msgspec.structs.replace(config, tls=msgspec.structs.replace(config.tls, session_tickets=is_on))
