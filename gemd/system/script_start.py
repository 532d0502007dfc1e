"""Starting a script: the file that is started, and the pipes that it is given.

Rule: a file is known by a name in an open directory, where it was found; no path leads there once more.
"""

import errno
import os
from collections.abc import Mapping, Sequence

from gemd.system.beneath import open_root
from gemd.system.orphans import Registration
from gemd.system.spawn import spawn

_MAX_LINE = 256  # bytes of a #! line that the kernel reads
_WHY = {
    errno.ENOENT: "its interpreter (the #! line) or the script itself does not exist",
    errno.EACCES: "it, its interpreter or its directory may not be executed by uid {uid}",
    errno.ENOEXEC: "it is neither a program nor begins with a #! line",
    errno.ETXTBSY: "it is open for writing",
    errno.E2BIG: "its environment is too large",
}
_HOLD = ("/bin/sh", "-c", 'read -r _ && exec "$0" "$@" </dev/null')
_HOLD_WITH_BODY = ("/bin/sh", "-c", 'read -r _ <&3 && exec "$0" "$@" 3<&-')


class ScriptFile:
    """The program at `path`, or rather, where they are given, what has this name in this open directory. `body` is an
    open file that it reads as its standard input, None for nothing; `arguments` are what follows its name.

    The directory and the body become this object's, to be closed with it.
    """

    def __init__(
        self,
        path: str,
        directory: int | None = None,
        name: str | None = None,
        body: int | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self.path = path
        self.name = name or os.path.basename(path)
        self.body = body
        self.arguments = tuple(arguments)
        self._directory = directory

    def open(self) -> int:
        """Its directory; open until this is closed. May wait for a disk. Raises OSError."""
        if self._directory is None:
            self._directory = open_root(os.path.dirname(self.path) or ".")
        return self._directory

    def close(self) -> None:
        """Close the directory, and the body."""
        descriptors = self._directory, self.body
        self._directory = self.body = None
        for descriptor in descriptors:
            if descriptor is not None:
                os.close(descriptor)


def read_first_line(file: ScriptFile) -> bytes:
    """Its beginning, up to the end of the line. May wait for a disk. Raises OSError."""
    descriptor = os.open(file.name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=file.open())
    try:
        return os.read(descriptor, _MAX_LINE).partition(b"\n")[0] + b"\n"
    finally:
        os.close(descriptor)


def explain_start_failure(file: ScriptFile, error: OSError) -> str:
    """Why it can't be started, as this error says, for the log. May wait for a disk."""
    number = error.errno or 0
    why = _explain_first_line(file, number) or _WHY.get(number, "").format(uid=os.geteuid())
    return f"{error.strerror}; {why}" if why else str(error.strerror)


def _explain_first_line(file: ScriptFile, number: int) -> str | None:
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


class Pipes:
    """By which a script's output and errors come: our ends, `output` and `errors`, become the caller's, and theirs stay
    open until the script has them. Raises OSError where none can be had."""

    def __init__(self) -> None:
        self.output, output = os.pipe()
        try:
            self.errors, errors = os.pipe()
        except OSError:
            os.close(self.output)
            os.close(output)
            raise
        self.theirs: tuple[int, ...] = (output, errors)

    def close_theirs(self) -> None:
        """The script has them, or is not to be started."""
        theirs, self.theirs = self.theirs, ()
        for descriptor in theirs:
            os.close(descriptor)


def start_script(file: ScriptFile, environ: Mapping[str, str], pipes: Pipes, is_held: bool) -> tuple[int, int | None]:
    """Start and register a program: its pid. May wait for its disk. Raises OSError, and ValueError for an environment
    that can't be.

    One that `is_held` does not run before it is sent a line, by the descriptor that comes along: limits are set from
    outside, and must be there first.
    """
    program = f"./{file.name}"  # of what runs it, a script learns this name; a program of its own learns its path
    if not is_held:
        return _spawn(file, program, [file.path, *file.arguments], environ, (file.body, *pipes.theirs)), None
    line, held = os.pipe()
    try:
        if file.body is None:
            return _spawn(file, _HOLD[0], [*_HOLD, program, *file.arguments], environ, (line, *pipes.theirs)), held
        streams = (file.body, *pipes.theirs, line)
        return _spawn(file, _HOLD_WITH_BODY[0], [*_HOLD_WITH_BODY, program, *file.arguments], environ, streams), held
    except (OSError, ValueError):
        os.close(held)
        raise
    finally:
        os.close(line)


def _spawn(
    file: ScriptFile, program: str, arguments: Sequence[str], environ: Mapping[str, str], streams: Sequence[int | None]
) -> int:
    with Registration() as register:
        pid = spawn(file.open(), program, arguments, environ, streams)
        register(pid)
    return pid
