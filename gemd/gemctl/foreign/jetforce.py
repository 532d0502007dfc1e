"""Jetforce's command line as a configuration.

Rule: its defaults are its own, such as a working directory that is served, and are written down.
"""

import os

from gemd.config.listen import is_loopback, parse_listen
from gemd.config.rate import parse_rate
from gemd.gemctl.foreign.command_line import CommandLine, Flag, find_command, list_flags
from gemd.gemctl.foreign.languages import judge_language
from gemd.gemctl.foreign.original import mistake, parse_number
from gemd.gemctl.foreign.outline import Outline, Table
from gemd.protocol.host import place

_FLAGS = {
    "--host": True,
    "--port": True,
    "--hostname": True,
    "--tls-certfile": True,
    "--tls-keyfile": True,
    "--tls-cafile": True,
    "--tls-capath": True,
    "--no-tls": False,
    "--proxy-protocol": False,
    "--dir": True,
    "--cgi-dir": True,
    "--index-file": True,
    "--default-lang": True,
    "--rate-limit": True,
    "--help": False,
    "--version": False,
}
_FACTS = (
    "A client whose URL names another host than its TLS handshake gets 53.",
    "A rate is each client's own, and not one window for all.",
    "Scripts have limits of time and number; docs/JETFORCE.md has the whole list.",
)


def import_jetforce(text: str, file: str) -> Outline:
    """The outline. Raises Failure."""
    command = find_command(text, file, "jetforce")
    outline = Outline("Jetforce", file, _FACTS)
    given: dict[str, Flag] = {}
    for flag in list_flags(command, _FLAGS):
        if flag.name:
            given[flag.name] = flag
        else:
            outline.top.remark(command.place, flag.written, "Jetforce has no such flag.")
    values = {name: flag.value for name, flag in given.items()}
    _set_listen(outline, command, given)
    for key in ("user", "group"):
        if (who := getattr(command, key)) is not None:
            outline.top.set(key, who)
    _set_authorities(outline, command, values)
    if "--rate-limit" in values:
        _set_rate(outline, command, given["--rate-limit"])
    log = outline.table("log")
    log.set("format", "jetforce")
    log.set(
        "queries", "full", "As Jetforce logs them: people type what is in them. Without this line they are left out."
    )
    _set_host(outline.add_host().table, command, values)
    if command.directory is None and any(not path.startswith("/") for path in _paths(values)):
        reason = (
            "Jetforce takes relative paths from the directory that it is started in, which is not said here, and gemd"
            " from that of gemd.conf: complete them."
        )
        outline.top.remark(command.place, "jetforce " + " ".join(flag.written for flag in given.values()), reason)
    return outline


def _paths(values: dict[str, str]) -> list[str]:
    flags = ("--tls-certfile", "--tls-keyfile", "--tls-cafile", "--tls-capath")
    return [values.get("--dir", "./"), *(values[flag] for flag in flags if flag in values)]


def _set_listen(outline: Outline, command: CommandLine, given: dict[str, Flag]) -> None:
    host = given["--host"].value if "--host" in given else "127.0.0.1"
    port = given["--port"].value if "--port" in given else "1965"
    try:
        address = place(host or "::", parse_number(port))
    except ValueError:
        raise mistake(command.place, f"--port {port}: expected a number up to 65535") from None
    try:
        listens_here = is_loopback(parse_listen(address).host)
    except ValueError as error:
        raise mistake(command.place, f"{address}: {error}") from None
    if "--no-tls" not in given and "--proxy-protocol" not in given:
        outline.top.set("listen", [address])
        return
    entry: dict[str, object] = {"address": address}
    if "--proxy-protocol" in given:
        entry["proxy-protocol"] = True
        if not listens_here:
            entry["from"] = ["127.0.0.0/8", "::1"]
            reason = "Jetforce believes whoever connects. Here only proxies on this machine are: add yours to from."
            outline.top.remark(command.place, "--proxy-protocol", reason)
    if "--no-tls" in given:
        entry["tls"] = False
        if not listens_here:
            entry["force"] = True
            reason = "Anybody on the way can read and change this: let it listen on 127.0.0.1, and remove force."
            outline.top.remark(command.place, "--no-tls", reason)
    outline.top.set("listen", [entry])


def _set_authorities(outline: Outline, command: CommandLine, values: dict[str, str]) -> None:
    for flag, key in (("--tls-cafile", "ca-file"), ("--tls-capath", "ca-path")):
        if flag in values:
            outline.table("tls").set(key, command.locate(values[flag]))


def _set_rate(outline: Outline, command: CommandLine, flag: Flag) -> None:
    try:
        parse_rate(flag.value)
    except ValueError as error:
        outline.top.remark(command.place, flag.written, f"This is no rate: {error}.")
    else:
        outline.table("limits").set("rate", flag.value)


def _set_host(table: Table, command: CommandLine, values: dict[str, str]) -> None:
    name = values.get("--hostname", "localhost")
    table.set("name", name)
    if "--tls-certfile" in values:
        certificate = command.locate(values["--tls-certfile"])
        table.set("certificate", certificate)
        table.set("key", command.locate(values.get("--tls-keyfile", certificate)))
    elif "--no-tls" not in values:
        reason = (
            f"Jetforce has made a certificate of its own, /tmp/{name}.crt and {name}.key. To keep it, move both"
            " to where they last, and name them by certificate and key; else gemd makes another one."
        )
        table.remark(command.place, "without --tls-certfile", reason)
    root = command.locate(values.get("--dir", "./"))
    table.set("root", root)
    table.set("index", [values.get("--index-file", "index.gmi")])
    set_scripts(table, root, values.get("--cgi-dir", "cgi-bin"))
    if "--default-lang" in values:
        language, reason = judge_language(values["--default-lang"])
        if language is not None:
            table.set("lang", language)
        if reason:
            table.remark(command.place, f"--default-lang {values['--default-lang']}", reason)
    propose_openness(table, "Jetforce")


def set_scripts(table: Table, root: str, directory: str) -> None:
    """Have scripts in this directory, unless the root is here and has none, which would be a mistake."""
    directory = directory.strip("/") or "."
    if os.path.isdir(root) and not os.path.isdir(os.path.join(root, directory)):
        table.propose("cgi", directory, "The root has no such directory.")
    else:
        table.set("cgi", directory)


def propose_openness(table: Table, server: str) -> None:
    """What a capsule may rely on, and better does not."""
    note = (
        f"{server} also serves names that begin with a dot, and follows links that leave the root. For a capsule that"
        " relies on it:"
    )
    table.propose("dot-files", True, note)
    table.propose("symlinks", "any", "")
