"""What is in a user's directory, opened: it is that user's own, and all rules hold for it that hold by other names.

Rules: beside those of the nearest location on the way from the user's directory on, as everywhere, those hold of the
nearest one that the directory itself lies in; a script is never shown, and nothing of others is listed.
"""

import os
from collections.abc import Collection, Mapping, Sequence

from gemd.config.host_settings import Location
from gemd.config.placement import Placement
from gemd.config.script_places import find_depth, fold_name, fold_pattern
from gemd.protocol.errors import NotFound
from gemd.protocol.peer import Peer
from gemd.responders.location_rules import HostRules, Rule, Trail
from gemd.responders.protection import Found, Protection
from gemd.system.accounts import Account
from gemd.system.owned import OwnedFile, open_home, open_owned
from gemd.system.resolved import Resolved


class HomeLocation(Location, frozen=True, kw_only=True):
    """The location that a user's directory is: its root is the directory, its mount the names that lead there."""

    account: Account
    directory: tuple[str, ...]  # below the home


def as_home(location: Location) -> HomeLocation:
    """The same location, which is a user's directory."""
    assert isinstance(location, HomeLocation)
    return location


def open_root_of_home(location: Location) -> int:
    """A descriptor of the user's directory, as it is now. Raises NotFound (51)."""
    home = as_home(location)
    try:
        return open_home(home.account.home, home.directory, home.account.uid)
    except OSError:
        raise NotFound from None


class OwnedFiles(Protection):
    """The rules of all hosts for users' directories, which are the roots of the locations that it is asked about."""

    def __init__(self, rules: Mapping[str, Sequence[Rule]], private: Collection[str] = ()) -> None:
        super().__init__(rules, private)
        self._matching = {
            host: [rule for rule in entries if rule[0].people is not None and rule[0].match == "glob"]
            for host, entries in rules.items()
        }

    def open(self, root: int, names: Sequence[str], location: Location, peer: Peer, *, is_entry: bool = False) -> Found:
        """Open for reading what `names` lead to below the user's directory, which `root` was a moment ago. Raises as
        for any location; OSError also for what is somebody else's, or lies below that."""
        found = self._open_at_home(names, location, peer, is_entry=is_entry)
        self._private.refuse(found.resolved)
        return found

    def open_script(self, root: int, names: Sequence[str], location: Location, peer: Peer) -> Found:
        """The same for a script. No other location's settings of scripts are for it, but that there are none."""
        found = self._open_at_home(names, location, peer, may_be_script=True)
        return Found(found.resolved, tuple(other for other in found.others if other.cgi == ()))

    def hides(
        self, status: os.stat_result, names: Sequence[str], directory: Trail, location: Location, peer: Peer
    ) -> bool:
        """Whether a listing has nothing of what is there."""
        return status.st_uid != as_home(location).account.uid or super().hides(status, names, directory, location, peer)

    def _open_at_home(
        self,
        names: Sequence[str],
        location: Location,
        peer: Peer,
        *,
        is_entry: bool = False,
        may_be_script: bool = False,
    ) -> Found:
        root = open_root_of_home(location)
        try:
            return self._open(root, names, location, peer, is_entry=is_entry, may_be_script=may_be_script)
        finally:
            os.close(root)

    def _open_resolved(self, root: int, names: Sequence[str], location: Location, *, is_read: bool) -> Resolved:
        account = as_home(location).account
        owned = open_owned(root, names, location.symlinks, account.uid, is_read=is_read)
        if is_read and _is_script(owned.names, location):
            os.close(owned.descriptor)
            raise NotFound
        names = (*account.names, *owned.names)
        way = (*account.above, *owned.way)
        return OwnedFile(owned.descriptor, owned.status, names, owned.links, is_outside=True, way=way)

    def _check(
        self, trail: Trail, known: HostRules, names: Sequence[str], location: Location, peer: Peer
    ) -> tuple[Location, ...]:
        home = as_home(location)
        before, inside = trail.split(len(home.account.above))
        around = super()._check(before, known, names, location, peer)
        others = super()._check(inside, known, names, location, peer)
        path = (*home.mount, *inside.names)
        rule = self._find_matching(home, path, others)
        if rule is None:
            return (*around, *others)
        matching, check = rule
        if check is not None:
            check(peer)
        if not all(map(matching.allows_name, names)):
            raise NotFound
        return (*around, *others, matching)

    def _find_matching(self, home: HomeLocation, path: tuple[str, ...], others: Sequence[Location]) -> Rule | None:
        """The location with wildcards that is for what has this path, where that leads to it without a link, if it is
        nearer than that which was asked and the others."""
        folded = tuple(map(fold_name, path))
        found = [rule for rule in self._matching.get(home.host, ()) if _has(rule[0], path, folded)]
        known = [each.place.rank for each in (home, *others) if each.place.has(path)]
        nearest = max(found, key=lambda rule: rule[0].place.rank, default=None)
        return nearest if nearest is not None and nearest[0].place.rank > max(known, default=(0,)) else None


def _has(location: Location, path: tuple[str, ...], folded: tuple[str, ...]) -> bool:
    """Whether this path is in a location, or one that a file system takes for it that folds case."""
    return location.place.has(path) or Placement(fold_pattern(location.names), location.match).has(folded)


def _is_script(names: Sequence[str], location: Location) -> bool:
    """Whether names without a link lead to a place of the user's scripts, or to what a file system takes for one."""
    folded = [fold_name(name) for name in names]
    return any(
        find_depth(pattern, names) is not None or find_depth(fold_pattern(pattern), folded) is not None
        for pattern in location.script_places.patterns
    )
