"""What protects a file or directory, by whatever name it was reached.

Rules: a location's rules hold for the directory (or file) that is found at its path, and for all that lies in it, links
that are followed included; the source of a script of any host is never shown. Both are known by device and inode:
symbolic links, other spellings where a file system folds case, mounts and roots within roots are names like any other.
"""

import os
import stat
import time
from collections.abc import Collection, Mapping, Sequence

import msgspec

from gemd.config.host_settings import Location
from gemd.protocol.errors import CGIError, NotFound
from gemd.protocol.peer import Peer
from gemd.responders.access import NetworkRule
from gemd.responders.location_rules import HostRules, Rule, Trail, look_up_rules, protect_differently
from gemd.responders.private import PrivateFiles
from gemd.responders.script_looks import ScriptLooks, has_script_extension
from gemd.responders.sources import KnownSources, Sources
from gemd.system.beneath import open_beneath, open_root
from gemd.system.log import error_log
from gemd.system.resolved import Identity, Link, Resolved, identify, identify_path, open_resolved

_LOOK_INTERVAL = 1.0  # seconds for which directories are taken to be what they were, but for links and what is new
_EXECUTABLE = 0o111  # for somebody
_CLOCK_STEP = 1_000_000_000  # nanoseconds by which a file system's clock, or a step of it, may be behind


class Found(msgspec.Struct, frozen=True):
    """What was opened, and the locations whose rules hold for it besides those of the one that was asked."""

    resolved: Resolved
    others: tuple[Location, ...] = ()


class Known(msgspec.Struct, frozen=True):
    """What the configured directories are at a moment: roots by path, the rules of each host, places of scripts. What
    has changed since `changed_since`, in nanoseconds of the day, may have become one of them."""

    moment: float
    changed_since: int
    roots: Mapping[str, Identity | None]
    rules: Mapping[str, HostRules]
    sources: KnownSources


class Protection:
    """The rules of all hosts, by their names, and the paths of files that are never shown."""

    def __init__(self, rules: Mapping[str, Sequence[Rule]], private: Collection[str] = ()) -> None:
        self._private = PrivateFiles(private)
        locations = [location for entries in rules.values() for location, _ in entries]
        self._sources = Sources(locations)
        self._looks = ScriptLooks()
        self._rules = {
            host: [(location, check) for location, check in entries if location.root is not None]
            for host, entries in rules.items()
            if protect_differently(location for location, _ in entries)
        }
        self._access = {each.where: NetworkRule(each.access) for each in locations if each.access != "any"}
        self._by_network = {each.host for each in locations if each.access != "any"}
        self._roots = sorted({location.root for location in locations if location.root is not None})
        self._known = Known(-_LOOK_INTERVAL, 0, {}, {}, KnownSources())

    def open(self, root: int, names: Sequence[str], location: Location, peer: Peer, *, is_entry: bool = False) -> Found:
        """Open for reading what `names` lead to below `root`, the location's, which is open.

        Of an entry of a listing only the name is shown: the directories need not be looked up anew for each.

        Raises NotFound (51) for what may be the source of a script or is private, CGIError (42) for one of the location
        that can't run, what the rules of another location have to say to the client, Unjudged where something takes a
        while to find out, and OSError.
        """
        if not self._sources and location.host not in self._rules:
            descriptor = open_beneath(root, names, location.symlinks)
            found = Found(Resolved(descriptor, os.fstat(descriptor), tuple(names)))
        else:
            found = self._open(root, names, location, peer, is_entry=is_entry)
        self._private.refuse(found.resolved)
        return found

    def list_for(self, location: Location, peer: Peer) -> tuple[str, str]:
        """Whom a listing of the location is for, as far as rules for what is linked in it may look at that."""
        certificate = peer.tls.client_certificate
        address = peer.address if location.host in self._by_network else ""
        return address, certificate.fingerprint if certificate is not None else ""

    def trace(self, names: Sequence[str], location: Location) -> Trail:
        """The directory that names lead to below the location's root, for what `hides` says of its entries."""
        rules = self._known.rules.get(location.host) if self._access else None
        if rules is None or not rules.globs:
            return Trail((), ())
        path = str(location.root)
        try:
            root = open_root(path)
            try:
                resolved = self._open_resolved(root, names, location, is_read=False)
                os.close(resolved.descriptor)
                return rules.trace(resolved.trace(root), resolved.names, "" if resolved.is_outside else path)
            finally:
                os.close(root)
        except OSError:
            return Trail((), ())

    def hides(
        self, status: os.stat_result, names: Sequence[str], directory: Trail, location: Location, peer: Peer
    ) -> bool:
        """Whether a listing of a directory has nothing of what is there, by the names of a URL: it is a location's that
        the peer's network may not enter."""
        rules = self._known.rules.get(location.host) if self._access else None
        if rules is None:
            return False
        entry = directory.enter(identify(status), names[-1])
        places = [other.where for other in rules.find_entry(entry, names, location)]
        return any(where in self._access and not self._access[where].admits(peer) for where in places)

    def open_script(self, root: int, names: Sequence[str], location: Location, peer: Peer) -> Found:
        """The same for a script, or a directory on the way to it: it is not read."""
        return self._open(root, names, location, peer, may_be_script=True)

    def _open(
        self,
        root: int,
        names: Sequence[str],
        location: Location,
        peer: Peer,
        *,
        is_entry: bool = False,
        may_be_script: bool = False,
    ) -> Found:
        path = str(location.root)
        resolved = self._open_resolved(root, names, location, is_read=not may_be_script)
        is_over = True
        try:
            statuses = resolved.stat_way(root)
            way = [(status.st_dev, status.st_ino) for status in statuses]
            top = way[0] if not resolved.is_outside else identify(os.fstat(root))
            is_urgent = not is_entry and (bool(resolved.links) or self._may_be_new(statuses))
            known = self._look(path, top, is_urgent=is_urgent)
            sources = known.sources
            if not may_be_script and sources.have(path, way, resolved):
                raise NotFound
            rules = known.rules.get(location.host)
            if rules is not None:
                trail = rules.trace(way, resolved.names, "" if resolved.is_outside else path)
                others = self._check(trail, rules, names, location, peer)
            else:
                others = ()
            if not may_be_script and not is_entry and (sources.everywhere or resolved.status.st_mode & _EXECUTABLE):
                self._refuse_what_looks_like_source(resolved, way, sources, location)
            for link in resolved.links:
                self._check_link(link, root, known, location)
            is_over = False
        finally:
            if is_over:
                os.close(resolved.descriptor)
        return Found(resolved, others)

    def _open_resolved(self, root: int, names: Sequence[str], location: Location, *, is_read: bool) -> Resolved:
        return open_resolved(root, str(location.root), names, location.symlinks, is_read=is_read)

    def _refuse_what_looks_like_source(
        self, resolved: Resolved, way: Sequence[Identity], sources: KnownSources, location: Location
    ) -> None:
        """Raise NotFound (51) for what may be a script's; CGIError (42) where it would be this location's."""
        status = resolved.status
        if not self._sources or not stat.S_ISREG(status.st_mode):
            return
        is_around, is_executable = sources.have_around(way), bool(status.st_mode & _EXECUTABLE)
        if is_executable and is_around:
            raise NotFound
        if is_executable and status.st_nlink > 1:  # by another name it may be in a place of scripts
            message = "%s is executable and has several hard links: it is not sent, it may be a script"
            error_log.warning(message, resolved.path_from(str(location.root)))
            raise NotFound
        if not is_around:
            return
        name = resolved.names[-1] if resolved.names else ""
        if not (has_script_extension(name) or self._looks.begins_like_script(resolved.descriptor, status)):
            return
        if not location.script_places.is_everywhere:
            raise NotFound
        path = resolved.path_from(str(location.root))
        error_log.error("%s looks like a script, and is not executable: it is not sent", path)
        raise CGIError("The script failed")

    def _check(
        self, trail: Trail, known: HostRules, names: Sequence[str], location: Location, peer: Peer
    ) -> tuple[Location, ...]:
        """The locations of the nearest directory on the way, after the client has passed their rules; none where
        that which was asked is among them."""
        found = known.find(trail, location)
        rules = found.rules
        if any(other is location for other, _ in rules):
            if not found.doubtful:
                return ()
            rules = ((location, None),)
        rules = (*rules, *found.doubtful)
        for _, check in rules:
            if check is not None:
                check(peer)
        others = tuple(other for other, _ in rules)
        if not all(other.allows_name(name) for other in others for name in names):
            raise NotFound
        return others

    def _check_link(self, link: Link, root: int, known: Known, location: Location) -> None:
        """Raise NotFound for a link that the locations at the nearest directory on the way to it forbid to follow."""
        known_rules = known.rules.get(location.host)
        if known_rules is None:
            return
        way = link.trace(root)
        trail = known_rules.trace(way, link.names, "" if link.is_outside else str(location.root))
        found = known_rules.find(trail, location, is_link=True)
        depth, is_own = found.depth, any(other is location for other, _ in found.rules)
        for other, _ in (*(() if is_own else found.rules), *found.doubtful):
            top = known.roots.get(str(other.root))
            least = way.index(top) if top in way else depth
            if other.symlinks == "none" or (other.symlinks == "beneath" and link.kept < least):
                raise NotFound

    def _may_be_new(self, way: Sequence[os.stat_result]) -> bool:
        """Whether something on the way has changed since the last look: it may have taken another one's place."""
        return max(status.st_ctime_ns for status in way) >= self._known.changed_since

    def _look(self, root: str, identity: Identity, *, is_urgent: bool) -> Known:
        """What they are, looked up anew when it is time, or when this root is another directory than it was."""
        known, now = self._known, time.monotonic()
        if is_urgent or now - known.moment >= _LOOK_INTERVAL or known.roots.get(root, identity) != identity:
            changed_since = time.time_ns() - _CLOCK_STEP
            roots = {path: identify_path(path) for path in self._roots}
            sources = self._sources.look(roots, identify_path)
            rules = {host: look_up_rules(entries, roots, identify_path) for host, entries in self._rules.items()}
            known = self._known = Known(now, changed_since, roots, rules, sources)
        return known
