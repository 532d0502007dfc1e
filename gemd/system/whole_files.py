"""Small files that are complete or not there, whatever happens meanwhile.

Rule: what is to be seen under its name was written, and is on the disk, before.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
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
    """Put a new file in the place of `path`, which stays as NAME.old. Root leaves the owner what it was, but gives what
    is its own to whose the directory is."""
    before = path.stat()
    owner = None
    if os.geteuid() == 0:
        owner = (before.st_uid, before.st_gid)
        if before.st_uid == 0:
            owner = find_directory_owner(path.parent) or owner
    replace_all(((path, content, stat.S_IMODE(before.st_mode)),), owner)


def _keep_old(path: Path) -> None:
    old = path.with_name(f"{path.name}.old")
    old.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.link(path, old, follow_symlinks=False)


def find_directory_owner(directory: Path) -> tuple[int, int] | None:
    """Whose a directory is, who reads what root writes to it; None where it is root's, or not there."""
    try:
        status = directory.stat()
    except OSError:
        return None
    return (status.st_uid, status.st_gid) if status.st_uid != 0 else None


Files = Sequence[tuple[Path, bytes, int]]  # with their modes


def write_all_once(files: Files, owner: tuple[int, int] | None) -> None:
    """Write new files, none of which is to be seen before all are complete. Where one exists it stays, none of the
    others does, and that is a FileExistsError."""
    with contextlib.ExitStack() as temporaries, contextlib.ExitStack() as undo:
        ready = [(temporaries.enter_context(_complete(*file, owner)), file[0]) for file in files]
        for temporary, path in ready:
            os.link(temporary, path)
            undo.callback(path.unlink)
        undo.pop_all()


def replace_all(files: Files, owner: tuple[int, int] | None) -> None:
    """Put files in the place of what is there, which stays as NAME.old, when all of them are complete."""
    with contextlib.ExitStack() as temporaries:
        ready = [(temporaries.enter_context(_complete(*file, owner)), file[0]) for file in files]
        for _, path in ready:
            _keep_old(path)
        for temporary, path in ready:
            os.replace(temporary, path)
