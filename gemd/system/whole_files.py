"""Small files that are complete or not there, whatever happens meanwhile.

Rule: what is to be seen under its name was written, and is on the disk, before.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path


def write_once(path: Path, content: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    """Write a new file, which appears complete or not at all; one that exists meanwhile stays."""
    with _complete(path, content, mode, owner) as temporary, contextlib.suppress(FileExistsError):
        os.link(temporary, path)


@contextlib.contextmanager
def _complete(path: Path, content: bytes, mode: int, owner: tuple[int, int] | None) -> Iterator[str]:
    """A file beside `path` with all of its content, on disk, which is removed unless it was moved."""
    import tempfile  # for what is made once

    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None:
                os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def replace_whole(path: Path, content: bytes) -> None:
    """Put a new file in the place of `path`, which stays as NAME.old. Root leaves the owner what it was."""
    before = path.stat()
    old = path.with_name(f"{path.name}.old")
    owner = (before.st_uid, before.st_gid) if os.geteuid() == 0 else None
    with _complete(path, content, stat.S_IMODE(before.st_mode), owner) as temporary:
        old.unlink(missing_ok=True)
        os.link(path, old)
        os.replace(temporary, path)
