"""Whether a script could be run: its first bytes, the interpreter that these name, and what that takes in turn.

Rules: nothing is run, and of each file the beginning alone is read; what can't be known is no fault, for all of this is
advice. Paths are as seen from outside where who runs it is shut in somewhere, and lead on as they do in there.
"""

import errno
import os
import re
import stat

import msgspec

from gemd.system.elf import find_loader, is_elf, why_foreign
from gemd.system.permissions import has_list, is_allowed
from gemd.system.privileges import Identity
from gemd.system.program_formats import is_known_format

_LINE = 256  # bytes of a file that the kernel looks at for a #! line
_MARK = b"\xef\xbb\xbf"  # of UTF-8 with a byte order mark
_MAX_LINKS = 40  # as many as Linux follows
_MAX_INTERPRETERS = 5  # of interpreters, in a row
_TOO_MANY = "has an interpreter that has one itself, and so on: too many of them"
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_SPLIT = re.compile(r"-[a-zA-Z0-9]*S|--split-string=?")  # by which env(1) takes one argument for several


class Runner(msgspec.Struct, frozen=True):
    """Who runs it: `user`, or who asks where that is None, shut in `top` if that is not empty, with this PATH."""

    user: Identity | None
    search_path: str
    top: str = ""

    @property
    def name(self) -> str:
        """For people."""
        return self.user.name if self.user is not None else "who serves"

    def may(self, path: str, wanted: int) -> bool:
        """Whether that user may do this with the file, as far as can be told."""
        if self.user is None or self.user.uid == os.geteuid():
            return os.access(path, wanted, effective_ids=True)
        return is_allowed(os.stat(path), wanted, self.user) or has_list(path)


def why_not_run(path: str, runner: Runner, depth: int = 0) -> str | None:
    """Why the runner can't run this file, to follow its path in a sentence; None where nothing is seen. May wait for a
    disk."""
    try:
        place = _follow(path, runner)
        return _judge(path, place, runner, depth)
    except PermissionError:
        return f"can't be reached by {runner.name}: a directory on the way to it is shut"
    except OSError as error:
        return f"can't be used: {error.strerror}"


def _judge(path: str, place: str, runner: Runner, depth: int) -> str | None:
    """The same of what the path has led to. Raises OSError."""
    if not stat.S_ISREG(os.stat(place).st_mode):
        return "is no file"
    if not runner.may(place, os.X_OK):
        return f"may not be executed by {runner.name}: chmod a+x {path}"
    if os.statvfs(place).f_flag & os.ST_NOEXEC:
        return "is on a file system that is mounted noexec, where nothing can be run"
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except PermissionError:
        return None  # a program need not be readable
    try:
        start = os.pread(descriptor, _LINE, 0)
        if is_elf(start):
            return why_foreign(start) or _why_no_loader(find_loader(descriptor), runner)
    finally:
        os.close(descriptor)
    if not start.startswith(b"#!"):
        return _why_no_program(path, start)
    if not runner.may(place, os.R_OK):
        return f"may not be read by {runner.name}, and its interpreter has to: chmod a+r {path}"
    return _why_no_interpreter(path, start, runner, depth)


def _why_no_program(path: str, start: bytes) -> str | None:
    if not start:
        return "is empty"
    if start.startswith(_MARK):
        return "begins with a byte order mark: remove these three bytes before the #! line"
    if is_known_format(path, start):
        return None
    return "is neither a program nor begins with a line such as #!/bin/sh"


def _why_no_loader(loader: str | None, runner: Runner) -> str | None:
    if loader is None or not (reason := why_not_run(f"{runner.top}{loader}", runner, _MAX_INTERPRETERS)):
        return None
    return f"is a program that needs {loader}, which {reason}{_describe_place(runner)}"


def _why_no_interpreter(path: str, start: bytes, runner: Runner, depth: int) -> str | None:
    """What is wrong with its #! line, or with whom that names. Raises OSError."""
    line, end, _ = start.partition(b"\n")
    if not end and len(start) == _LINE:
        return f"has a #! line of more than {_LINE - 1} bytes, of which no more are read"
    if line.endswith(b"\r"):
        return "has a #! line that ends with CR LF, and its CR is taken for a part of a name: end lines with LF alone"
    name, _, argument = os.fsdecode(line[2:]).strip(" \t").replace("\t", " ").partition(" ")
    if not name:
        return "names no interpreter behind its #!"
    if depth == _MAX_INTERPRETERS:
        return _TOO_MANY
    if not name.startswith("/"):
        if not os.path.exists(os.path.join(os.path.dirname(path), name)):
            return f"has the interpreter {name}, for which nobody looks: give its path, or write #!/usr/bin/env {name}"
        return None
    reason = why_not_run(runner.top + name, runner, depth + 1)
    if reason is not None and reason != _TOO_MANY:
        return f"has the interpreter {name}, which {reason}{_describe_place(runner)}"
    is_env = reason is None and os.path.basename(name) == "env"
    return _why_not_found(argument.strip(" "), runner, depth) if is_env else reason


def _why_not_found(argument: str, runner: Runner, depth: int) -> str | None:
    """What is wrong with what env(1) is to look for."""
    name = _find_name(argument)
    if name is None or name.startswith("/"):
        reason = why_not_run(runner.top + name, runner, depth + 1) if name else None
        return f"has the interpreter {name}, which {reason}{_describe_place(runner)}" if reason else None
    if " " in name:
        return f'has env look for a program "{name}", blank included: write env -S before it'
    first = None
    for directory in runner.search_path.split(":"):
        if not directory.startswith("/"):
            return None  # what is found there depends on who looks
        path = os.path.join(directory, name)
        reason = why_not_run(runner.top + path, runner, depth + 1)
        if reason is None:
            return None
        if os.path.lexists(runner.top + path):
            first = first or f"has the interpreter {path}, which {reason}{_describe_place(runner)}"
    missing = f"has env look for {name}, which is in none of {runner.search_path} (cgi.path){_describe_place(runner)}"
    return first or f"{missing}: install it, or name another"


def _find_name(argument: str) -> str | None:
    """The program in the one argument that env(1) is given; None where it is not plain which that is."""
    split = _SPLIT.match(argument)
    if split is None:
        return None if argument.startswith("-") or _ASSIGNMENT.match(argument) else argument or None
    words = argument[split.end() :].split()
    while words and _ASSIGNMENT.match(words[0]):
        del words[0]
    plain = bool(words) and not words[0].startswith("-") and not any(sign in words[0] for sign in "'\"\\$")
    return words[0] if plain else None


def _describe_place(runner: Runner) -> str:
    return f" (within the chroot {runner.top})" if runner.top else ""


def _follow(path: str, runner: Runner) -> str:
    """Where it leads, by links as they are in the runner's place. Raises OSError for what is not there, and where the
    runner may not pass."""
    place, links, names = "", 0, path.removeprefix(runner.top).split("/")[::-1]
    while names:
        name = names.pop()
        if name in ("", ".", ".."):
            place = os.path.dirname(place).rstrip("/") if name == ".." else place
            continue
        if not runner.may(f"{runner.top}{place}/", os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        here = f"{runner.top}{place}/{name}"
        if not stat.S_ISLNK(os.lstat(here).st_mode):
            place += f"/{name}"
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = os.readlink(here)
        names += target.split("/")[::-1]
        place = "" if target.startswith("/") else place
    return runner.top + place
