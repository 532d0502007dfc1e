"""The channel from the master to a worker: log files that were opened anew, by their paths.

Rule: a message has whole paths, and a descriptor for each; more than one message can hold are several messages.
"""

import os
import socket
from collections.abc import Sequence

from gemd.system.descriptors import receive_descriptors

_MAX_FILES = 16  # of a message; the kernel takes 253 descriptors
_MAX_PATH = 4096  # PATH_MAX
_SEPARATOR = b"\0"


def send_files(channel: socket.socket, paths: Sequence[str], descriptors: Sequence[int]) -> None:
    """Send descriptors, each with the path of its file. Raises OSError."""
    for start in range(0, len(paths), _MAX_FILES):
        some = slice(start, start + _MAX_FILES)
        socket.send_fds(channel, [_SEPARATOR.join(map(os.fsencode, paths[some]))], descriptors[some])


def receive_files(channel: socket.socket) -> tuple[list[str], list[int]]:
    """The paths of the next message, and the descriptors: fewer, where this process may have no more of them. Nothing
    when the channel has ended. Raises OSError."""
    paths, descriptors = receive_descriptors(channel, _MAX_FILES * (_MAX_PATH + 1), _MAX_FILES)
    return [os.fsdecode(path) for path in paths.split(_SEPARATOR) if path], descriptors
