"""Writes a configuration as it takes effect, in TOML that reads back as the same configuration.

Values that no key can spell (those that are not set) are left out.
"""

import msgspec
import tomli_w

from gemd.config.host_settings import DERIVED, Host, Location
from gemd.config.listen import Listen
from gemd.config.location_checks import find_bar
from gemd.config.pass_settings import PassHost
from gemd.config.settings import Config


def render_config(config: Config) -> str:
    """The configuration in TOML, every default spelled out."""
    tables = {
        "listen": list(map(_listen, config.listen)),
        "workers": config.workers,
        **_table(config.service),
        "tls": _table(config.tls),
        "timeouts": _table(config.timeouts),
        "limits": _table(config.limits),
        "log": _table(config.log),
        "access": _table(config.access),
        "cgi": _table(config.cgi),
        "host": [*map(_host, config.hosts), *map(_passed, config.passes)],
    }
    return tomli_w.dumps(tables)


def _listen(listen: Listen) -> str | dict[str, object]:
    table, plain = _table(listen), _table(Listen(address=listen.address))
    others = {key: value for key, value in table.items() if value != plain.get(key)}
    address = str(listen.address)
    return {"address": address, **others} if others else address


def _host(host: Host) -> dict[str, object]:
    table = _table(host)
    del table["locations"]
    if len(host.locations) == 1 and host.locations[0].rate is None:
        table |= _table(host.locations[0])
        for key in ("path", "match", *DERIVED):
            table.pop(key, None)
        return table
    # Each location in full, so that nothing which holds for "/" reaches the others. Those without a root of their own
    # have the host's, and those that never ask for scripts have its places of them.
    locations = host.locations
    barred = [location for location in locations if find_bar(location) is not None]
    parts = [each for each in locations if (each.names and not each.mount) or each in barred]
    shared = [("root", each.root) for each in parts if each.root] + [("cgi", each.cgi) for each in barred if each.cgi]
    return {**table, **dict(shared), "location": list(map(_location, locations))}


def _passed(host: PassHost) -> dict[str, object]:
    table = _table(host)
    del table["where"]
    return table


def _location(location: Location) -> dict[str, object]:
    table = _table(location)
    for key in DERIVED:
        table.pop(key, None)
    is_barred = find_bar(location) is not None
    if (location.names and not location.mount) or is_barred:
        table.pop("root", None)  # the host's, with this location's path below it
    if is_barred and location.cgi:
        del table["cgi"]
    return table


def _table(settings: msgspec.Struct) -> dict[str, object]:
    table = msgspec.to_builtins(settings)
    return _without_unset(table)


def _without_unset(table: dict[str, object]) -> dict[str, object]:
    return {key: _set_in(value) for key, value in table.items() if value not in (None, "")}


def _set_in(value: object) -> object:
    if isinstance(value, dict):
        return _without_unset(value)
    return [*map(_set_in, value)] if isinstance(value, list | tuple) else value
