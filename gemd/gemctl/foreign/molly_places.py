"""The parts of Molly Brown's capsule: redirects, zones for certificates, applications by SCGI, users' directories.

Rule: where an expression can't be told exactly, more is protected than before, and never less.
"""

import os
import re
from collections.abc import Iterable, Iterator

from gemd.config.placement import Placement
from gemd.config.script_places import has_wildcard, match_name
from gemd.gemctl.foreign.areas import Area, find_areas, find_fixed_path
from gemd.gemctl.foreign.expressions import make_redirect, parse_expression
from gemd.gemctl.foreign.molly_file import MollyBrown
from gemd.gemctl.foreign.molly_zones import find_zones
from gemd.gemctl.foreign.outline import HostOutline, Table
from gemd.protocol.path_pattern import PathPattern, PathTemplate
from gemd.protocol.url import has_dot_segments, split_path

_NOBODYS = "A fingerprint that is not 64 hexadecimal digits in lower case, as nobody has it, is left out."
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_REDIRECTS = (("TempRedirects", 30), ("PermRedirects", 31))
Redirect = dict[str, object]


class _Places:
    """The locations of the host so far; what is for all of it belongs to its own table."""

    def __init__(self, host: HostOutline) -> None:
        self.host = host
        self.tables: dict[Placement, Table] = {Placement(()): host.table}
        self.applications: dict[tuple[str, ...], str] = {}
        self.zones: dict[Placement, tuple[str, ...]] = {}
        self.widened: set[Placement] = set()  # zones with much more than what they were for
        self.same: set[Placement] = set()  # those with no more

    def find(self, path: str, match: str) -> tuple[Placement, Table]:
        """The location of this path, which is made if it is not there."""
        placement = Placement(split_path(path), match)  # type: ignore[arg-type]
        table = self.tables.get(placement)
        if table is None:
            table = self.tables[placement] = Table()
            table.set("path", path)
            if match != "prefix":
                table.set("match", match)
            self.host.locations.append(table)
        return placement, table

    def protect(self, area: Area, known: tuple[str, ...]) -> Table:
        """Let these alone into the location of an area, and of them those that may already be there."""
        placement, table = self.find(area.path, area.match)
        if area.is_wider:
            self.widened.add(placement)
        if area.is_same:
            self.same.add(placement)
        before = self.zones.get(placement, known)
        self.zones[placement] = tuple(each for each in before if each in known)
        return table

    def find_zones_above(self, placement: Placement) -> list[tuple[str, ...]]:
        """Who may be in the zones around one. Where that has no more than it was for, a zone that was widened does not
        count, which may well have been for other pages."""
        if placement in self.same:
            others = [other for other in self.zones if other not in self.widened and other.is_above(placement)]
        else:
            others = [other for other in self.zones if other.is_above(placement) or other.may_be_above(placement)]
        return [self.zones[other] for other in others if other != placement]


def add_places(host: HostOutline, molly: MollyBrown) -> None:
    """Add locations, and what is for the whole host."""
    places = _Places(host)
    _add_applications(places, molly)
    _add_zones(places, molly)
    redirects = _list_redirects(host, molly)
    if (home := _find_home(host, molly)) is not None:
        redirects.append(home)
    _place_redirects(places, redirects)


def _add_applications(places: _Places, molly: MollyBrown) -> None:
    for path, socket in molly.table("SCGIPaths").items():
        upstream = f"unix:{socket}"
        if not path.startswith("/") or has_dot_segments(path) or not str(socket).startswith("/"):
            text = "The application needs a path that begins with a slash, and its socket an absolute one: scgi."
            molly.remark(places.host.table, text, "SCGIPaths", path)
            continue
        _, table = places.find(path, "prefix")
        table.set("scgi", {"to": upstream})
        places.applications[split_path(path)] = upstream


def _add_zones(places: _Places, molly: MollyBrown) -> None:
    for text, fingerprints in molly.table("CertificateZones").items():
        assert isinstance(fingerprints, list)
        for area, remark in _find_areas(text):
            table = places.protect(area, known := _find_known(fingerprints))
            if len(known) < len(fingerprints):
                remark += f" {_NOBODYS}"
            if remark:
                molly.remark(table, remark.strip(), "CertificateZones", text)
    for zone in find_zones(molly):
        table = places.protect(zone.area, _find_known(zone.fingerprints))
        table.remark(zone.place, zone.line, zone.reason)
    for placement, own in places.zones.items():
        allowed = [each for each in own if all(each in zone for zone in places.find_zones_above(placement))]
        table = places.tables[placement]
        note = "" if allowed else "Nobody may: no fingerprint is in all lists that hold here."
        table.set("client-certificate", allowed, note)
        _continue_inside(places, placement, table, molly)


def _find_areas(text: str) -> Iterator[tuple[Area, str]]:
    """Where the zone of an expression is, and what is to be said of each."""
    try:
        areas, remark = find_areas(parse_expression(text)), ""
    except ValueError as error:
        areas = (Area(find_fixed_path(text), "prefix", is_wider=True),)
        remark = f"This can't be told by a location: {error}. "
    for number, area in enumerate(areas):
        more = remark
        if area.is_wider:
            more += (
                f"So that nobody sees more than before, all of {area.path} is protected: make it less where you can."
            )
        elif number:
            more += "A dot stands for a slash, too: leave this location out where it was meant to be a dot."
        yield area, more


def _find_known(fingerprints: Iterable[object]) -> tuple[str, ...]:
    return tuple(f"SHA256:{each}" for each in fingerprints if _FINGERPRINT.fullmatch(str(each)))


def _continue_inside(places: _Places, placement: Placement, table: Table, molly: MollyBrown) -> None:
    """Have a zone answered as what is around it."""
    fixed = _fixed_names(placement)
    if placement.names and "scgi" not in table.values:
        inside = [names for names in places.applications if names and fixed[: len(names)] == names]
        if inside:
            names = max(inside, key=len)
            table.set("scgi", {"to": places.applications[names], "strip": len(names)})
    if fixed and fixed[0].startswith("~") and len(fixed) == len(placement.names) and placement.match == "prefix":
        root = os.path.join(str(places.host.table.get("root")), molly.text("HomeDocBase"), fixed[0][1:], *fixed[1:])
        table.set("root", root)


def _fixed_names(placement: Placement) -> tuple[str, ...]:
    """The names before the first one with wildcards."""
    if not placement.is_glob:
        return placement.names
    count = next((i for i, name in enumerate(placement.names) if has_wildcard(name)), len(placement.names))
    return placement.names[:count]


def _list_redirects(host: HostOutline, molly: MollyBrown) -> list[Redirect]:
    found: list[Redirect] = []
    known: set[str] = set()
    for name, status in _REDIRECTS:
        for text, target in molly.table(name).items():
            try:
                rewrite = make_redirect(parse_expression(text), str(target))
                PathTemplate(rewrite.to, PathPattern(rewrite.match))
            except ValueError as error:
                molly.remark(host.table, f"This can't be told by a redirect with match: {error}.", name, text)
                continue
            if rewrite.match in known:
                molly.remark(host.table, f"There is a redirect for {rewrite.match} already.", name, text)
                continue
            if rewrite.remarks:
                molly.remark(host.table, " ".join(rewrite.remarks), name, text)
            known.add(rewrite.match)
            found.append({"match": rewrite.match, "to": rewrite.to, "status": status})
    return found


def _find_home(host: HostOutline, molly: MollyBrown) -> Redirect | None:
    """What leads from /~user/ to the directory that it was served from."""
    name = os.path.normpath(molly.text("HomeDocBase") or ".")
    root = str(host.table.get("root"))
    is_there = os.path.isdir(os.path.join(root, name)) or (molly.is_given("HomeDocBase") and not os.path.isdir(root))
    if not is_there or name.startswith(("/", "..")):
        return None
    base = "/" if name == "." else f"/{name}/"
    reason = f"Users' directories are below {base} too: /~user/ leads there now, where it was answered before."
    if molly.is_given("HomeDocBase"):
        molly.remark(host.table, reason, "HomeDocBase")
    else:
        host.table.remark(molly.place("HomeDocBase"), f"HomeDocBase = {name} (by default)", reason)
    return {"match": "/~{user}/{rest...}", "to": f"{base}{{user}}/{{rest}}", "status": 30}


def _place_redirects(places: _Places, redirects: list[Redirect]) -> None:
    """Give each location those that may match below it, as none inherits any, and the host the others."""
    patterns = [(redirect, PathPattern(str(redirect["match"]))) for redirect in redirects]
    wholes = [placement.names for placement in places.tables if placement.names and placement.match == "prefix"]
    for placement, table in places.tables.items():
        mine = []
        for redirect, pattern in patterns:
            if placement.names:
                is_mine = pattern.may_match_below(_fixed_names(placement)) and "root" not in table.values
                is_mine = is_mine and (not placement.is_glob or _may_meet(placement.names, str(redirect["match"])))
            else:
                is_mine = not any(pattern.is_below(names) for names in wholes)
            if is_mine:
                mine.append(redirect)
        if mine:
            table.set("redirect", mine[0] if len(mine) == 1 else mine)


def _may_meet(names: tuple[str, ...], match: str) -> bool:
    """Whether what has wildcards and what has names in braces may be the same path."""
    pairs = zip(names, split_path(match), strict=False)
    return all("{" in segment or match_name(name, segment) for name, segment in pairs)
