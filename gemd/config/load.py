"""Makes a configuration of tables: every key is checked, and then what needs more than one.

Rules: all mistakes are reported at once; nothing is opened, so that a value can be checked without side effects.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from gemd.config.access_lists import judge_access
from gemd.config.app_settings import find_app_users
from gemd.config.budgets import judge_rate, make_budget
from gemd.config.cgi_settings import CGISettings, judge_variables
from gemd.config.convert_settings import CONVERT_KEY, list_programs
from gemd.config.hosts import read_hosts
from gemd.config.keys import SERVICE_KEYS, TABLES, TOP_KEYS
from gemd.config.listen import DEFAULT_LISTEN, MAX_UNIX_PATH, read_listen
from gemd.config.log_targets import judge_target
from gemd.config.origins import Origins
from gemd.config.paths import absolute, join_path
from gemd.config.script_settings import find_script_users
from gemd.config.settings import TLS, Config, Limits, Log, Service, Timeouts
from gemd.config.sources import ConfigError, read_sources
from gemd.config.tables import Problem, key_path, read_settings, read_table, show
from gemd.config.types import LOG_WORDS, AccessList, Settings, Workers
from gemd.config.upload_locations import takes_uploads
from gemd.config.upstream_sockets import list_sockets
from gemd.protocol.host import ANY_HOST

S = TypeVar("S", bound=Settings)


def load_config(path: Path | None, *, cpus: int, variables: Mapping[str, str] | None = None) -> Config:
    """Read and check the TOML file at `path`, what it includes, and `variables` over it, or these alone. Raises
    ConfigError, also for a file that can't be read."""
    tables: dict[str, object] = {}
    base, source = (Path.cwd(), None) if path is None else (path.absolute().parent, str(path))
    origins = Origins(base, tables)
    if path is not None:
        tables, origins = read_sources(path)
    if variables:
        from gemd.config.variables import apply_variables

        apply_variables(variables, tables, origins)
    return parse_config(tables, base=base, source=source, cpus=cpus, origins=origins)


def parse_config(
    tables: Mapping[str, object], *, base: Path, source: str | None, cpus: int, origins: Origins | None = None
) -> Config:
    """Check `tables` and merge them into a Config. Relative paths are taken from `base`, or as `origins` has it.

    `cpus` is what `workers = "auto"` goes by: one a CPU, at least 2. Raises ConfigError.
    """
    origins = origins if origins is not None else Origins(base, tables, main=source or "")
    problems = [*origins.problems]
    top = read_table({k: v for k, v in tables.items() if k not in TABLES}, TOP_KEYS, "", problems)
    limits = read_settings(tables.get("limits", {}), Limits, "limits", problems)
    cgi = read_settings(tables.get("cgi", {}), CGISettings, "cgi", problems)
    cgi = msgspec.structs.replace(
        cgi,
        read=_absolute_all(cgi.read, origins.base_of("cgi.read")),
        write=_absolute_all(cgi.write, origins.base_of("cgi.write")),
    )
    access = read_settings(tables.get("access", {}), AccessList, "access", problems)
    problems += [Problem(key_path("access", key), text) for key, text in judge_access(access)]
    problems += [
        Problem(key_path("limits.rate", key), text) for key, text in judge_rate(limits.rate, is_everywhere=True)
    ]
    problems += [Problem(key_path("cgi", "environment", name), text) for name, text in judge_variables(cgi.environment)]
    service = msgspec.convert({key: top[key] for key in SERVICE_KEYS if key in top}, Service)
    service = _absolute(service, "", origins, "chroot", "pid_file", "control", "upload_spool")
    tls = read_settings(tables.get("tls", {}), TLS, "tls", problems)
    hosts, passes = read_hosts(top.get("host", []), origins, problems)
    config = Config(
        listen=read_listen(top.get("listen", DEFAULT_LISTEN), problems),
        hosts=hosts,
        passes=passes,
        workers=_read_workers(top.get("workers", "auto"), cpus, problems),
        service=service,
        tls=_absolute(tls, "tls", origins, "certificates", "ca_file", "ca_path"),
        timeouts=read_settings(tables.get("timeouts", {}), Timeouts, "timeouts", problems),
        limits=limits,
        log=_read_log(tables.get("log", {}), origins, service, problems),
        access=access,
        cgi=cgi,
        budget=make_budget(limits.rate),
        source=source,
        included=tuple(origins.files),
    )
    problems.extend(_judge(config))
    if problems:
        from gemd.config.misplaced import tell_place

        raise ConfigError(list(map(tell_place, problems)), source, origins)
    return config


def _absolute(settings: S, table: str, origins: Origins, *fields: str) -> S:
    """The settings of this table with their paths taken from the directories of the files that they are in."""
    for field in fields:
        settings = absolute(settings, origins.base_of(key_path(table, field.replace("_", "-"))), field)
    return settings


def _absolute_all(paths: tuple[str, ...] | None, base: Path) -> tuple[str, ...] | None:
    return None if paths is None else tuple(join_path(base, path) for path in paths)


def _read_workers(value: object, cpus: int, problems: list[Problem]) -> int:
    if value == "auto":
        return max(2, cpus)
    try:
        return msgspec.convert(value, Workers)
    except msgspec.ValidationError:
        problems.append(Problem("workers", f'expected "auto" or a whole number from 1 to 512, not {show(value)}'))
        return 1


def _read_log(table: object, origins: Origins, service: Service, problems: list[Problem]) -> Log:
    """The `[log]` table. A target is a file unless it is one of the words; a server that detaches has no standard
    output or error, and logs to syslog unless told otherwise."""
    if service.daemon and isinstance(table, dict):
        table = {"access": "syslog", "error": "syslog", **table}
    log = read_settings(table, Log, "log", problems)
    for key in ("access", "error"):
        if service.daemon and getattr(log, key) in ("stdout", "stderr"):
            text = f'nothing reads the {getattr(log, key)} of a server that detaches: name a file, or "syslog"'
            problems.append(Problem(key_path("log", key), text))
    for key in ("access", "error"):
        if (reason := judge_target(getattr(log, key))) is not None:
            problems.append(Problem(key_path("log", key), reason))
    files = (name for name in ("access", "error") if getattr(log, name) not in LOG_WORDS)
    return _absolute(log, "log", origins, *files)


def _judge(config: Config) -> Iterator[Problem]:
    """What is wrong with keys that are right each by itself."""
    service = config.service
    if config.uses_tls and config.hosts and not config.hosts[0].has_certificate:
        text = f"{ANY_HOST} is what no other host has, and the first one has the certificate for who asks for no host"
        yield Problem(key_path("host", 1, "name"), f"{text}; give it one, or list another host before it")
    for key in ("read", "write"):
        if getattr(config.cgi, key) is not None and not config.cgi.confine:
            yield Problem(key_path("cgi", key), "needs confine = true: nothing else would keep a script to it")
    if service.master_user is None:
        for path in find_script_users(config).values():
            yield Problem(path, 'needs master-user = "root": nobody else may run a script as another user')
        for path in find_app_users(config).values():
            yield Problem(path, 'needs master-user = "root": nobody else may run an application as another user')
    if service.group is not None and service.user is None:
        yield Problem("group", 'needs the key "user" as well')
    if service.master_user is not None and service.user is None:
        yield Problem("master-user", 'needs the key "user", as whom the workers run')
    if service.pid_file is not None and service.pid_file == service.control:
        yield Problem("control", "is the pid file already")
    if service.control is not None and len(os.fsencode(service.control)) > MAX_UNIX_PATH:
        yield Problem("control", f"expected the path of a unix socket, which has at most {MAX_UNIX_PATH} bytes")
    for host in config.hosts:
        preloaded = next((location for location in host.locations if location.preload), None)
        if service.master_user is not None and preloaded is not None:
            yield Problem(key_path(preloaded.where, "preload"), "a master that stays root can't load an application")
    if takes_uploads(config):
        from gemd.config.upload_checks import judge_sizes

        yield from judge_sizes(config)
    if config.has_people:
        from gemd.config.people import judge_people

        yield from (Problem(path, text) for path, text in judge_people(config))
    if service.chroot is not None:
        if service.master_user is None:
            yield Problem("chroot", 'needs master-user = "root": a master that is shut in could not reload')
        for where, path in _list_paths(config):
            if not Path(path).is_relative_to(service.chroot):
                yield Problem(where, f"{path} is not below the chroot {service.chroot}")


def _list_paths(config: Config) -> Iterator[tuple[str, str]]:
    """What workers have to reach, each with the key that names it; what locations have of their host once."""
    for host in config.hosts:
        found: dict[tuple[str, str], str] = {}
        for location in host.locations:
            named = [(key_path(key, "to"), path) for key, path in list_sockets(location)]
            own = (("root", location.root), ("script", location.script), ("app-path", location.app_path))
            named += [(key, path) for key, path in (*own, ("app-directory", location.app_directory)) if path]
            named += [(CONVERT_KEY, program) for program in list_programs(location.convert) if "/" in program]
            for key, path in named:
                found.setdefault((key, path), key_path(location.where, key))
        yield from ((where, path) for (_, path), where in found.items())
    yield from ((key_path(host.where, "pass"), host.address.path) for host in config.passes if host.address.path)
