"""A server of gmid's as a host with locations.

Rule: what gmid asks first, a proxy before all else, is what answers here.
"""

import os

import msgspec

from gemd.config.placement import Placement
from gemd.gemctl.foreign.gmid_answers import Names
from gemd.gemctl.foreign.gmid_forms import Directive
from gemd.gemctl.foreign.gmid_places import HOST, Describer, Machine, Settings
from gemd.gemctl.foreign.gmid_proxies import set_proxy
from gemd.gemctl.foreign.gmid_rules import has_all_of, place_locations, read_options
from gemd.gemctl.foreign.gmid_strictness import is_application, keeps_out
from gemd.gemctl.foreign.original import mistake
from gemd.gemctl.foreign.outline import Outline, Table
from gemd.protocol.host import ANY_HOST, is_wildcard, normalise_name

_NOT_CARRIED = {"ocsp": "Answers of OCSP are not stapled."}
_PLAIN = ("index", "listing", "lang", "mime", "log", "client-certificate")


class _Server:
    def __init__(self, outline: Outline, server: Directive, machine: Machine) -> None:
        self.is_first = not outline.hosts
        self.host, self.server = outline.add_host(), server
        self.rules = place_locations(server.inner)
        self.options = read_options(server.inner)
        names = self._set_names()
        known = names[0] if len(names) == 1 and not is_wildcard(names[0]) else None
        self.machine = msgspec.structs.replace(machine, names=Names(known, machine.names.port))

    def add(self) -> None:
        table = self.host.table
        for keyword, key in (("cert", "certificate"), ("key", "key")):
            given = [each.values[0] for each in self.server.inner if each.keyword == keyword]
            if not given:
                raise mistake(self.server.spot, f"this server has no {keyword}, without which gmid does not start")
            table.set(key, given[-1])
        table.set("check-port", False, "gmid takes any port in a URL.")
        if set_proxy(self.host, self.server):
            return
        self._remark_wider()
        self.describer = Describer(self.rules, self.options, self.machine)
        own = self.describer.describe(table, HOST)
        for key in _PLAIN:
            if own[key] is not None and (key, own[key]) not in (("log", True), ("client-certificate", "none")):
                table.set(key, own[key])
        if own["root"] is not None:
            table.set("root", own["root"])
        for key in ("answer", "redirect", "fastcgi"):
            if own[key] is not None:
                table.set(key, own[key])
        if own["root"] is None and not any(own[key] for key in ("answer", "redirect", "fastcgi")):
            table.set("answer", {"status": 51, "meta": "not found"}, "gmid has no root here.")
        self._set_scripts(table, own)
        for statement in self.server.inner:
            if statement.keyword in _NOT_CARRIED:
                table.remark(statement.spot, statement.line, _NOT_CARRIED[statement.keyword])
        self._add_locations(own)

    def _set_names(self) -> list[str]:
        given = [(self.server.values[0], self.server)]
        given += [(each.values[0], each) for each in self.server.inner if each.keyword == "alias"]
        names: list[str] = []
        for name, statement in given:
            try:
                normalise_name(name)
            except ValueError as error:
                self.host.table.remark(statement.spot, statement.line, f"{name} can't be a host: {error}.")
                continue
            names.append(name)
            if name.startswith("*."):
                text = "The * stands for one label here, and for several in gmid: name other hosts by aliases."
                self.host.table.remark(statement.spot, statement.line, text)
        if not names:
            raise mistake(self.server.spot, f"{self.server.values[0]} can't be a host of gemd, and it has no alias")
        names = list(dict.fromkeys(names))
        if names[0] == ANY_HOST and self.is_first:
            text = "The first host needs a name: put that of the capsule in the place of localhost."
            self.host.table.remark(self.server.spot, self.server.line, text)
            names = ["localhost", *names]
        self.host.table.set("name", names[0])
        if names[1:]:
            self.host.table.set("aliases", names[1:])
        return names

    def _remark_wider(self) -> None:
        """Say of patterns that can't be told what else they have, and what becomes of all around them."""
        for rule in self.rules:
            if not rule.reason:
                continue
            text = f"This can't be told by a location: {rule.reason}."
            above = "/".join(("", *rule.placement.names, ""))
            options = rule.options
            is_refused = ("block" in options and keeps_out(options["block"])) or (
                "fastcgi" in options and is_application(options["fastcgi"])
            )
            if is_refused or "require" in options:
                what = "refused" if is_refused else "protected"
                text += f" So that nobody sees more than before, all of {above} is {what}: narrow it here."
            table, statement = self.host.table, rule.statement
            table.remark(statement.spot, statement.line, text)
            for inner in statement.inner:
                if inner.spot.line != statement.spot.line and inner.keyword not in ("require", "block", "fastcgi"):
                    table.remark(inner.spot, inner.line, "See above.")

    def _set_scripts(self, table: Table, own: Settings) -> None:
        """CGI of gmid 1."""
        for statement in self.server.inner:
            if statement.keyword == "cgi":
                pattern = statement.values[0].lstrip("/")
                place = pattern.removesuffix("/*")
                if any(sign in place for sign in "[\\") or not own["root"]:
                    text = "This can't be told by cgi: name directories of scripts."
                    table.remark(statement.spot, statement.line, text)
                    continue
                if "*" in place and not place.startswith("**/"):
                    place = f"**/{place}" if place.startswith("*") else place
                table.set("cgi", place if place not in ("", "*", "**/*") else ".")
                table.set("cgi-dialect", "gmid")
            elif statement.keyword == "entrypoint" and (own["fastcgi"] or not own["root"]):
                text = "What else answers for this server answers before it, in gmid too, or it has no root."
                table.remark(statement.spot, statement.line, text)
            elif statement.keyword == "entrypoint":
                table.set("script", os.path.join(str(own["root"]), statement.values[0].lstrip("/")))
                table.set("cgi-dialect", "gmid")
            elif statement.keyword == "env":
                known = table.get("cgi-environment", {})
                assert isinstance(known, dict)
                table.set("cgi-environment", known | {statement.values[0]: statement.values[1]})

    def _add_locations(self, own: Settings) -> None:
        written: list[tuple[Placement, Table]] = []
        places = dict.fromkeys(rule.placement for rule in self.rules)
        for placement in sorted((each for each in places if each != HOST), key=lambda each: each.rank):
            table = Table()
            path = "/" + "/".join(placement.names)
            table.set("path", f"{path}/" if placement.match == "prefix" else path)
            if placement.match != "prefix":
                table.set("match", placement.match)
            here = self.describer.describe(table, placement)
            above = [known for other, known in written if has_all_of(other, placement)]
            for key in _PLAIN:
                is_said = any(key in each.values and each.values[key] != here[key] for each in above)
                must_be = placement.is_glob and key in ("listing", "client-certificate")
                if here[key] is not None and (here[key] != own[key] or is_said or must_be):
                    table.set(key, here[key])
            self._add_answer(table, placement, here, own)
            written.append((placement, table))
        order = list(places)
        written.sort(key=lambda each: order.index(each[0]))
        self.host.locations += [table for _, table in written if set(table.values) - {"path", "match"} or table.remarks]

    def _add_answer(self, table: Table, placement: Placement, here: Settings, own: Settings) -> None:
        for key in ("answer", "redirect"):
            if here[key] is not None:
                table.set(key, here[key])
                return
        inherited = None if own["root"] is None else os.path.join(str(own["root"]), *placement.names)
        if here["fastcgi"] is not None:
            if here["fastcgi"] != own["fastcgi"] or own["answer"] or own["redirect"]:
                table.set("fastcgi", here["fastcgi"])
        elif here["root"] is not None and (here["root"] != inherited or own["fastcgi"]):
            table.set("root", here["root"])


def add_server(outline: Outline, server: Directive, machine: Machine) -> None:
    """Add the host that it becomes. Raises Failure."""
    _Server(outline, server, machine).add()
