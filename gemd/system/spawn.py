"""Starting a program in a directory that is open: posix_spawn(3), which neither copies the server nor goes by a path.

Rules: it is called by ctypes, so that other threads go on however long the program takes to be loaded; what waits for
nothing keeps the interpreter's lock, since each time that it is given up another thread may have to be waited for. The
program has a session of its own, descriptors 0 to 2 and no other, and signals as they are by default.
"""

import ctypes
import os
import sys
from collections.abc import Mapping, Sequence

_SET_SIGDEF, _SET_SIGMASK, _SET_SID = 0x04, 0x08, 0x80  # <spawn.h>, of the GNU C library and musl alike
_CLONE_FS = 0x200
_SIZE = 1024  # bytes for any of the C library's opaque structures, the largest of which has 336

_NOTHING = os.fsencode(os.devnull)
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()

_libc = ctypes.CDLL(None, use_errno=True)
_quick = ctypes.PyDLL(None)  # keeps the lock
# Since glibc 2.29 and musl 1.1.24.
_HAS_FCHDIR = hasattr(_libc, "posix_spawn_file_actions_addfchdir_np")
# Since glibc 2.34; elsewhere what is closed on exec is closed, which is everything that Python opens.
_HAS_CLOSEFROM = hasattr(_libc, "posix_spawn_file_actions_addclosefrom_np")


def _make_attributes() -> ctypes.Array[ctypes.c_char]:
    attributes, signals = (ctypes.create_string_buffer(_SIZE) for _ in range(2))
    _libc.posix_spawnattr_init(attributes)
    _libc.sigemptyset(signals)
    _libc.posix_spawnattr_setsigmask(attributes, signals)
    _libc.sigfillset(signals)
    _libc.posix_spawnattr_setsigdefault(attributes, signals)
    _libc.posix_spawnattr_setflags(attributes, ctypes.c_short(_SET_SIGDEF | _SET_SIGMASK | _SET_SID))
    return attributes


_ATTRIBUTES = _make_attributes()


def spawn(
    directory: int, program: str, arguments: Sequence[str], environ: Mapping[str, str], streams: Sequence[int | None]
) -> int:
    """Start `program`, a path that may be relative to the open `directory`, where it runs; `streams` become its
    descriptors from 0 on; None is one that has nothing to be read. Returns its pid.

    Waits until the program is loaded. Raises OSError with what execve(2) or fchdir(2) says, and ValueError for an
    environment that can't be.
    """
    path = os.fsencode(program)
    argv, envp = _make_array(arguments), _make_environ(environ)
    actions = ctypes.create_string_buffer(_SIZE)
    _check(_quick.posix_spawn_file_actions_init(actions))
    try:
        for number, descriptor in enumerate(streams):
            if descriptor is None:
                _check(_quick.posix_spawn_file_actions_addopen(actions, number, _NOTHING, os.O_RDONLY, 0))
            else:
                _check(_quick.posix_spawn_file_actions_adddup2(actions, descriptor, number))
        if _HAS_FCHDIR:
            _check(_quick.posix_spawn_file_actions_addfchdir_np(actions, directory))
        else:
            _enter(directory)
        if _HAS_CLOSEFROM:
            _check(_quick.posix_spawn_file_actions_addclosefrom_np(actions, len(streams)))
        pid = ctypes.c_int()
        _check(_libc.posix_spawn(ctypes.byref(pid), path, actions, _ATTRIBUTES, argv, envp))
    finally:
        _quick.posix_spawn_file_actions_destroy(actions)
    return pid.value


def _enter(directory: int) -> None:
    """Give this thread a working directory of its own, and make it this one. Raises OSError where that is forbidden."""
    if _libc.unshare(_CLONE_FS) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.fchdir(directory)


def _make_environ(environ: Mapping[str, str]) -> "ctypes.Array[ctypes.c_char_p]":
    if "" in environ or "=" in "".join(environ):
        raise ValueError("illegal environment variable name")
    return _make_array([f"{name}={value}" for name, value in environ.items()])


def _make_array(texts: Sequence[str]) -> "ctypes.Array[ctypes.c_char_p]":
    entries = [text.encode(_ENCODING, _ERRORS) for text in texts]
    if b"\0" in b"".join(entries):
        raise ValueError("embedded null byte")
    return (ctypes.c_char_p * (len(entries) + 1))(*entries, None)


def _check(number: int) -> None:
    if number:
        raise OSError(number, os.strerror(number))
