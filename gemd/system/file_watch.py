"""Which files applications are made of, and whether one has changed.

Rules: what is the machine's, the interpreter's or gemd's own is none of them; a change is told once; the number of
files looked at has an end. Called by a worker, and when applications are loaded again.
"""

import os
import site
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence

import gemd

_MOST_FILES = 10_000
_FOREIGN = frozenset({"site-packages", "dist-packages", "__pycache__", "node_modules"})

Signature = tuple[int, int, int]


class FileWatch:
    """The Python files below `directories`, and of all modules that the process has imported for its applications."""

    def __init__(self, directories: Sequence[str], since: int) -> None:
        """Begin to look. What has changed after `since`, in nanoseconds of the system's clock, is a change already:
        whoever imported the files may have read what was there before."""
        self._directories = directories
        self._since = since
        self._known = self._read()

    def look(self) -> str | None:
        """A file that has changed since the last look, is new, or is gone."""
        known, self._known = self._known, self._read()
        late = self._find_late()
        if late is not None:
            return late
        for path in self._known.keys() | known.keys():
            if self._known.get(path) != known.get(path):
                return path
        return None

    def _find_late(self) -> str | None:
        """At the first look: a file that was written after `since`, though not in the future, or there is no end."""
        since, self._since = self._since, sys.maxsize
        now = time.time_ns()
        return next((path for path, (written, _, _) in self._known.items() if since < written <= now), None)

    def _read(self) -> dict[str, Signature]:
        paths = [*files_of_applications().values(), *self._find()]
        return {path: signature for path in paths if (signature := _sign(path)) is not None}

    def _find(self) -> Iterator[str]:
        left = _MOST_FILES
        for directory in self._directories:
            for folder, folders, files in os.walk(directory):
                folders[:] = [name for name in folders if not (name.startswith(".") or name in _FOREIGN)]
                left -= len(files) + 1
                if left < 0:
                    return
                yield from (os.path.join(folder, name) for name in files if name.endswith(".py"))


def _sign(path: str) -> Signature | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def files_of_applications() -> dict[str, str]:
    """The imported modules that came neither with Python nor with gemd, and are not installed packages: their files
    by name. The program that was started is none of them."""
    ours = os.path.dirname(gemd.__file__) + os.sep
    found = {}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if not isinstance(path, str) or name == "__main__" or not os.path.isabs(path):
            continue
        if path.startswith((ours, *_LIBRARIES)) or not _FOREIGN.isdisjoint(path.split(os.sep)):
            continue
        found[name] = path
    return found


def _find_libraries() -> tuple[str, ...]:
    """Where Python's library and installed packages are."""
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths |= {site.getusersitepackages(), *site.getsitepackages()}
    return tuple(os.path.join(path, "") for path in paths if path)


_LIBRARIES = _find_libraries()
