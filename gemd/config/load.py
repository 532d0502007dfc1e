"""Reads the configuration: TOML, then flags over it, then the checks that need more than one key.

Rules: all mistakes are reported at once; a host's settings are merged into its locations here and nowhere
else; nothing is opened but the file itself, so that a value can be checked without side effects.
Called at start, by `-t` and `-T`, and at each reload.
"""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from gemd.config.settings import (
    DERIVED,
    TLS,
    Address,
    CAFile,
    CGISettings,
    Config,
    Host,
    Limits,
    Location,
    Log,
    Rate,
    Settings,
    Timeouts,
    Workers,
)
from gemd.config.tables import Problem, keys_of, read_settings, read_table, show
from gemd.protocol.fingerprint import parse_fingerprint
from gemd.protocol.mime import is_media_type
from gemd.protocol.url import DEFAULT_PORT, normalise_host

S = TypeVar("S", bound=Settings)

LOG_WORDS = ("stdout", "stderr", "syslog", "off")
DEFAULT_LISTEN = (f"localhost:{DEFAULT_PORT}",)

_LISTEN = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]+))?")
_RATE = re.compile(r"(?P<count>[1-9][0-9]{0,8})/(?P<number>[1-9][0-9]{0,5})?(?P<unit>[smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LANGUAGES = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*(?:,[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*)*")
_REFERENCE = re.compile(r"[!$&'()*+,\-./0-9:;=?@A-Z_a-z~%]{1,1024}")
_TABLES: dict[str, type[Settings]] = {
    "tls": TLS,
    "timeouts": Timeouts,
    "limits": Limits,
    "cgi": CGISettings,
    "log": Log,
}
_TOP_KEYS = {"listen": tuple[str, ...], "workers": int | str, "host": list[dict[str, object]], **_TABLES}
_LOCATION_KEYS = {k: t for k, t in keys_of(Location).items() if k not in DERIVED}
_HOST_ONLY_KEYS = {k: t for k, t in keys_of(Host).items() if k != "locations"}
_HOST_KEYS = {
    **_HOST_ONLY_KEYS,
    **{k: t for k, t in _LOCATION_KEYS.items() if k != "path"},
    "location": list[dict[str, object]],
}


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
        raise ConfigError([Problem("", f"is not TOML: {error}")], str(path)) from None


def parse_config(tables: Mapping[str, object], *, base: Path, source: str | None, cpus: int) -> Config:
    """Check `tables` and merge them into a Config. Relative paths are taken from `base`.

    `cpus` is what `workers = "auto"` goes by: one a CPU, at least 2. Raises ConfigError.
    """
    problems: list[Problem] = []
    top = read_table({k: v for k, v in tables.items() if k not in _TABLES}, _TOP_KEYS, "", problems)
    limits = read_settings(tables.get("limits", {}), Limits, "limits", problems)
    cgi = read_settings(tables.get("cgi", {}), CGISettings, "cgi", problems)
    for name in cgi.environment:
        if not _VARIABLE.fullmatch(name) or "\0" in cgi.environment[name]:
            problems.append(Problem(f"cgi.environment.{name}", "expected a variable name of letters, digits and _"))
    config = Config(
        listen=_read_listen(top.get("listen", DEFAULT_LISTEN), problems),
        hosts=_read_hosts(top.get("host", []), base, problems),
        workers=_read_workers(top.get("workers", "auto"), cpus, problems),
        tls=_absolute(
            read_settings(tables.get("tls", {}), TLS, "tls", problems), base, "certificates", "ca_file", "ca_path"
        ),
        timeouts=read_settings(tables.get("timeouts", {}), Timeouts, "timeouts", problems),
        limits=limits,
        log=_absolute_log(read_settings(tables.get("log", {}), Log, "log", problems), base),
        cgi=cgi,
        rate=parse_rate(limits.rate, problems),
        source=source,
    )
    if problems:
        raise ConfigError(problems, source)
    return config


def parse_listen(text: str) -> Address:
    """ "[::]:1965", "0.0.0.0:1965", "localhost", "*:1965" or "unix:/path". Raises ValueError."""
    if text.startswith("unix:"):
        if not text.startswith("unix:/") or not text.isprintable():
            raise ValueError("expected an absolute path, as in unix:/run/gemd.sock")
        return Address("unix", 0, text.removeprefix("unix:"))
    match = _LISTEN.fullmatch(text)
    host = match and (match["v6"] if match["v6"] is not None else match["name"])
    if match is None or not host:
        raise ValueError('expected "address:port", "[address]:port" or "unix:/path"')
    port = int(match["port"] or DEFAULT_PORT)
    if port > 65535:
        raise ValueError("a port is at most 65535")
    return Address("::" if host == "*" else host, port)


def parse_rate(text: str | None, problems: list[Problem]) -> Rate | None:
    """ "120/1m" is at most 120 requests a minute: Jetforce's form, N/[n]unit with s, m, h or d."""
    if text is None:
        return None
    match = _RATE.fullmatch(text)
    if match is None:
        problems.append(Problem("limits.rate", f'expected a rate such as "120/1m" or "5/s", not {show(text)}'))
        return None
    return Rate(int(match["count"]), float(int(match["number"] or 1) * _UNITS[match["unit"]]))


def _read_listen(entries: object, problems: list[Problem]) -> tuple[Address, ...]:
    assert isinstance(entries, tuple)
    addresses: list[Address] = []
    for i, entry in enumerate(entries, 1):
        try:
            address = parse_listen(entry)
        except ValueError as error:
            problems.append(Problem(f"listen[{i}]", f"{error}, not {show(entry)}"))
            continue
        if address in addresses and address.port != 0:
            problems.append(Problem(f"listen[{i}]", f"{entry} is listed twice"))
        addresses.append(address)
    if not entries:
        problems.append(Problem("listen", "expected at least one address"))
    return tuple(addresses)


def _read_workers(value: object, cpus: int, problems: list[Problem]) -> int:
    if value == "auto":
        return max(2, cpus)
    try:
        return msgspec.convert(value, Workers)
    except msgspec.ValidationError:
        problems.append(Problem("workers", f'expected "auto" or a whole number from 1 to 512, not {show(value)}'))
        return 1


def _read_hosts(tables: object, base: Path, problems: list[Problem]) -> tuple[Host, ...]:
    assert isinstance(tables, list)
    if not tables:
        problems.append(Problem("host", "expected at least one [[host]] table"))
    hosts = [_read_host(table, f"host[{i}]", base, problems) for i, table in enumerate(tables, 1)]
    owners: dict[str, int] = {}
    for i, host in enumerate(hosts, 1):
        for name in host.names:
            if owners.setdefault(name, i) != i:
                problems.append(Problem(f"host[{i}]", f"{name} belongs to host[{owners[name]}] already"))
    return tuple(hosts)


def _read_host(table: object, path: str, base: Path, problems: list[Problem]) -> Host:
    own = read_table(table, _HOST_KEYS, path, problems)
    location_tables = own.pop("location", [])
    assert isinstance(location_tables, list)
    host_values = {k: own.pop(k) for k in _HOST_ONLY_KEYS if k in own}
    if "name" not in host_values:
        if not isinstance(table, dict) or "name" not in table:
            problems.append(Problem(path, 'needs the key "name"'))
        # So that the other keys are checked too; a name that no other host can have.
        host_values["name"] = path.replace("[", "-").replace("]", "") + ".invalid"
    own_location = _make_location(own, own, path, base, problems)
    locations = [own_location]
    for i, entry in enumerate(location_tables, 1):
        where = f"{path}.location[{i}]"
        before = len(problems)
        values = read_table(entry, _LOCATION_KEYS, where, problems)
        if len(problems) == before and "path" not in values:
            problems.append(Problem(where, 'needs the key "path"'))
        inherited = {k: v for k, v in own.items() if k not in ("redirect", "gone")}
        location = _make_location({**inherited, **values}, values, where, base, problems)
        if "root" in values:
            location = msgspec.structs.replace(location, mount=location.names)
        if location.names == () and locations[0] is own_location:
            locations[0] = location
        elif location.names in [known.names for known in locations]:
            problems.append(Problem(f"{where}.path", f"{location.path} is listed twice"))
        else:
            locations.append(location)
    host = msgspec.structs.replace(msgspec.convert(host_values, Host), locations=tuple(locations))
    if (host.certificate is None) != (host.key is None):
        problems.append(Problem(path, 'needs both "certificate" and "key", or neither'))
    host = msgspec.structs.replace(
        host,
        name=_host_name(host.name, f"{path}.name", problems),
        aliases=tuple(_host_name(alias, f"{path}.aliases", problems) for alias in host.aliases),
    )
    host = msgspec.structs.replace(
        host, locations=tuple(msgspec.structs.replace(location, host=host.name) for location in host.locations)
    )
    return _absolute(host, base, "certificate", "key")


def _make_location(
    values: Mapping[str, object], own: Collection[str], where: str, base: Path, problems: list[Problem]
) -> Location:
    """The location that has these values. Only problems of its `own` keys are reported: the others are its host's."""
    location = Location(**{key.replace("-", "_"): value for key, value in values.items()})  # type: ignore[arg-type]
    found = [Problem(f"{where}.{key}", text) for key, text in _judge(location) if key.partition(".")[0] in own]
    problems.extend(found)
    return _absolute_ca(_absolute(location, base, "root"), base)


def _judge(location: Location) -> Iterator[tuple[str, str]]:
    """What is wrong with a location's values, by key."""
    if not location.path.startswith("/") or _is_climbing(location.path):
        yield "path", f"expected a path that begins with a slash, not {show(location.path)}"
    for extension, media_type in location.mime.items():
        if not (extension.startswith(".") or extension == "*") or not is_media_type(media_type):
            entry = f"{show(extension)} = {show(media_type)}"
            yield "mime", f'expected entries such as ".gmi" = "text/gemini", not {entry}'
    for key, name in [*(("index", name) for name in location.index), ("cgi", location.cgi or "x")]:
        if name.startswith("/") or _is_climbing(name):
            yield key, f"expected a path below the root, not {show(name)}"
    if location.redirect is not None and not _REFERENCE.fullmatch(location.redirect.to):
        yield "redirect.to", f"expected a percent-encoded URL or path, not {show(location.redirect.to)}"
    if location.lang is not None and not _LANGUAGES.fullmatch(location.lang):
        yield "lang", f'expected a language tag as in "en" or "en,fr", not {show(location.lang)}'
    if location.charset is not None and not (location.charset.isprintable() and location.charset.isascii()):
        yield "charset", f"expected printable ASCII, not {show(location.charset)}"
    for entry in location.client_certificate if isinstance(location.client_certificate, tuple) else ():
        try:
            parse_fingerprint(entry)
        except ValueError as error:
            yield "client-certificate", f"{error}, not {show(entry)}"


def _is_climbing(path: str) -> bool:
    """Whether a path has dot segments, which would never match a URL's names."""
    return not {".", ".."}.isdisjoint(path.split("/"))


def _absolute_ca(location: Location, base: Path) -> Location:
    rule = location.client_certificate
    if not isinstance(rule, CAFile):
        return location
    return msgspec.structs.replace(location, client_certificate=CAFile(ca=str(base / rule.ca)))


def _host_name(name: str, where: str, problems: list[Problem]) -> str:
    """The name as requests spell it; a wildcard keeps its "*."."""
    prefix = "*." if name.startswith("*.") else ""
    bare = name.removeprefix("*.")
    try:
        return prefix + normalise_host(f"[{bare}]" if ":" in bare and not bare.startswith("[") else bare)
    except ValueError as error:
        problems.append(Problem(where, f"{show(name)} can't be a host: {error}"))
        return name


def _absolute(settings: S, base: Path, *fields: str) -> S:
    """The settings with these paths taken from `base` where they are relative."""
    paths = {name: getattr(settings, name) for name in fields}
    return msgspec.structs.replace(settings, **{name: str(base / path) for name, path in paths.items() if path})


def _absolute_log(log: Log, base: Path) -> Log:
    """A log's target is a file unless it is one of the words."""
    return _absolute(log, base, *(name for name in ("access", "error") if getattr(log, name) not in LOG_WORDS))
