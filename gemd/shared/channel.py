"""The channel from the master to a worker: log files that were opened anew, by their paths.

Rule: a message has whole paths, and a descriptor for each; more than one message can hold are several messages.
"""

import os
import socket
from array import array
from collections.abc import Sequence

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
    size, room = _MAX_FILES * (_MAX_PATH + 1), socket.CMSG_LEN(_MAX_FILES * array("i").itemsize)
    # Closed on exec from the first moment, which socket.recv_fds does not offer: a thread may be starting a script.
    paths, ancillary, _, _ = channel.recvmsg(size, room, socket.MSG_CMSG_CLOEXEC)
    descriptors = array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    return [os.fsdecode(path) for path in paths.split(_SEPARATOR) if path], list(descriptors)
