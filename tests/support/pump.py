"""What the event loop does for an answer, for a test: it waits, for this one answer, and for no longer than a while.

Rule: an answer is asked again only for a reason that the event loop would have: a descriptor of its own is readable, it
has called `wake`, or its deadline has passed. An answer that forgets to say so is never heard of again, and the test
fails.
"""

import os
import select
import threading
import time
from contextlib import nullcontext, suppress

from gemd.protocol.response import Response
from gemd.system.addresses import look_up

LONGEST = 15.0  # seconds that an answer may take


class Pump:
    """The helper of one answer. `threads` False is a pool in which none is free."""

    client = "192.0.2.1"

    def __init__(self, *, threads: bool = True):
        self.woken = 0
        self.asked = 0  # how often the answer was asked in vain
        self.settled = None  # the pending answer that was settled last
        self._threads = threads
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._started = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for thread in self._started:
            thread.join(LONGEST)
            assert not thread.is_alive()
        os.close(self._wakeup)

    def wake(self):
        self.woken += 1
        os.eventfd_write(self._wakeup, 1)

    def run(self, work):
        if not self._threads:
            return None

        def run_and_wake():
            try:
                work()
            finally:
                self.wake()

        self._started.append(threading.Thread(target=run_and_wake))
        self._started[-1].start()
        return lambda: None

    def resolve(self, host, port):
        return look_up(host, port)

    def forget(self, host, port):
        pass

    def show(self):
        return nullcontext()

    def settle(self, pending):
        """Begin, and wait for the response, through all that is pending. What has not become the body is closed."""
        self.settled = pending
        pending.begin(self)
        answer = None
        try:
            answer = self.wait_for(pending, pending.settle)
        finally:
            if getattr(answer, "body", None) is not pending:
                pending.close()
        return answer if isinstance(answer, Response) else self.settle(answer)

    def read(self, source):
        """All that is left of a body that has begun; closes it."""
        try:
            return b"".join(self.pieces(source))
        finally:
            source.close()

    def pieces(self, source):
        """The body, piece by piece."""
        while data := self.wait_for(source, source.read):
            yield data

    def wait_for(self, answer, ask):
        """Ask until there is something."""
        end = time.monotonic() + LONGEST
        while (found := ask()) is None:
            self.asked += 1
            now = time.monotonic()
            assert now < end, "waited in vain for an answer"
            poll, wanted = select.poll(), {self._wakeup: select.POLLIN}
            for descriptor in answer.descriptors:
                fd, event = (descriptor, select.POLLIN) if descriptor >= 0 else (~descriptor, select.POLLOUT)
                wanted[fd] = wanted.get(fd, 0) | event
            for fd, events in wanted.items():
                poll.register(fd, events)
            poll.poll(max(0.0, min(answer.deadline, end) - now) * 1000)
            with suppress(BlockingIOError):
                os.eventfd_read(self._wakeup)
        return found


def deliver(response, *, threads=True):
    """The body of a response that has not begun, in full."""
    if isinstance(response.body, bytes):
        return response.body
    with Pump(threads=threads) as pump:
        response.body.begin(pump)
        return pump.read(response.body)
