"""Which files applications are made of, and whether one has changed.

Rules: what is the machine's, the interpreter's or gemd's own is none of them; a change is told once; the number of
files looked at has an end.
"""

import os
import site
import sys
import time
from collections.abc import Iterator, Sequence

import gemd

_MAX_FILES = 10_000
_SLACK = 20_000_000  # nanoseconds by which a file system's clock may be behind
_FOREIGN = frozenset({"site-packages", "dist-packages", "__pycache__", "node_modules"})

Signature = tuple[int, int, int]


class FileWatch:
    """The Python files below `directories`, and of all modules that the process has imported for its applications.

    It is made before they are imported, so that no change falls between the import and the first look.
    """

    def __init__(self, directories: Sequence[str], since: int) -> None:
        """Begin to look. What was changed after `since`, in nanoseconds of the system's clock, is told at the first
        look: some worker may have imported what was there before."""
        self._directories = directories
        self._since: int | None = since - _SLACK
        self._known = self._read()

    def look(self) -> str | None:
        """A file that has changed since the last look, is new, or is gone."""
        known, self._known = self._known, self._read()
        since, self._since = self._since, None
        if since is not None:
            # Modules from elsewhere are in sight only now that they are imported, and so were not known before.
            everything = self._known | known
            known = {p: sign for p, sign in everything.items() if p not in self._known or not _was_changed(p, since)}
        return next((p for p in self._known.keys() | known.keys() if self._known.get(p) != known.get(p)), None)

    def _read(self) -> dict[str, Signature]:
        paths = [*files_of_applications().values(), *self._find()]
        return {path: signature for path in paths if (signature := _sign(path)) is not None}

    def _find(self) -> Iterator[str]:
        left = _MAX_FILES
        for directory in self._directories:
            for folder, folders, files in os.walk(directory):
                folders[:] = [name for name in folders if not (name.startswith(".") or name in _FOREIGN)]
                left -= len(files) + 1
                if left < 0:
                    return
                yield from (os.path.join(folder, name) for name in files if name.endswith(".py"))


def _was_changed(path: str, since: int) -> bool:
    """Whether a file was written, moved here or removed after that; not in the future, or there would be no end."""
    try:
        status = os.stat(path)
    except OSError:
        return True
    now = time.time_ns()
    return any(since < moment <= now for moment in (status.st_mtime_ns, status.st_ctime_ns))


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
    paths = {os.path.dirname(os.__file__), site.getusersitepackages(), *site.getsitepackages()}
    # Those that are compiled; the module sysconfig knows it too, and takes 2 ms to be imported.
    paths.add(os.path.join(sys.base_exec_prefix, sys.platlibdir, "python{}.{}".format(*sys.version_info)))
    return tuple(os.path.join(path, "") for path in paths)


_LIBRARIES = _find_libraries()
