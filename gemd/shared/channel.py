"""The channel between the master and a worker: log files that were opened anew, by their paths; and back, why it ends.

Rule: a message has whole paths, and a descriptor for each; more than one message can hold are several messages.
"""

import contextlib
import os
import socket
from collections.abc import Sequence

from gemd.system.descriptors import receive_descriptors
from gemd.system.last_words import MOST, read_reasons, write_reasons

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


def say_last_words(channel: socket.socket, reason: str) -> None:
    """Say why this worker ends. Runs in the worker."""
    with contextlib.suppress(OSError):
        channel.send(write_reasons([reason]), socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)


def hear_last_words(channel: socket.socket) -> str:
    """Why a worker has ended, if it has said so. Runs in the master."""
    for _ in range(2):
        try:
            return " ".join(read_reasons(channel.recv(MOST, socket.MSG_DONTWAIT)))
        except ConnectionResetError:
            continue  # it ended without reading ours; what it said before is still there
        except OSError:
            break
    return ""
