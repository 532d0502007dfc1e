"""The locations of a server of gmid's: which options hold where.

Rules: each option has the value of the first location that matches and has it, or else the server's; a location here
has all that holds in it, so that the longest path may decide; a pattern that can't be told may hold anywhere below the
directory that is above all that it matches.
"""

import re
from fnmatch import fnmatchcase

import msgspec

from gemd.config.placement import Placement
from gemd.gemctl.foreign.gmid_forms import Directive
from gemd.gemctl.foreign.original import find_port, mistake
from gemd.protocol.host import place
from gemd.protocol.url import has_dot_segments, split_path

_SWITCH = {"on": True, "off": False}


class Option(msgspec.Struct, frozen=True):
    """A value, and the statement that says so."""

    value: object
    statement: Directive


Options = dict[str, Option]


class FastCGI(msgspec.Struct):
    """What `fastcgi` says: where it is, what it is told besides, and how many names are taken off a path."""

    to: str = ""
    params: dict[str, str] = {}
    strip: int = 0


class Block(msgspec.Struct, frozen=True):
    """What `block return` says."""

    code: int
    meta: str


class PlacedRule(msgspec.Struct):
    """A location: the paths that it is for, what it says, and where that is. Where a `reason` says why its pattern
    can't be told, `placement` is the directory above all that it matches."""

    placement: Placement
    options: Options
    statement: Directive
    reason: str = ""

    def may_match(self, placement: Placement) -> bool:
        """Whether the pattern, which can't be told, may match something of a location."""
        if not has_all_of(self.placement, placement):
            return False
        pattern = self.statement.values[0].removeprefix("/")
        if placement.match != "exact" or "[" in pattern or "\\" in pattern:
            return True
        path = "/".join(placement.names)
        return fnmatchcase(path, pattern) or fnmatchcase(f"{path}/", pattern)


def read_options(statements: list[Directive]) -> Options:
    """The options of a server or location; of two of a kind the last one counts."""
    found: Options = {}
    params: dict[str, str] = {}
    for statement in statements:
        values = statement.values
        if statement.keyword == "auto":
            found["listing"] = Option(_SWITCH[values[0]], statement)
        elif statement.keyword == "log":
            found["log"] = Option(_SWITCH[values[0]], statement)
        elif statement.keyword == "block":
            code = int(values[0]) if values else 40
            meta = values[1] if len(values) > 1 else "temporary failure"
            if not 10 <= code < 70 or code // 10 == 2 or (code // 10 == 3 and len(values) == 1):
                raise mistake(statement.spot, "expected a status that is none of a page, and where to if it is 3x")
            found["block"] = Option(Block(code, meta), statement)
        elif statement.keyword == "strip":
            found["strip"] = Option(int(values[0]), statement)
        elif statement.keyword == "param":
            params[values[0]] = values[1]
        elif statement.keyword == "fastcgi":
            _read_fastcgi(statement, found)
        elif statement.keyword in ("root", "index", "lang", "default", "require"):
            found[statement.keyword] = Option(values[0], statement)
    application = found.get("fastcgi")
    if application is not None and isinstance(application.value, FastCGI):
        application.value.params = params | application.value.params
    return found


def _read_fastcgi(statement: Directive, found: Options) -> None:
    known = found.get("fastcgi")
    application = known.value if known is not None and isinstance(known.value, FastCGI) else FastCGI()
    for each in statement.inner or [statement]:
        form = each.form.removeprefix("fastcgi ")
        if form.startswith("param"):
            application.params = application.params | {each.values[0]: each.values[1]}
        elif form.startswith("strip"):
            application.strip = int(each.values[0])
        elif form in ("off", "spawn S"):
            found["fastcgi"] = Option("off" if form == "off" else None, each)
            return
        elif "tcp" in form:
            application.to = place(each.values[0], find_port(each.spot, each.value(1) or "9000"))
        else:
            application.to = f"unix:{each.values[0]}"
    found["fastcgi"] = Option(application, statement)


def place_locations(statements: list[Directive]) -> list[PlacedRule]:
    """The locations of a server, in their order."""
    rules = []
    for statement in statements:
        if statement.keyword != "location":
            continue
        options = read_options(statement.inner)
        pattern = "/" + statement.values[0].removeprefix("/")
        try:
            rules.append(PlacedRule(find_placement(pattern), options, statement))
        except ValueError as error:
            fixed = re.split(r"[*?\[\\]", pattern)[0]
            above = () if has_dot_segments(fixed) else split_path(fixed.rpartition("/")[0])
            rules.append(PlacedRule(Placement(above), options, statement, str(error)))
    return rules


def find_placement(pattern: str) -> Placement:
    """The paths that a shell pattern matches, in which a star is for slashes too. Raises ValueError."""
    if "[" in pattern or "\\" in pattern:
        raise ValueError("a location has no other signs than * and ?")
    if "?" in pattern:
        raise ValueError("a ? may be a slash there, and ends nothing here: what is below is in a location too")
    if has_dot_segments(pattern):
        raise ValueError("a path with dot segments is no location")
    stem = pattern.rstrip("*")
    if "*" in stem:
        raise ValueError("a * that others follow is for any number of directories there, and for one here")
    if stem == pattern:
        return Placement(split_path(pattern), "exact")
    if stem.endswith("/"):
        return Placement(split_path(stem))
    return Placement(split_path(f"{stem}*"), "glob")


def has_all_of(rule: Placement, other: Placement) -> bool:
    """Whether all that is in the other one is in this one."""
    return rule == other or rule.is_above(other)


def find_effective(placement: Placement, rules: list[PlacedRule], options: Options) -> Options:
    """What holds in all of a location, by the rules in their order and then the server's options."""
    found: Options = {}
    for rule in rules:
        if not rule.reason and has_all_of(rule.placement, placement):
            found = {**rule.options, **found}
    return {**options, **found}


def find_possible(key: str, placement: Placement, rules: list[PlacedRule]) -> list[Option]:
    """What an option may be in some of a location besides, by patterns that can't be told."""
    found = []
    for rule in rules:
        if key not in rule.options:
            continue
        if not rule.reason and has_all_of(rule.placement, placement):
            break
        if rule.reason and rule.may_match(placement):
            found.append(rule.options[key])
    return found
