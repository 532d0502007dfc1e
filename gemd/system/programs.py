"""The program that a command means: by its path, or by its name where programs are looked for."""

import os
import stat


class ProgramError(Exception):
    """There is no such program; the text says why, and what to change."""


def find_program(program: str, search_path: str, top: str = "") -> str:
    """The path of what has this name in a directory of `search_path`, which a colon divides, or of the program itself
    where it is a path. `top` is the directory in which that search begins, for who is shut in there.

    Whether this user may execute it is not looked at: others run it. Raises ProgramError.
    """
    if "/" in program:
        reason = _why_none(program)
        if reason is not None:
            raise ProgramError(f"{program} {reason}")
        return program
    found = None
    for directory in search_path.split(":"):
        if not directory.startswith("/"):
            continue  # what is meant by it depends on who looks
        path = os.path.join(top + directory, program)
        reason = _why_none(path)
        if reason is None:
            return path
        if os.path.lexists(path):
            found = found or f"{path} {reason}"
    raise ProgramError(found or f"{program} is in none of {search_path} (cgi.path): install it, or give its path")


def _why_none(path: str) -> str | None:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        return f"can't be used: {error.strerror if isinstance(error, OSError) else error}"
    if not stat.S_ISREG(mode):
        return "is no file"
    return None if mode & 0o111 else f"is not executable: chmod +x {path}"
