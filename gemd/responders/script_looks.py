"""What looks like a script: by its extension, or since it begins with `#!`.

Rules: nothing here waits for a disk: a thread reads the beginning of what is not in memory, and its verdict is good for
a moment, or for as long as nothing has changed.
"""

import contextlib
import os
import time
from functools import partial

from gemd.protocol.errors import GeminiError
from gemd.responders.judged import Unjudged
from gemd.system.log import error_log
from gemd.system.page_cache import read_from_memory

EXTENSIONS = frozenset(
    {
        *(".awk", ".bash", ".cgi", ".fcgi", ".ksh", ".lua", ".php", ".pl", ".pm", ".py", ".pyc", ".raku", ".rb"),
        *(".scm", ".sh", ".tcl", ".zsh"),
    }
)
_BOM = b"\xef\xbb\xbf"
_SIZE = len(_BOM + b"#!")
_MAX_VERDICTS = 1024
_CLOCK_STEP = 1.0  # seconds by which the clock of a file system, or a step of it, may be behind

_Key = tuple[int, int, int]  # device, inode, and when it was changed, in nanoseconds


def has_script_extension(name: str) -> bool:
    """Whether a file of this name is one."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


class ScriptLooks:
    """Of this worker."""

    def __init__(self) -> None:
        self._verdicts: dict[_Key, tuple[float, bool]] = {}  # with when it was read, by the clock of the day

    def begins_like_script(self, descriptor: int, status: os.stat_result) -> bool:
        """Whether an open regular file begins with `#!`. Raises Unjudged where a thread has to look, and OSError."""
        beginning = read_from_memory(descriptor, _SIZE, 0)
        if beginning is not None:
            return _is_first_line(beginning)
        key = status.st_dev, status.st_ino, status.st_ctime_ns
        known = self._verdicts.get(key)
        if known is not None:
            read_at, verdict = known
            if status.st_ctime < read_at - _CLOCK_STEP or abs(time.time() - read_at) < _CLOCK_STEP:
                return verdict
        raise Unjudged(partial(self._read, key, _Copy(descriptor)))

    def _read(self, key: _Key, copy: "_Copy") -> None:
        """Runs in a thread. Raises GeminiError (40)."""
        read_at = time.time()
        try:
            verdict = _is_first_line(copy.read())
        except OSError as error:
            error_log.error("what a file begins with can't be read: %s", error.strerror)
            raise GeminiError("The file can't be read at the moment") from None
        while len(self._verdicts) >= _MAX_VERDICTS:
            with contextlib.suppress(KeyError, StopIteration, RuntimeError):  # another thread is at it
                del self._verdicts[next(iter(self._verdicts))]
        self._verdicts[key] = read_at, verdict


class _Copy:
    """An open file, for a thread that may never come."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)

    def read(self) -> bytes:
        """Its beginning. Raises OSError."""
        return os.pread(self._descriptor, _SIZE, 0)

    def __del__(self) -> None:
        os.close(self._descriptor)


def _is_first_line(beginning: bytes) -> bool:
    return beginning.removeprefix(_BOM).startswith(b"#!")
