"""What a process has open."""

import os
from contextlib import suppress


def open_descriptors():
    """The descriptors of this process, each with what it is."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one of the directory itself
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found
