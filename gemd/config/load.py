"""Reads the configuration: TOML, then flags over it, then the checks that need more than one key.

Rules: all mistakes are reported at once; nothing is opened but the file itself, so that a value can be checked without
side effects.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from gemd.config.access_lists import judge_access
from gemd.config.app_settings import find_app_users
from gemd.config.budgets import judge_rate, make_budget
from gemd.config.cgi_settings import CGISettings, judge_variables
from gemd.config.hosts import absolute, join_path, read_hosts
from gemd.config.listen import DEFAULT_LISTEN, Entries, read_listen
from gemd.config.script_settings import find_script_users
from gemd.config.settings import TLS, Config, Limits, Log, Service, Timeouts
from gemd.config.tables import Problem, key_path, keys_of, read_settings, read_table, show
from gemd.config.types import LOG_WORDS, AccessList, Settings, Workers
from gemd.config.upload_locations import takes_uploads
from gemd.config.upstream_sockets import list_sockets
from gemd.protocol.host import ANY_HOST

_TABLES: dict[str, type[Settings]] = {
    "tls": TLS,
    "timeouts": Timeouts,
    "limits": Limits,
    "cgi": CGISettings,
    "log": Log,
    "access": AccessList,
}
_SERVICE_KEYS = keys_of(Service)
_TOP_KEYS = {
    "listen": Entries,
    "workers": int | str,
    **_SERVICE_KEYS,
    "host": list[dict[str, object]],
    **_TABLES,
}


_TWO_FORMS = "; it has its value in brackets above, and can't go on under a heading: put all of it in one form"


class ConfigError(Exception):
    """The configuration can't be used. `problems` has every reason."""

    def __init__(self, problems: list[Problem], source: str | None = None) -> None:
        self.problems = problems
        self.source = source
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """One line a problem, each with the name of the file."""
        return [f"{self.source}: {problem}" if self.source else str(problem) for problem in self.problems]


def load_config(path: Path, *, cpus: int) -> Config:
    """Read and check the TOML file at `path`. Raises ConfigError, also for a file that can't be read."""
    return parse_config(read_file(path), base=path.absolute().parent, source=str(path), cpus=cpus)


def read_file(path: Path) -> dict[str, object]:
    """The file's tables, unchecked. Raises ConfigError when it can't be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([Problem("", f"can't be read: {error.strerror}")], str(path)) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem("", "is not UTF-8 text")], str(path)) from None
    except tomllib.TOMLDecodeError as error:
        hint = _TWO_FORMS if "immutable namespace" in str(error) else ""
        raise ConfigError([Problem("", f"is not TOML: {error}{hint}")], str(path)) from None


def parse_config(tables: Mapping[str, object], *, base: Path, source: str | None, cpus: int) -> Config:
    """Check `tables` and merge them into a Config. Relative paths are taken from `base`.

    `cpus` is what `workers = "auto"` goes by: one a CPU, at least 2. Raises ConfigError.
    """
    problems: list[Problem] = []
    top = read_table({k: v for k, v in tables.items() if k not in _TABLES}, _TOP_KEYS, "", problems)
    limits = read_settings(tables.get("limits", {}), Limits, "limits", problems)
    cgi = read_settings(tables.get("cgi", {}), CGISettings, "cgi", problems)
    cgi = msgspec.structs.replace(
        cgi,
        read=_absolute_all(cgi.read, base),
        write=_absolute_all(cgi.write, base),
    )
    access = read_settings(tables.get("access", {}), AccessList, "access", problems)
    problems += [Problem(key_path("access", key), text) for key, text in judge_access(access)]
    problems += [
        Problem(key_path("limits.rate", key), text) for key, text in judge_rate(limits.rate, is_everywhere=True)
    ]
    problems += [Problem(key_path("cgi", "environment", name), text) for name, text in judge_variables(cgi.environment)]
    service = absolute(
        msgspec.convert({key: top[key] for key in _SERVICE_KEYS if key in top}, Service),
        base,
        *("chroot", "pid_file", "control", "upload_spool"),
    )
    hosts, passes = read_hosts(top.get("host", []), base, problems)
    config = Config(
        listen=read_listen(top.get("listen", DEFAULT_LISTEN), problems),
        hosts=hosts,
        passes=passes,
        workers=_read_workers(top.get("workers", "auto"), cpus, problems),
        service=service,
        tls=absolute(
            read_settings(tables.get("tls", {}), TLS, "tls", problems), base, "certificates", "ca_file", "ca_path"
        ),
        timeouts=read_settings(tables.get("timeouts", {}), Timeouts, "timeouts", problems),
        limits=limits,
        log=_read_log(tables.get("log", {}), base, service, problems),
        access=access,
        cgi=cgi,
        budget=make_budget(limits.rate),
        source=source,
    )
    problems.extend(_judge(config))
    if problems:
        raise ConfigError(problems, source)
    return config


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


def _read_log(table: object, base: Path, service: Service, problems: list[Problem]) -> Log:
    """The `[log]` table. A target is a file unless it is one of the words; a server that detaches has no standard
    output or error, and logs to syslog unless told otherwise."""
    if service.daemon and isinstance(table, dict):
        table = {"access": "syslog", "error": "syslog", **table}
    log = read_settings(table, Log, "log", problems)
    for key in ("access", "error"):
        if service.daemon and getattr(log, key) in ("stdout", "stderr"):
            text = f'nothing reads the {getattr(log, key)} of a server that detaches: name a file, or "syslog"'
            problems.append(Problem(key_path("log", key), text))
    return absolute(log, base, *(name for name in ("access", "error") if getattr(log, name) not in LOG_WORDS))


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
    for host in config.hosts:
        preloaded = next((location for location in host.locations if location.preload), None)
        if service.master_user is not None and preloaded is not None:
            yield Problem(key_path(preloaded.where, "preload"), "a master that stays root can't load an application")
    if takes_uploads(config):
        from gemd.config.upload_checks import judge_sizes

        yield from judge_sizes(config)
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
            named += [(key, path) for key, path in (("root", location.root), ("script", location.script)) if path]
            for key, path in named:
                found.setdefault((key, path), key_path(location.where, key))
        yield from ((where, path) for (_, path), where in found.items())
    yield from ((key_path(host.where, "pass"), host.address.path) for host in config.passes if host.address.path)
