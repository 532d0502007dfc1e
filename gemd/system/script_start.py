"""Starting a script: the file that is started, and the pipes that it is given.

Rule: a file is known by a name in an open directory, where it was found; no path leads there once more.
"""

import contextlib
import errno
import os
from collections.abc import Mapping

from gemd.system.beneath import open_root
from gemd.system.orphans import registration
from gemd.system.spawn import spawn

_MAX_LINE = 256  # bytes of a #! line that the kernel reads
_HOLD = ("/bin/sh", "-c", 'read -r _ && exec "$0" </dev/null')


class ScriptFile:
    """The program at `path`, or rather, where they are given, what has this name in this open directory.

    The directory becomes this object's, to be closed with it.
    """

    def __init__(self, path: str, directory: int | None = None, name: str | None = None) -> None:
        self.path = path
        self.name = name or os.path.basename(path)
        self._directory = directory

    def open(self) -> int:
        """Its directory; open until this is closed. May wait for a disk. Raises OSError."""
        if self._directory is None:
            self._directory = open_root(os.path.dirname(self.path) or ".")
        return self._directory

    def close(self) -> None:
        """Close the directory."""
        directory, self._directory = self._directory, None
        if directory is not None:
            os.close(directory)


def read_first_line(file: ScriptFile) -> bytes:
    """Its beginning, up to the end of the line. May wait for a disk. Raises OSError."""
    descriptor = os.open(file.name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=file.open())
    try:
        return os.read(descriptor, _MAX_LINE).partition(b"\n")[0] + b"\n"
    finally:
        os.close(descriptor)


def explain_first_line(file: ScriptFile, number: int) -> str | None:
    """What an editor may have done to a #! line that is not understood, as this number of an error says; None if
    nothing is seen. May wait for a disk."""
    if number not in (errno.ENOENT, errno.ENOEXEC):
        return None
    try:
        line = read_first_line(file)
    except OSError:
        return None
    if line.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark, before the #! line"
    return "its #! line ends with CR LF, and should with LF alone" if line.endswith(b"\r\n") else None


def start_script(file: ScriptFile, environ: Mapping[str, str], is_held: bool) -> tuple[int, int | None, int, int]:
    """Start and register a program: its pid, and our ends of its standard streams. May wait for its disk.

    One that `is_held` does not run before it is sent a line: limits are set from outside, and must be there first.
    """
    program = f"./{file.name}"  # of what runs it, a script learns this name; a program of its own learns its path
    command = (_HOLD[0], [*_HOLD, program]) if is_held else (program, [file.path])
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        stdin, held = _open_pipe(theirs, ours) if is_held else (os.open(os.devnull, os.O_RDONLY), None)
        if not is_held:
            theirs.callback(os.close, stdin)
        output, errors = (_open_pipe(ours, theirs) for _ in range(2))
        with registration() as register:
            pid = spawn(file.open(), *command, environ, (stdin, output[1], errors[1]))
            register(pid)
        ours.pop_all()
    return pid, held, output[0], errors[0]


def _open_pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
    """A pipe whose ends are closed with these."""
    ends = os.pipe()
    reader.callback(os.close, ends[0])
    writer.callback(os.close, ends[1])
    return ends
