"""Users' directories beside this machine: whose they are that the configuration names, and what is in their way.

Rule: a location for a user, or for a part of what that one has, protects what is there by every name; so where that is
has to be known before the first request.
"""

import os
from collections.abc import Iterator, Mapping

import msgspec

from gemd.config import Config, Host, Problem
from gemd.config.host_settings import Location
from gemd.config.people import find_people
from gemd.config.tables import key_path
from gemd.system.accounts import Account, find_account, is_user_name
from gemd.system.attempt import attempt
from gemd.system.permissions import is_allowed
from gemd.system.privileges import PrivilegeError, find_group, find_identity

_HOMES = "/home"
_CLOSED = "can't be entered: `systemctl edit gemd` and ProtectHome=read-only open it to the service"


def find_homes(config: Config) -> dict[str, str]:
    """Where the directories are of users for whom there are locations, by the paths of these in the configuration."""
    found = {each.where: _find_named(each) for each in config.locations}
    return {where: account.path for where, account in found.items() if account is not None}


def _find_named(location: Location) -> Account | None:
    """The user for whom a location is, as far as there is a directory."""
    table = location.people
    name = table.find_user(location.names) if table is not None and location.match != "glob" else None
    if table is None or name is None or not is_user_name(name):
        return None
    with attempt(f"the user {name} could not be looked up"):
        return find_account(name, table)


def settle_people(config: Config, homes: Mapping[str, str]) -> Config:
    """With these directories as roots of the locations that are for them."""

    def settle(location: Location) -> Location:
        path, table = homes.get(location.where), location.people
        if path is None or table is None:
            return location
        return msgspec.structs.replace(location, root=path, mount=location.names[: len(table.prefix) + 1])

    def settle_host(host: Host) -> Host:
        return msgspec.structs.replace(host, locations=tuple(map(settle, host.locations)))

    return msgspec.structs.replace(config, hosts=tuple(map(settle_host, config.hosts)))


def find_people_problems(config: Config) -> Iterator[Problem]:
    """What keeps gemd from serving them as it is configured."""
    for where, host, table in find_people(config):
        if table.group is not None:
            try:
                find_group(table.group)
            except PrivilegeError as error:
                yield Problem(key_path(where, "group"), str(error))
        users = {location.cgi_user or config.cgi.user for location in host.locations if location.people is not None}
        for user in users if table.cgi is not None else ():
            if _is_same(user, config.service.user):
                text = f"scripts of users would run as {user}, as the workers do: name another cgi.user for them"
                yield Problem(key_path(where, "cgi"), text)


def _is_same(user: str | None, other: str | None) -> bool:
    if user is None or other is None:
        return False
    try:
        return find_identity(user, None).uid == find_identity(other, None).uid
    except PrivilegeError:
        return False  # which is told of by itself


def find_hidden_homes(config: Config) -> list[Problem]:
    """What to say at a start where this process can't enter the place of homes, as it may be for a service."""
    with attempt(f"{_HOMES} could not be looked at"):
        is_there = os.path.isdir(_HOMES)
        is_open = os.access(_HOMES, os.X_OK) and bool(os.stat(_HOMES).st_mode & 0o111)  # root enters what it likes
    if is_open or not is_there:
        return []
    return [Problem(where, f"{_HOMES} {_CLOSED}") for where, _, _ in find_people(config)]


def find_people_warnings(config: Config) -> Iterator[Problem]:
    """Which users' directories could not be served, against expectation (-t). Raises PrivilegeError for a user that
    there is not."""
    service, identity = config.service, None
    if service.user not in (None, "root"):
        identity = find_identity(str(service.user), service.group)
    for where, host, table in find_people(config):
        with attempt(f"{_HOMES} could not be looked at"):
            status = os.stat(_HOMES) if os.path.isdir(_HOMES) else None
        if status is not None and not is_allowed(status, os.X_OK, identity):
            yield Problem(where, f"{_HOMES} {_CLOSED}")
        if table.cgi is not None and config.cgi.read is not None:
            yield Problem(key_path(where, "cgi"), f"cgi.read has to name the homes ({_HOMES}) for scripts to be found")
        places = [each for each in host.locations if each.people is not None]
        if any(each.convert and (each.cgi_user or config.cgi.user) is None for each in places):
            text = "converters read what users have written, and run as the workers do: set cgi.user"
            yield Problem(where, text)
        for location in places:
            name = table.find_user(location.names) if location.match != "glob" else None
            if name is not None and _find_named(location) is None:
                text = f"{name} has no {table.directory} that can be served: nothing is below {location.path}"
                yield Problem(location.where, text)
