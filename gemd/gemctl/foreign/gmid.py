"""gmid's configuration, of 1.x and 2.x.

Rule: what gmid has without a word, such as no listings and one index page, is written down.
"""

import os
from pathlib import Path
from typing import get_args

from gemd.config.listen import is_loopback
from gemd.config.types import Facility
from gemd.gemctl.foreign.gmid_answers import Names
from gemd.gemctl.foreign.gmid_forms import Directive
from gemd.gemctl.foreign.gmid_grammar import parse_gmid
from gemd.gemctl.foreign.gmid_places import Machine
from gemd.gemctl.foreign.gmid_server import add_server
from gemd.gemctl.foreign.original import Spot, find_port, mistake
from gemd.gemctl.foreign.outline import Outline
from gemd.protocol.host import place

_FACTS = (
    "A location for what is below /x/ is for /x too, and a redirect that keeps what follows keeps the query too.",
    "A file whose extension has no type here has the one that this machine knows.",
    "A client whose URL names another host than its TLS handshake gets 53; FastCGI and scripts have limits of time.",
)
_STYLES = ("common", "combined", "condensed", "legacy")
_SPELLINGS_OF_1 = {"ipv6", "port", "map", "mime", "cgi", "entrypoint", "env"}
_PROTOCOLS_OF_13 = ("tlsv1.3", "1.3")
_PROTOCOLS_OF_ALL = ("all", "default", "secure", "legacy", "compat", "tlsv1.2,tlsv1.3", "tlsv1.3,tlsv1.2", "tlsv1")


class _Gmid:
    def __init__(self, text: str, file: str) -> None:
        self.statements = parse_gmid(text, file)
        self.outline = Outline("gmid", file, _FACTS)
        self.servers = [each for each in self.statements if each.keyword == "server"]
        self.options = {each.keyword: each for each in self.statements}
        if not self.servers:
            raise mistake(Spot(file), "has no server")

    def make(self) -> Outline:
        self._set_listen()
        self._set_identity()
        for statement in self.statements:
            if statement.keyword == "prefork":
                self.outline.top.set("workers", min(512, max(1, int(statement.values[0]))))
            elif statement.keyword == "protocols":
                self._set_protocols(statement)
        self._set_log()
        machine = self._find_machine()
        for server in self.servers:
            add_server(self.outline, server, machine)
        return self.outline

    def _list_listens(self, server: Directive) -> list[tuple[str, str, bool, Directive | None]]:
        """Where a server listens: host, port, whether a PROXY header comes first, and who says so."""
        found: list[tuple[str, str, bool, Directive | None]] = []
        for each in server.inner:
            if each.keyword == "listen":
                host, port, proxy = each.values
                found.append((host, str(find_port(each.spot, port or "1965")), proxy == "on", each))
        if not found:
            port = self.options["port"].values[0] if "port" in self.options else "1965"
            has_all = "ipv6" not in self.options or self.options["ipv6"].values[0] == "on"
            found.append(("*" if has_all else "0.0.0.0", port, False, None))  # noqa: S104, as gmid has it
        return found

    def _set_listen(self) -> None:
        entries: dict[str, object] = {}
        everywhere = [{each[:3] for each in self._list_listens(server)} for server in self.servers]
        for server in self.servers:
            for host, port, is_proxied, statement in self._list_listens(server):
                address = place("::" if host == "*" else host, int(port))
                if not is_proxied:
                    entries.setdefault(address, address)
                    continue
                entry: dict[str, object] = {"address": address, "proxy-protocol": True}
                if not is_loopback(host) and address not in entries:
                    entry["from"] = ["127.0.0.0/8", "::1"]
                    text = "gmid believes whoever connects. Here only proxies on this machine are: add yours to from."
                    assert statement is not None
                    self.outline.top.remark(statement.spot, statement.line, text)
                entries[address] = entry
        if any(each != everywhere[0] for each in everywhere):
            first = next(i for i, each in enumerate(everywhere) if each != everywhere[0])
            text = "Servers listen on different addresses. Here all hosts answer on all of them."
            self.outline.top.remark(self.servers[first].spot, self.servers[first].line, text)
        self.outline.top.set("listen", list(entries.values()))

    def _set_identity(self) -> None:
        user, top = self.options.get("user"), self.outline.top
        if user is None:
            top.propose("user", "gemd", "gmid has no user here. If root starts gemd, it needs one:")
            return
        top.set("user", user.values[0])
        if chroot := self._find_chroot():
            top.set("chroot", chroot)
            top.set("master-user", "root")
            if "chroot" not in self.options:
                text = (
                    "gmid 2 takes the user's home for chroot where none is said, and paths in it from there. If it did"
                    " not, remove chroot and master-user, and that home from the paths."
                )
                top.remark(user.spot, user.line, text)

    def _find_chroot(self) -> str:
        """The directory that paths are in, empty if they are as they stand."""
        if "chroot" in self.options:
            return os.path.normpath(self.options["chroot"].values[0]).rstrip("/")
        user = self.options.get("user")
        if user is None or _SPELLINGS_OF_1 & self._list_keywords(self.statements):
            return ""
        try:
            home = str(Path(f"~{user.values[0]}").expanduser())
        except RuntimeError:
            text = (
                "gmid 2 takes the user's home for chroot where none is said, and paths from there. There is no such"
                " user here: complete the paths, unless that home is /."
            )
            if all(remark.place != user.spot for remark in self.outline.top.remarks):
                self.outline.top.remark(user.spot, user.line, text)
            return ""
        return home.rstrip("/") if os.path.isdir(home) else ""

    def _list_keywords(self, statements: list[Directive]) -> set[str]:
        found = {each.keyword for each in statements}
        return found.union(*(self._list_keywords(each.inner) for each in statements))

    def _set_protocols(self, statement: Directive) -> None:
        said = statement.values[0].lower().replace(" ", "").replace(":", ",")
        if said in _PROTOCOLS_OF_13:
            self.outline.table("tls").set("minimum-version", "1.3")
        elif said not in _PROTOCOLS_OF_ALL:
            text = "gemd has TLS 1.2 and 1.3, or 1.3 alone by tls.minimum-version."
            self.outline.top.remark(statement.spot, statement.line, text)

    def _set_log(self) -> None:
        table = self.outline.table("log")
        given: dict[str, Directive] = {}
        for statement in self.statements:
            if statement.keyword == "log":
                inner = statement.inner or [statement]
                given |= {each.form.removeprefix("log ").partition(" ")[0]: each for each in inner}
        syslog = given.get("syslog")
        is_off = syslog is not None and syslog.form.endswith("off")
        if "access" in given:
            table.set("access", self._join(given["access"].values[0]))
            if not is_off:
                text = "gmid has the lines in syslog as well, unless syslog is off. Here they go to one place."
                table.remark(given["access"].spot, given["access"].line, text)
        else:
            table.set("access", "off" if is_off else "syslog")
        table.set("error", "syslog")
        if syslog is not None and syslog.values:
            facility = syslog.values[0].lower().removeprefix("log_")
            if facility in get_args(Facility):
                table.set("facility", facility)
            else:
                table.remark(syslog.spot, syslog.line, "There is no such facility.")
        style = given["style"].values[0] if "style" in given else "legacy"
        if style not in _STYLES:
            raise mistake(given["style"].spot, f"expected one of {', '.join(_STYLES)}, not {style}")
        table.set("format", style)
        if style == "common":
            text = "gmid's common begins with the host; here the address comes first, and the time has brackets."
            table.remark(given["style"].spot, given["style"].line, text)
        table.set("queries", "full", "As gmid logs them; people have typed what is in them.")

    def _join(self, path: str) -> str:
        chroot = self._find_chroot()
        return os.path.normpath(f"{chroot}/{path}") if chroot else path

    def _find_machine(self) -> Machine:
        ports = {each[1] for server in self.servers for each in self._list_listens(server)}
        types: dict[str, str] = {}
        for statement in self.statements:
            if statement.keyword == "types":
                for each in statement.inner:
                    if each.keyword == "include":
                        text = "The types of this machine are known already; mime has those that are named here."
                        self.outline.top.remark(each.spot, each.line, text)
                    else:
                        types |= dict.fromkeys(each.values[1:], each.values[0])
            elif statement.keyword in ("map", "mime"):
                types[statement.values[1]] = statement.values[0]
        return Machine(self._find_chroot(), Names(None, ports.pop() if len(ports) == 1 else None), types)


def import_gmid(text: str, file: str) -> Outline:
    """The outline. Raises Failure."""
    return _Gmid(text, file).make()
