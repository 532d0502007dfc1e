"""Confinement: which files scripts may touch, as rules of Landlock.

Rules: what is hidden from scripts is the directory of a private file, or where others need that directory, the file
alone, and every link that leads to it; all that stands beside these on the way down from the root directory is allowed,
as it is found at that moment. What is made there later is not, and what is replaced there is not either.
"""

import os
import sys
from collections.abc import Iterable, Iterator

import msgspec

from gemd.system.landlock import ALL, READ, Access, Ruleset

_TEMPORARY = ("/dev/shm", "/tmp", "/var/tmp")  # noqa: S108, nothing is made there
_BUSY = ("/etc", *_TEMPORARY)  # where files come and go that scripts need
# Directories of everybody, and all that lead to them: a private file in one of them is hidden, and not all of them.
_SHARED = (
    *("/bin", "/boot", "/etc/pki/tls/certs", "/etc/ssl/certs", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt"),
    *("/proc", "/root", "/run/lock", "/sbin", "/srv", "/sys", "/usr/bin", "/usr/lib", "/usr/local/bin"),
    *("/usr/local/lib", "/usr/share", "/var/lib"),
    *_TEMPORARY,
)
# What programs need to run at all, where scripts see nothing but what is listed.
_SYSTEM = ("/bin", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/usr")
_MAX_LINKS = 40  # as many as Linux follows
_DEVICES = ("/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero")


class ConfinementError(Exception):
    """Scripts can't be confined; the text says what to change."""


class Confinement(msgspec.Struct, frozen=True):
    """What scripts may touch. `private` are files that they may not; `needed` is what has to stay within their reach.

    `read` is what they alone may read, besides programs of the system and what is `needed`, and `write` what they alone
    may change: files, and directories with all that is below; None for all. `chroot` is where they find the system, if
    they are shut in; all paths are as seen from outside.
    """

    private: tuple[str, ...]
    needed: tuple[str, ...] = ()
    read: tuple[str, ...] | None = None
    write: tuple[str, ...] | None = None
    chroot: str | None = None

    def find_hidden(self) -> frozenset[str]:
        """The directories and files that are kept from scripts, by their real paths."""
        kept = [*_SHARED, *map(os.path.realpath, (*self.needed, sys.prefix, sys.base_prefix))]
        hidden: set[str] = set()
        for path in self.private:
            for name, is_file in _follow(path):
                directory = os.path.dirname(name)
                is_kept = not is_file or any(is_beneath(place, directory) for place in kept)
                hidden |= {name} if is_kept else {name, directory}
        return frozenset(hidden)

    def find_blind_spots(self) -> Iterator[tuple[str, str]]:
        """Directories where files come and go, of which scripts see only what is there when a worker starts, each with
        something hidden in it."""
        needed = [os.path.realpath(path) for path in self.needed]
        hidden = self.find_hidden()
        found: dict[str, str] = {}
        for path in sorted(hidden):
            directory = os.path.dirname(path)
            while directory not in hidden and directory != "/":
                if directory in _BUSY or any(is_beneath(directory, place) for place in needed):
                    found.setdefault(directory, path)
                directory = os.path.dirname(directory)
        yield from found.items()

    def make_ruleset(self) -> Ruleset:
        """The rules, for this moment. Raises ConfinementError."""
        try:
            return self._make_ruleset()
        except OSError as error:
            reason = f"scripts can't be confined: {error.strerror}; see cgi.confine"
            raise ConfinementError(reason) from None

    def _make_ruleset(self) -> Ruleset:
        # Names of files can be asked for in any case, which Landlock does not keep from anybody; and who may list the
        # root directory may list everything. So lists of names are forbidden only where nothing is allowed by default.
        ruleset = Ruleset(ALL if self.read is not None else ALL & ~Access.READ_DIR)
        hidden = self.find_hidden()
        top = (self.chroot or "").rstrip("/")
        system, devices = ([top + path for path in paths] for paths in (_SYSTEM, _DEVICES))
        seen = ("/",) if self.read is None else (*system, *self.needed, *self.read)
        changed = self.write if self.write is not None else self.read
        rights = {os.path.realpath(path): READ for path in seen}
        rights |= {os.path.realpath(path): ALL for path in (("/",) if changed is None else (*changed, *devices))}
        above = directories_above(hidden)
        for path, access in rights.items():
            self._allow(ruleset, path, access, hidden, above)
        return ruleset

    def _allow(
        self, ruleset: Ruleset, path: str, access: Access, hidden: frozenset[str], above: frozenset[str]
    ) -> None:
        """Allow this for all below `path` that is not hidden; `above` are the directories that lead to what is."""
        if path in hidden:
            return
        if path in above:
            for name in self._list(path):
                self._allow(ruleset, os.path.join(path, name), access, hidden, above)
            return
        ruleset.allow(path, access)

    def _list(self, directory: str) -> Iterable[str]:
        """The names in a directory; of one that can't be listed those that lead to what is needed."""
        try:
            return os.listdir(directory)
        except OSError:
            wanted = map(os.path.realpath, (*self.needed, *(self.read or ()), *(self.write or ()), *_SHARED))
            inside = (os.path.relpath(path, directory) for path in wanted if is_beneath(path, directory))
            return {way.partition("/")[0] for way in inside if way != "."}


def _follow(path: str) -> Iterator[tuple[str, bool]]:
    """Each link on the way to what an absolute path leads to, by a name without others, and that itself in the end;
    whether it stands for the file, and not for a directory on the way. Who can replace a link decides where it leads:
    away from what was hidden, which the next worker would then show."""
    place, links = "/", 0
    names = path.split("/")[::-1]  # the next one is the last
    while names:
        name = names.pop()
        here = os.path.normpath(os.path.join(place, name))  # no link is before a dot segment here
        try:
            target = os.readlink(here)
        except OSError:
            place = here
            continue
        links += 1
        if links > _MAX_LINKS:
            return
        yield here, not any(names)
        names += target.split("/")[::-1]
        if target.startswith("/"):
            place = "/"
    yield place, True


def directories_above(paths: Iterable[str]) -> frozenset[str]:
    """All directories that lead to one of these absolute paths."""
    found: set[str] = set()
    for path in paths:
        while (path := os.path.dirname(path)) not in found:
            found.add(path)
    return frozenset(found)


def is_beneath(path: str, directory: str) -> bool:
    """Whether an absolute path without dot segments is this directory, or leads into it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")
