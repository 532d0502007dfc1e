"""Session tickets: what becomes of `tls.session-tickets`.

Rule: what the configuration says when it is read in earnest holds only as far as OpenSSL goes along, which was told
before that (`first_look`).
"""

import msgspec

from gemd.config import Config, Host, Problem
from gemd.config.titan_settings import TitanSettings
from gemd.system.openssl import has_tickets

_KEY = "tls.session-tickets"
TOO_LATE = Problem(
    _KEY,
    "stays false: the configuration said otherwise as gemd began, or could not be read twice; name "
    "a regular file, and start gemd again",
)
IDLE = Problem(
    _KEY,
    "has no effect: every host has a location with client-certificate, or with titan for who has "
    "one, and who resumes a session shows no certificate",
)
FIXED = Problem(_KEY, "changes at a restart or an upgrade, not at a reload")


def gives_tickets(host: Host) -> bool:
    """Whether sessions with it may be resumed. Not where a client may need a certificate: it could show none, and would
    be refused for as long as it resumes a session that began without."""
    return not any(
        location.client_certificate != "none" or (isinstance(location.titan, TitanSettings) and location.titan.allow)
        for location in host.locations
    )


def find_idle_tickets(config: Config) -> list[Problem]:
    """What is to be said where the setting does nothing."""
    return [IDLE] if config.tls.session_tickets and not any(map(gives_tickets, config.hosts)) else []


def keep_to_loaded(config: Config) -> tuple[Config, list[Problem]]:
    """The configuration as far as OpenSSL goes along, and what is to be said of that."""
    if not config.tls.session_tickets or has_tickets():
        return config, []
    return set_tickets(config, is_on=False), [TOO_LATE]


def set_tickets(config: Config, *, is_on: bool) -> Config:
    """The configuration with or without them."""
    return msgspec.structs.replace(config, tls=msgspec.structs.replace(config.tls, session_tickets=is_on))
