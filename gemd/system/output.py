"""What a command prints: its reader may have left, and the disk may be full that it goes to.

Rule: neither is a fault of the program, and neither is told again as Python ends.
"""

import errno
import os
import sys

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def print_whole(text: str) -> str:
    """Print a text on standard output, and write it all. Why that can't be done; "" also where the reader has left."""
    try:
        print(text, end="", flush=True)
    except OSError as error:
        return give_up_output(error)
    return ""


def give_up_output(error: OSError) -> str:
    """What to say of an error that printing has raised, "" where the reader has left; whatever is printed from now on
    goes nowhere. Raises the error if it is another one."""
    if error.errno != errno.EPIPE and (error.errno not in _FULL or error.filename is not None):
        raise error
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())  # where Python writes once more as it ends
    os.close(nowhere)
    return "" if error.errno == errno.EPIPE else f"standard output can't be written: {error.strerror}"
