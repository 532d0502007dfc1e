"""The `.meta` files of a capsule: what those in a file's directory and above it say of it, up to the location's root or
to a location that has none.

Rules: each is looked at for every request and read, by a thread, when it is another one than it was; the nearest one
that has a matching line decides. None is read by a link that leads to another location, and none that is too large, no
regular file or out of reach says anything; what is wrong is told once, and in all not too often. They take a bounded
amount of memory.
"""

import itertools
import math
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from gemd.config.host_settings import META_NAME, Location
from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.meta_file import MAX_GLOBS, Preset, Presets, parse_meta
from gemd.protocol.peer import Peer
from gemd.protocol.response import Answer
from gemd.protocol.upload import Intake
from gemd.responders.bounded import Bounded
from gemd.responders.judged import Judged, Unjudged
from gemd.responders.protection import Protection
from gemd.responders.refusals import FORBIDDEN, NOT_FOUND, open_root_of
from gemd.responders.turns import Turns
from gemd.system.beneath import open_beneath
from gemd.system.file_state import State, find_state, is_settled
from gemd.system.log import error_log

MAX_DEPTH = 16  # directories below the location's own
_MAX_FILE = 32 * 1024  # bytes
_MAX_SIZE = 1024 * 1024  # bytes, of all files that are remembered in a worker, of which some ten times that is made
_OVERHEAD = 1024  # bytes of one for its key and its place here
_MAX_FAULTS = 5  # that are told of one file
_MAX_TOLD = 60  # lines in the error log
_TOLD_INTERVAL = 60.0  # seconds for these

_RETRY_INTERVAL = 1.0  # seconds until what may change without a trace, or could not be read, is read again

_Key = tuple[str, str | None, tuple[str, ...]]  # which location's, its root, and the directory's names below that

_turns = Turns()  # apart from that of judgements, which wait for no disk


class _Remembered(msgspec.Struct, frozen=True):
    """What a file says in this state. It is good until `expiry`, in monotonic seconds."""

    state: State
    presets: Presets
    size: int
    expiry: float


class _Unread(Unjudged):
    """A file has to be read first."""

    def wait(self, go_on: Callable[[], Answer | Intake]) -> Judged:
        """The answer, once it has been read."""
        return Judged(self.judge, go_on, _turns)


class MetaFiles:
    """Those of these locations, of all hosts, as far as they have any, and of what is a location for a while.
    `open_root` opens the root of one."""

    def __init__(
        self,
        locations: Sequence[Location],
        protection: Protection,
        open_root: Callable[[Location], int] = open_root_of,
    ) -> None:
        self._protection = protection
        self._open_root = open_root
        self._owners = {each.where: _find_owners(each, locations) for each in locations if each.meta_files}
        self._known: Bounded[_Key, _Remembered] = Bounded(_MAX_SIZE, lambda file: file.size, of="descriptions")
        self._lock = threading.Lock()
        self._crowded: set[str] = set()
        self._told = 0
        self._told_since = -_TOLD_INTERVAL

    def find(self, root: int, names: Sequence[str], location: Location, peer: Peer) -> Preset | None:
        """What is said of the file that `names` lead to below the location's root, which is open; it need not be there.
        Raises Unjudged as long as there is something to be read."""
        room = MAX_GLOBS  # for those of all files, as it takes time to hold a path against them
        for directory, owner in self._list_directories(names, location):
            state = _look(root, directory, owner)
            if state is not None:
                presets = self._find_presets(directory, state, owner, peer)
                room -= presets.globs
                if room < 0:
                    self._tell_of_crowd(directory, owner)
                    return None
                preset = presets.find("/".join(names[len(directory) :]))
                if preset is not None:
                    return preset
        return None

    def _list_directories(self, names: Sequence[str], location: Location) -> Iterator[tuple[tuple[str, ...], Location]]:
        """Those on the way to what `names` lead to, the nearest one first, and whose they are."""
        owners = self._owners.get(location.where, ())
        if not owners or owners[0][1] is not location:
            owners = ((0, location),)
        end = min(len(names), owners[-1][0] + MAX_DEPTH + 1)
        for top, owner in owners:
            for depth in range(end - 1, top - 1, -1):
                yield tuple(names[:depth]), owner
            end = min(end, top)

    def _find_presets(self, directory: tuple[str, ...], state: State, location: Location, peer: Peer) -> Presets:
        """Raises Unjudged."""
        known = self._known.find((location.where, location.root, directory))
        if known is not None and known.state == state and time.monotonic() < known.expiry:
            return known.presets
        raise _Unread(lambda: self._read(directory, state, location, peer))

    def _read(self, directory: tuple[str, ...], state: State, location: Location, peer: Peer) -> None:
        """Runs in a thread. Raises GeminiError (40) where the root can't be opened."""
        root = self._open_root(location)
        path = os.path.join(str(location.root), *directory, META_NAME)
        presets, size, expiry = Presets(), 0, math.inf
        faults: list[str] = []
        try:
            found = self._protection.open(root, (*directory, META_NAME), location, peer)
            descriptor, status = found.resolved.descriptor, found.resolved.status
            try:
                state, size = find_state(status), min(status.st_size, _MAX_FILE)
                if found.others:
                    raise NotFound
                if not is_settled(status):
                    expiry = time.monotonic() + _RETRY_INTERVAL
                presets, faults = read_presets(descriptor, status, path)
            finally:
                os.close(descriptor)
        except (GeminiError, Unjudged, OSError) as error:
            expiry = time.monotonic() + _RETRY_INTERVAL
            if isinstance(error, OSError) and error.errno not in NOT_FOUND - FORBIDDEN:
                faults = [f"{path} can't be read: {error.strerror}"]
        finally:
            os.close(root)
        key = location.where, location.root, directory
        former = self._known.keep(key, _Remembered(state, presets, size + _OVERHEAD, expiry))
        if former is None or former.state != state:
            self._tell(faults)

    def _tell_of_crowd(self, directory: tuple[str, ...], location: Location) -> None:
        """That a file, and what is above it, is left out; once, as far as that is remembered."""
        path = os.path.join(str(location.root), *directory, META_NAME)
        if path in self._crowded:
            return
        if len(self._crowded) >= _MAX_TOLD:
            self._crowded.clear()
        self._crowded.add(path)
        more = f"patterns with wildcards that have more than {MAX_GLOBS} characters"
        self._tell([f"{path} is left alone for some of what is below: with those there it makes {more}"])

    def _tell(self, faults: Sequence[str]) -> None:
        for fault in faults:
            with self._lock:
                now = time.monotonic()
                if now - self._told_since >= _TOLD_INTERVAL:
                    self._told, self._told_since = 0, now
                self._told += 1
                told = self._told
            if told <= _MAX_TOLD:
                error_log.warning("%s", fault)
            elif told == _MAX_TOLD + 1:
                error_log.warning("more is wrong in %s files than is told", META_NAME)


def _find_owners(location: Location, locations: Sequence[Location]) -> tuple[tuple[int, Location], ...]:
    """Whose directories lead to those of a location from its root on, the nearest one first: itself, and those above it
    up to one that has no such files; each with how many names lead to its own directory."""
    above = [
        other
        for other in locations
        if (other.host, other.root, other.mount) == (location.host, location.root, location.mount)
        and len(other.names) < len(location.names)
        and other.place.is_above(location.place)
    ]
    above.sort(key=lambda other: -len(other.names))
    owners = (location, *itertools.takewhile(lambda other: other.meta_files, above))
    return tuple((len(owner.names) - len(owner.mount), owner) for owner in owners)


def _look(root: int, directory: tuple[str, ...], location: Location) -> State | None:
    """What there is at the moment; None where nothing is, or nothing that the location may reach."""
    try:
        descriptor = open_beneath(root, (*directory, META_NAME), location.symlinks, is_read=False)
    except OSError:
        return None
    try:
        return find_state(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def read_presets(descriptor: int, found: os.stat_result, path: str) -> tuple[Presets, list[str]]:
    """What an open file says, of which `found` is what fstat(2) says, and what is to be told of it. Raises OSError."""
    if not stat.S_ISREG(found.st_mode):
        return Presets(), [f"{path} is left alone: it is no file"]
    data = b""
    while len(data) <= _MAX_FILE and (piece := os.pread(descriptor, _MAX_FILE + 1 - len(data), len(data))):
        data += piece
    if len(data) > _MAX_FILE:
        return Presets(), [f"{path} is left alone: it has more than {_MAX_FILE} bytes"]
    try:
        presets, faults = parse_meta(data)
    except ValueError as error:
        return Presets(), [f"{path} is left alone: {error}"]
    told = [f"{path}, line {fault.number}: {fault.text}" for fault in faults[:_MAX_FAULTS]]
    if len(faults) > _MAX_FAULTS:
        told.append(f"{path}: {len(faults) - _MAX_FAULTS} lines more are left out")
    return presets, told
