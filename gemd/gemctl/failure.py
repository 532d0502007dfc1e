"""How gemctl ends: its exit codes, and the one exception that brings a command to its end.

Rule: whatever may go wrong becomes lines for the operator, never a traceback.
"""

import enum


class ExitCode(enum.IntEnum):
    """What the shell is told, as gemctl(8) documents it."""

    OK = 0
    FAILED = 1  # what was asked for could not be done
    USAGE = 2  # the command line makes no sense
    CONFIGURATION = 3  # the configuration can't be used, or lacks a key
    UNCHECKED = 4  # of what was to be checked, not all could be


class Failure(Exception):
    """The command can't do what it should. Each of `lines` is a reason."""

    def __init__(self, *lines: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.code = code
