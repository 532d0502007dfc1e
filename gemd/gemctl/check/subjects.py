"""Who is checked: the hosts of the running gemd where it listens, or one that is named, at the addresses of its name.

Rules: a host that is neither of the configuration nor on this machine is checked only if that was said; where a
configuration keeps this machine out, nobody is sent.
"""

import argparse
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from gemd.config import Config, Host, load_config
from gemd.config.listen import find_listen, is_loopback, parse_listen
from gemd.config.sources import ConfigError
from gemd.config.types import Address
from gemd.gemctl.check.links import path_of
from gemd.gemctl.check.visit import Subject
from gemd.gemctl.control_client import ask, find_socket
from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.status import parse_status
from gemd.gemctl.target import Target, parse_address, parse_target
from gemd.gemctl.terminal import escape
from gemd.protocol.host import ANY_HOST, covers, is_wildcard
from gemd.protocol.networks import build_rule
from gemd.protocol.response import ResolveError
from gemd.system.addresses import look_up
from gemd.system.encoding import decode_typed

_PATIENCE = 60.0  # seconds that others may wait for a request
_MARGIN = 5.0
_ANY_LABEL = "gemctl-check"  # in the place of a wildcard
# Where those can be found who listen at all addresses.
_OWN = {"::": ("::1", "127.0.0.1"), "0.0.0.0": ("127.0.0.1",)}  # noqa: S104, only looked up


def find_subjects(options: argparse.Namespace) -> list[Subject]:
    """Those that the command line asks for. Raises Failure, and ConfigError without a host that is named."""
    return _find_running(options) if options.target is None else [_find_named(options)]


def _find_running(options: argparse.Namespace) -> list[Subject]:
    status = parse_status(ask(find_socket(options.socket, options.config), "status", options.timeout).status)
    is_elsewhere = options.socket is not None and status.configuration is not None
    config = _load(Path(str(status.configuration)) if is_elsewhere else options.config)
    listeners = [parse_listen(text) for text in status.listeners]
    subjects = list(_pair(config, listeners))
    if not subjects:
        what = f'each host is called "{ANY_HOST}" or passed on: say by which name, gemctl check HOST'
        raise Failure(what, code=ExitCode.UNCHECKED)
    return subjects


def _pair(config: Config, listeners: list[Address]) -> Iterator[Subject]:
    """Each host with the addresses of one port. Raises Failure where no listener speaks TLS to whoever comes."""
    places: dict[int, list[tuple[str, int]]] = {}
    may_come, barred = build_rule(config.access.allow, config.access.deny), list[str]()
    for address in listeners:
        entry = find_listen(address, config.listen)
        if address.path or entry is None or not entry.tls or entry.proxy_protocol:
            continue
        hosts = _OWN.get(address.host, (address.host,))
        barred += [host for host in hosts if not may_come(host)]
        hosts = tuple(host for host in hosts if may_come(host))
        if not hosts:
            continue
        known = places.setdefault(address.port, [])
        known += [(host, address.port) for host in hosts if (host, address.port) not in known]
    if not places and barred:
        what = f"access lets nobody in from {', '.join(dict.fromkeys(barred))}"
        raise Failure(f"{what}: allow that, or check from elsewhere, gemctl check HOST", code=ExitCode.UNCHECKED)
    if not places:
        what = "no listener takes clients with TLS: name the host as they do, gemctl check HOST"
        raise Failure(what, code=ExitCode.UNCHECKED)
    for port, addresses in places.items():
        for host in config.hosts:
            if (name := _name_of(host)) is not None:
                exempt = _list_exempt(config, host) | _bar_start(host, addresses)
                yield Subject(name, port, "/", tuple(addresses), exempt, _patience(config), True)


def _name_of(host: Host) -> str | None:
    """A name by which a host can be asked for."""
    plain = [name for name in host.names if not is_wildcard(name)]
    if plain:
        return plain[0]
    return None if host.name == ANY_HOST else host.name.replace("*", _ANY_LABEL, 1)


def _find_named(options: argparse.Namespace) -> Subject:
    target = parse_target(decode_typed(options.target))
    try:
        config: Config | None = _load(options.config)
    except ConfigError:
        config = None
    host = _host_of(config, target.host)
    addresses = (parse_address(options.connect),) if options.connect else _resolve(target)
    is_here = all(is_loopback(address) for address, _ in addresses)
    if host is None and not is_here and not options.foreign:
        raise Failure(
            f"{target.host} is no host of {escape(str(options.config))}, nor on this machine: "
            "--foreign says that it may be checked all the same",
            code=ExitCode.USAGE,
        )
    exempt = {} if config is None or host is None else _list_exempt(config, host)
    patience = _PATIENCE if config is None or host is None else _patience(config)
    path = path_of(target.url).partition("?")[0]
    if host is not None and path == "/" and is_here:
        exempt |= _bar_start(host, addresses)
    return Subject(target.host, target.port, path, addresses, exempt, patience, host is not None or is_here)


def _load(path: Path) -> Config:
    return load_config(path, cpus=1, variables=os.environ)


def _host_of(config: Config | None, name: str) -> Host | None:
    hosts = () if config is None else config.hosts
    return next((host for host in hosts if covers(host.names, name)), None)


def _resolve(target: Target) -> tuple[tuple[str, int], ...]:
    """The addresses of a host's name, those by IPv4 last. Raises Failure."""
    try:
        found = look_up(target.host, target.port)
    except ResolveError as error:
        raise Failure(f"{target.host}: {error}", code=ExitCode.UNCHECKED) from None
    places = [(str(place[0]), target.port) for _, place in found if isinstance(place, tuple)]
    return tuple(sorted(dict.fromkeys(places), key=lambda place: ":" not in place[0]))


def _patience(config: Config) -> float:
    return config.timeouts.request + _MARGIN


def _bar_start(host: Host, addresses: Iterable[tuple[str, int]]) -> dict[str, str]:
    """The check of the first page, where there is none for this machine, with the reason."""
    first = next((one for one in host.locations if one.match == "exact" and one.path == "/"), host.locations[0])
    if first.gone:
        return {"start-page": "gone = true"}
    if first.access != "any":
        may_come = build_rule(first.access.allow, first.access.deny)
        if not all(may_come(address) for address, _ in addresses):
            return {"start-page": "access keeps this machine out"}
    return {}


def _list_exempt(config: Config, host: Host) -> dict[str, str]:
    """Checks that the configuration makes pointless, with the reason."""
    exempt: dict[str, str] = {}
    if any(ANY_HOST in other.names for other in config.hosts):
        exempt |= dict.fromkeys(("unknown-name", "other-host"), f'the host "{ANY_HOST}" answers for all others')
    if not host.check_port:
        exempt["other-port"] = "check-port = false"
    if any(set(location.schemes) - {"gemini", "titan"} for location in host.locations):
        exempt["other-scheme"] = "an application takes other schemes (schemes)"
    if any(location.hosts is not None for location in host.locations):
        exempt["other-host"] = 'an application answers for all hosts (hosts = "*")'
    if config.tls.minimum_version == "1.3":
        exempt["tls-1.2"] = 'tls.minimum-version = "1.3"'
    return exempt
