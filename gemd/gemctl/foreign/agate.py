"""Agate's command line as a configuration.

Rule: a directory that may be listed by its file .directory-listing-ok is a location, which is listed and no more.
"""

import os

from gemd.config.listen import parse_listen
from gemd.gemctl.failure import Failure
from gemd.gemctl.foreign.command_line import CommandLine, Flag, find_command, list_flags
from gemd.gemctl.foreign.languages import judge_language
from gemd.gemctl.foreign.original import mistake
from gemd.gemctl.foreign.outline import HostOutline, Outline, Table
from gemd.gemctl.terminal import escape
from gemd.protocol.host import ANY_HOST, normalise_name

_FLAGS = {
    "--content": True,
    "--certs": True,
    "--addr": True,
    "--socket": True,
    "--hostname": True,
    "--cert": True,
    "--key": True,
    "--lang": True,
    "--only-tls13": False,
    "--serve-secret": False,
    "--log-ip": False,
    "--central-conf": False,
    "--ed25519": False,
    "--skip-port-check": False,
    "--help": False,
    "--version": False,
}
_SHORT = {
    "3": "--only-tls13", "C": "--central-conf", "e": "--ed25519", "h": "--help", "V": "--version",
}  # fmt: skip
_FACTS = (
    "A name that begins with a dot is answered 51, not 52, and a line of .meta does not make it seen.",
    "The access log has a format of its own: log.format.",
)
_LISTED = ".directory-listing-ok"
_MOST_DIRECTORIES = 20_000


def import_agate(text: str, file: str) -> Outline:
    """The outline. Raises Failure."""
    command = find_command(text, file, "agate")
    outline = Outline("Agate", file, _FACTS)
    given: dict[str, list[Flag]] = {}
    for flag in list_flags(command, _FLAGS, _SHORT):
        if flag.name:
            given.setdefault(flag.name, []).append(flag)
        else:
            outline.top.remark(command.place, flag.written, "Agate 3 has no such flag.")
    values = {name: [flag.value for flag in flags] for name, flags in given.items()}
    outline.top.set("listen", _list_addresses(command, values))
    for key in ("user", "group"):
        if (who := getattr(command, key)) is not None:
            outline.top.set(key, who)
    if "--only-tls13" in values:
        outline.table("tls").set("minimum-version", "1.3")
    if "--ed25519" in values:
        text = "gemd makes ECDSA keys, which all clients know; a key of Ed25519 that is there already is served."
        outline.top.remark(command.place, given["--ed25519"][0].written, text)
    if "--log-ip" not in values:
        outline.table("log").set("addresses", "none")
    _add_hosts(outline, command, values)
    if command.directory is None and not all(path.startswith("/") for path in _roots(values)):
        reason = (
            "Agate takes relative paths from the directory that it is started in, which is not said here, and gemd from"
            " that of gemd.conf: complete them."
        )
        written = " ".join(flag.written for flags in given.values() for flag in flags)
        outline.top.remark(command.place, f"agate {written}", reason)
    return outline


def _roots(values: dict[str, list[str]]) -> tuple[str, str]:
    return values.get("--content", ["content"])[-1], values.get("--certs", [".certificates"])[-1]


def _list_addresses(command: CommandLine, values: dict[str, list[str]]) -> list[str]:
    addresses = values.get("--addr", []) + [
        f"unix:{command.locate(path)}" for path in values.get("--socket", [])
    ]  # fmt: skip
    for address in addresses:
        try:
            parse_listen(address)
        except ValueError as error:
            raise mistake(command.place, f"{address}: {error}") from None
    return list(dict.fromkeys(addresses)) or ["[::]:1965", "0.0.0.0:1965"]


def _add_hosts(outline: Outline, command: CommandLine, values: dict[str, list[str]]) -> None:
    content, certificates = (command.locate(path) for path in _roots(values))
    names = list(dict.fromkeys(values.get("--hostname", [])))
    for name in names:
        try:
            normalise_name(name)
        except ValueError as error:
            raise mistake(command.place, f"--hostname {name}: {error}") from None
    for name in names or ["localhost"]:
        host = outline.add_host()
        host.table.set("name", name)
        if not names:
            host.table.set("aliases", [ANY_HOST])
            reason = (
                "Agate answers for any name then, and so does this host. Put the name of the capsule in the place of"
                " localhost, and remove aliases if there is no other."
            )
            host.table.remark(command.place, "without --hostname", reason)
        root = os.path.join(content, name) if len(names) > 1 else content
        if {"--cert", "--key"} & set(values):  # Agate before 3 has one pair for all
            for key, flag, file in (("certificate", "--cert", "cert.pem"), ("key", "--key", "key.rsa")):
                host.table.set(key, command.locate(values.get(flag, [file])[-1]))
        else:
            _set_certificate(host.table, command, certificates, name)
        host.table.set("root", root)
        _set_host(host.table, command, values)
        if "--central-conf" in values:
            _remark_central(host.table, command, content, name if len(names) > 1 else None)
        _add_listed(host, root)


def _set_host(table: Table, command: CommandLine, values: dict[str, list[str]]) -> None:
    table.set("index", ["index.gmi"])
    table.set("listing", False)
    table.set("meta-files", True)
    table.set("dot-files", "--serve-secret" in values)
    if "--lang" in values:
        language, reason = judge_language(values["--lang"][-1])
        if language is not None:
            table.set("lang", language)
        if reason:
            table.remark(command.place, f"--lang {values['--lang'][-1]}", reason)
    if "--skip-port-check" in values:
        table.set("check-port", False)
    table.propose("symlinks", "any", "Agate follows links that leave the root. For a capsule that relies on it:")


def _set_certificate(table: Table, command: CommandLine, directory: str, name: str) -> None:
    """The pair that Agate has for this name: its own, that of a domain above it, or the one for all."""
    labels = name.split(".")
    places = [".".join(labels[i:]) for i in range(len(labels))]
    for place in (*places, ""):
        certificate, key = (os.path.join(directory, place, file) for file in ("cert.der", "key.der"))
        if os.path.exists(certificate):
            table.set("certificate", certificate)
            table.set("key", key)
            return
    certificate, key = (os.path.join(directory, name, file) for file in ("cert.der", "key.der"))
    reason = (
        f"No certificate of Agate's is here. If it has one, clients know the capsule by it: set certificate to"
        f" {certificate}, or to cert.der directly in {directory}, and key to key.der beside it. Else gemd makes one."
    )
    table.remark(command.place, f"--certs {directory}", reason)


def _remark_central(table: Table, command: CommandLine, content: str, name: str | None) -> None:
    if name is None:
        reason = f"{content}/.meta is read, and so are files .meta in directories below it, which go before it."
    else:
        reason = (
            f"{content}/.meta is above the roots of the hosts, and not read: move its lines that begin with {name}/ to"
            f" {content}/{name}/.meta, without that."
        )
    table.remark(command.place, "--central-conf", reason)


def _add_listed(host: HostOutline, root: str) -> None:
    """A location for each directory that may be listed."""
    if not os.path.isdir(root):
        note = f"Agate lists directories that have a file {_LISTED}. The root is not here; have a location for each:"
        example = {"path": "/DIRECTORY/", "match": "exact", "listing": {"preamble": _LISTED}}
        host.table.propose("location", [example], note)
        return
    for path in _find_listed(root):
        location = Table()
        location.set("path", path)
        location.set("match", "exact")
        location.set("listing", {"preamble": _LISTED})
        host.locations.append(location)


def _find_listed(root: str) -> list[str]:
    """The paths of directories below the root that have the file, in their order."""
    found: list[str] = []
    for count, (directory, directories, files) in enumerate(os.walk(root), 1):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        if _LISTED in files and directory.isprintable():
            relative = os.path.relpath(directory, root)
            found.append("/" if relative == "." else f"/{relative}/")
        if count == _MOST_DIRECTORIES:
            text = f"has more than {_MOST_DIRECTORIES} directories, too many to look for {_LISTED} in each"
            raise Failure(f"{escape(root)} {text}: import this where the root is not")
    return sorted(found)
