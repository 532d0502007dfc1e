"""The command line: flags, and what they change in the configuration's tables.

Rules: flags override the file; Jetforce's flags have Jetforce's names and meaning; a flag that can't apply is an error
that says why.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from gemd.config.listen import DEFAULT_LISTEN, is_loopback, parse_listen
from gemd.config.origins import Origins
from gemd.config.sources import read_sources
from gemd.config.tables import key_path
from gemd.config.types import Address
from gemd.protocol.url import DEFAULT_PORT
from gemd.system.attempt import attempt

DEFAULT_CGI = "cgi-bin"  # of flags alone; it need not exist

Tables = dict[str, object]

# flag -> key of the one host that it sets
_HOST_FLAGS = {
    "hostname": "name",
    "dir": "root",
    "cgi_dir": "cgi",
    "index_file": "index",
    "default_lang": "lang",
    "tls_certfile": "certificate",
    "tls_keyfile": "key",
    "app": "app",
}


class UsageError(Exception):
    """A flag can't apply; the text says which and why."""


class _ShowVersions(argparse.Action):
    """Loads what the versions are those of."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:  # noqa: A002, argparse's name
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from gemd.system.versions import describe_versions

        print(describe_versions())
        parser.exit()


def _parse_path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("expected the name of a file, and not an empty text")
    return Path(text)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; ends the program with code 2 on an unknown flag, 0 after -h and -V."""
    parser = argparse.ArgumentParser(
        prog="gemd",
        description="Serve a capsule over the Gemini protocol. Without -c, the current directory on localhost.",
        epilog="gemd(8) and gemd.conf(5) have the details. Exit codes: 0 stopped, 1 fault, 2 usage, 3 configuration, "
        "4 address, 5 privileges, 6 workers, 7 running already, 8 application.",
    )
    parser.add_argument("-V", "--version", action=_ShowVersions, help="print the versions of gemd and what it runs on")
    parser.add_argument("-c", "--config", type=_parse_path, metavar="FILE", help="read the configuration from FILE")
    parser.add_argument("-t", "--test", action="store_true", help="check the configuration, then exit")
    parser.add_argument("--json", action="store_true", help="with -t: print what is found as JSON")
    parser.add_argument(
        "-T", "--dump", action="store_true", help="check the configuration and print it as it takes effect"
    )
    parser.add_argument("-d", "--daemon", action="store_true", help="detach from the terminal once it serves")
    parser.add_argument("--user", metavar="NAME", help="become this user when started as root")
    parser.add_argument("--workers", type=int, metavar="N", help="worker processes (default: one a CPU, at least 2)")
    listen = parser.add_argument_group("where to listen")
    listen.add_argument(
        "--host", metavar="ADDRESS", help='address to listen on; "" is every address (default: localhost)'
    )
    listen.add_argument("--port", type=int, metavar="PORT", help=f"port to listen on (default: {DEFAULT_PORT})")
    listen.add_argument("--proxy-protocol", action="store_true", help="a PROXY header comes before TLS, from loopback")
    tls = parser.add_argument_group("TLS")
    tls.add_argument("--no-tls", action="store_true", help="TLS is ended before gemd: plain TCP, on loopback")
    tls.add_argument("--tls-certfile", metavar="FILE", help="certificate in PEM, with its chain (default: one is made)")
    tls.add_argument("--tls-keyfile", metavar="FILE", help="private key in PEM (default: in --tls-certfile)")
    tls.add_argument("--tls-cafile", metavar="FILE", help="authorities that vouch for client certificates")
    tls.add_argument("--tls-capath", metavar="DIR", help="a directory of such files")
    capsule = parser.add_argument_group("what to serve")
    capsule.add_argument(
        "--hostname", metavar="NAME", action="append", help="host name of the capsule, or several (default: localhost)"
    )
    capsule.add_argument("--dir", metavar="DIR", help="its root directory (default: the current one)")
    capsule.add_argument(
        "--app",
        metavar="MODULE:NAME",
        help="a Python application, here or installed; has one process",
    )
    capsule.add_argument("--reload", action="store_true", help="reload when a file of an application changes")
    capsule.add_argument("--cgi-dir", metavar="DIR", help="directory of scripts, below the root (default: cgi-bin)")
    capsule.add_argument("--index-file", metavar="NAME", help="page of a directory (default: index.gmi)")
    capsule.add_argument("--default-lang", metavar="TAG", help="language of gemtext pages, as in en or en,fr")
    capsule.add_argument("--rate-limit", metavar="RATE", help="requests a client may make, as in 120/1m or 10/5s")
    return parser.parse_args(arguments)


def read_tables(
    options: argparse.Namespace, directory: Path, variables: Mapping[str, str] | None = None
) -> tuple[Tables, Origins]:
    """The file's tables, or those of a capsule in the current `directory`, with the `variables` of the environment over
    them, and the flags over these; and where their keys stand.

    Raises ConfigError for the file and the variables, and UsageError for the flags.
    """
    tables: Tables
    origins: Origins | None = None
    if options.config is not None:
        tables, origins = read_sources(directory / options.config, attempt)
    elif options.app is not None and options.dir is None:
        tables = {"host": [{"name": "localhost"}]}
    else:
        tables = {"host": [{"name": "localhost", "root": str(directory), "cgi": DEFAULT_CGI}]}
    origins = origins if origins is not None else Origins(directory, tables)
    if variables:
        from gemd.config.variables import apply_variables

        apply_variables(variables, tables, origins)
    if _apply_listen(tables, options):
        flags = {"--host": options.host, "--port": options.port}
        origins.replace("listen", ", ".join(flag for flag, value in flags.items() if value is not None) or "--no-tls")
    for key, flag in _apply_host_flags(tables, options, directory).items():
        origins.replace(key_path("host", 1, key), _name(flag))
    others = {
        ("", "user", "user"): options.user,
        ("", "workers", "workers"): options.workers,
        ("", "daemon", "daemon"): options.daemon or None,
        ("", "auto-reload", "reload"): options.reload or None,
        ("limits", "rate", "rate_limit"): options.rate_limit,
        ("tls", "ca-file", "tls_cafile"): _absolute(options.tls_cafile, directory),
        ("tls", "ca-path", "tls_capath"): _absolute(options.tls_capath, directory),
    }
    for (table, key, flag), value in others.items():
        entries = tables.setdefault(table, {}) if table and value is not None else tables
        if value is not None and isinstance(entries, dict):  # else the file is wrong, and its check will say so
            entries[key] = value
            origins.replace(key_path(table, key), _name(flag))
    return tables, origins


def _name(flag: str) -> str:
    return "--" + flag.replace("_", "-")


def _absolute(path: str | None, directory: Path) -> str | None:
    """A flag's path is relative to the current directory, a file's to that of the file."""
    return None if path is None else str(directory / path)


def _apply_listen(tables: Tables, options: argparse.Namespace) -> bool:
    """Set `listen` by flags, if there are such."""
    if (options.host, options.port, options.no_tls, options.proxy_protocol) == (None, None, False, False):
        return False
    if options.port is not None and not 0 <= options.port <= 65535:
        raise UsageError(f"--port: expected a number from 0 to 65535, not {options.port}")
    entries = _listed(tables)
    if not entries:
        return False
    addresses = [address for address, _ in entries]
    ports = {address.port for address in addresses if not address.path}
    if options.host is not None and options.port is None and len(ports) > 1:
        raise UsageError("--host can't apply: the file listens on several ports; add --port")
    if options.port is not None and options.host is None and not ports:
        raise UsageError("--port can't apply: the file listens on unix sockets only; add --host")
    if options.host is not None:
        if any(others != entries[0][1] for _, others in entries):
            raise UsageError("--host can't apply: the file's listeners are of several kinds; change it there")
        port = options.port if options.port is not None else (ports or {DEFAULT_PORT}).pop()
        entries = [(Address(options.host or "::", port), entries[0][1])]
    elif options.port is not None:
        entries = [(a if a.path else Address(a.host, options.port), others) for a, others in entries]
    flags: Tables = {"tls": False} if options.no_tls else {}
    flags |= {"proxy-protocol": True} if options.proxy_protocol else {}
    listed: dict[str, Tables] = {}
    for address, others in entries:
        _check_reach(options, address, others)
        if listed.setdefault(str(address), {**others, **flags}) != {**others, **flags}:
            raise UsageError(f"--port can't apply: the file says other things of two that are {address} then")
    tables["listen"] = [{"address": a, **others} if others else a for a, others in listed.items()]
    return True


def _listed(tables: Tables) -> list[tuple[Address, Tables]]:
    """The addresses of the file, and what it says of each; none where anything is wrong, which is left to its check."""
    entries = tables.get("listen", DEFAULT_LISTEN)
    if not isinstance(entries, (list, tuple)):
        return []
    found = [dict(entry) if isinstance(entry, dict) else {"address": entry} for entry in entries]
    if not all(isinstance(entry.get("address"), str) for entry in found):
        return []
    try:
        return [(parse_listen(str(entry.pop("address"))), entry) for entry in found]
    except ValueError:
        return []


def _check_reach(options: argparse.Namespace, address: Address, others: Tables) -> None:
    """Flags alone don't open to others what is for this machine. Raises UsageError."""
    if address.path or is_loopback(address.host):
        return
    if options.no_tls and not others.get("force"):
        raise UsageError(
            f"--no-tls can't apply to {address}: others could read and change all; listen on localhost or a unix "
            "socket, or say tls = false and force = true in [[listen]] of a file"
        )
    if options.proxy_protocol and not others.get("from"):
        raise UsageError(
            f"--proxy-protocol can't apply to {address}: anybody could claim to be anyone; listen on localhost or a "
            "unix socket, or name the proxies' networks by from in [[listen]] of a file"
        )


def _apply_host_flags(tables: Tables, options: argparse.Namespace, directory: Path) -> dict[str, str]:
    """Set keys of the one host, and tell which, each with its flag."""
    flags = {flag: getattr(options, flag) for flag in _HOST_FLAGS if getattr(options, flag) is not None}
    if not flags:
        return {}
    hosts = tables.setdefault("host", [{"name": "localhost"}])
    if not isinstance(hosts, list) or len(hosts) != 1 or not isinstance(hosts[0], dict):
        names = ", ".join(map(_name, flags))
        number = f"{len(hosts)} hosts" if isinstance(hosts, list) else "no valid host"
        raise UsageError(f"{names} can't apply: {options.config} has {number}; change it there")
    for flag, value in flags.items():
        if flag in ("dir", "tls_certfile", "tls_keyfile"):
            value = _absolute(value, directory)
        if flag == "hostname":
            value, *aliases = value
            if aliases:
                hosts[0]["aliases"] = aliases
        hosts[0][_HOST_FLAGS[flag]] = [value] if flag == "index_file" else value
    if "app" in flags:
        hosts[0].setdefault("app-path", str(directory))
        if not hosts[0].get("preload"):
            hosts[0].setdefault("app-process", True)
    if "tls_certfile" in flags and "tls_keyfile" not in flags:
        hosts[0]["key"] = hosts[0]["certificate"]
    return {_HOST_FLAGS[flag]: flag for flag in flags}
