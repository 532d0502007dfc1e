"""A fresh interpreter, for a process that is to have nothing of this one's memory.

Rule: it imports from where this one does; neither the environment nor a user's own directories have a say in that.
"""

import sys

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[4:]; import importlib; "
    "sys.exit(importlib.import_module(sys.argv[1]).main(*map(int, sys.argv[2:4])))"
)


def interpreter_command(module: str, first: int, second: int) -> list[str]:
    """The program and its arguments: it calls the `main` of a module with these numbers, whose result is the exit
    code."""
    flags = ["-I", "-X", "utf8", *(["-B"] if sys.dont_write_bytecode else [])]
    return [sys.executable, *flags, "-c", _PROGRAM, module, str(first), str(second), *sys.path]
