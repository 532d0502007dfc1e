"""What else a generation needs to know of the machine: media types, authorities that vouch for clients, users, and
where files are that nobody else may see.

Rule: they are read by the user that they are for, after root is given up, and all in one place.
"""

from collections.abc import Iterator

import msgspec

from gemd.config import Config, Problem
from gemd.config.app_settings import find_app_users
from gemd.config.mistake import about
from gemd.config.script_settings import find_script_users
from gemd.config.tables import key_path
from gemd.config.types import CAFile
from gemd.config.upload_locations import find_uploads
from gemd.startup.app_setups import build_app_setups
from gemd.startup.inside import see_from_inside
from gemd.startup.private_files import find_confinement, find_secrets_inside
from gemd.startup.proxies import find_proxy_authorities
from gemd.startup.trials import try_applications
from gemd.system.authorities import read_authorities
from gemd.system.certificate_parsing import Certificates
from gemd.system.confinement import Confinement
from gemd.system.mime_table import load_mime_table
from gemd.system.privileges import Identity, find_home, find_identity


class Files(msgspec.Struct, frozen=True):
    """Media types by extension, authorities by the path of the file or directory that has them, the users that run
    scripts and applications by the names that the configuration has for them, the home of the workers' user, the files
    that no client may see, as workers see them, and what scripts may touch, None for all. `apart` are the paths of the
    keys of applications that have a process of their own; `homes` are the directories of users for whom there are
    locations, by the paths of these."""

    mime_table: dict[str, str]
    authorities: dict[str, Certificates]
    users: dict[str, Identity]
    home: str
    private: tuple[str, ...]
    confinement: Confinement | None
    apart: tuple[str, ...] = ()
    homes: dict[str, str] = {}


def read_files(config: Config, user: Identity | None = None) -> Files:
    """Read all that the configuration names. Raises CertificateError for authorities that can't be read, and
    where there is no place for certificates; PrivilegeError for users that there are not. Workers become `user`, unless
    it is None."""
    return Files(
        load_mime_table(),
        _read_authorities(config),
        {name: find_identity(name, None) for name in (*find_script_users(config), *find_app_users(config))},
        user.home if user is not None else find_home(),
        find_secrets_inside(config),
        find_confinement(config),
        homes=_find_homes(config),
    )


def _read_authorities(config: Config) -> dict[str, Certificates]:
    found: dict[str, Certificates] = {}
    for key, path in find_authorities(config):
        if path not in found:
            with about(key):
                found[path] = read_authorities(path)
    return found


def _find_homes(config: Config) -> dict[str, str]:
    if not config.has_people:
        return {}
    from gemd.startup.people import find_homes

    return find_homes(config)


def find_hidden(config: Config) -> list[Problem]:
    """What to say of homes that this process can't reach, where it serves what is in them."""
    if not config.has_people:
        return []
    from gemd.startup.people import find_hidden_homes

    return find_hidden_homes(config)


def read_all(config: Config, user: Identity | None, *, tries_all: bool = False) -> Files:
    """The same, and how applications are to run, for which they are tried, all of them if it `tries_all`. Raises
    AppLoadError besides."""
    files = read_files(config, user)
    setups = build_app_setups(config, files.users, user, files.confinement)
    return msgspec.structs.replace(files, apart=try_applications(see_from_inside(config), setups, tries_all=tries_all))


def find_authorities(config: Config) -> Iterator[tuple[str, str]]:
    """The key that names authorities, and where they are: for all scripts and applications, for locations, and for
    servers behind them."""
    named = (("tls.ca-file", config.tls.ca_file), ("tls.ca-path", config.tls.ca_path))
    yield from ((key, path) for key, path in named if path)
    for location in config.locations:
        if isinstance(location.client_certificate, CAFile):
            yield key_path(location.where, "client-certificate", "ca"), location.client_certificate.ca
    for where, _, titan in find_uploads(config):
        if isinstance(titan.allow, CAFile):
            yield key_path(where, "allow", "ca"), titan.allow.ca
    yield from find_proxy_authorities(config)
