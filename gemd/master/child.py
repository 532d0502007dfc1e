"""A child of the master that is no worker: one that does something for it, or a process beside the workers.

Rule: the master hears what it says and waits for nothing that it does.
"""

import contextlib
import os
import select
import signal
import socket


class Child:
    """A child that is no worker. `channel` leads to it; `code` is its exit code, or minus the signal that killed it,
    once it is reaped."""

    def __init__(self, pid: int, channel: socket.socket, poll: select.poll) -> None:
        """Has `poll` wait for what comes by the channel, until that is closed."""
        self.pid = pid
        self.channel = channel
        self.code: int | None = None
        self._poll = poll
        poll.register(channel, select.POLLIN)

    def hang_up(self) -> None:
        """Hear nothing more of it."""
        if self.channel.fileno() >= 0:
            self._poll.unregister(self.channel)
            self.channel.close()

    def tell(self, text: bytes) -> None:
        """Say something by the channel, if that can be done at once."""
        with contextlib.suppress(OSError):
            self.channel.send(text, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)

    def kill(self) -> None:
        """End it, and hear nothing more of it. It is reaped when the kernel lets it go."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.hang_up()
