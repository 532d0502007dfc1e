"""Intakes that do what a test tells them to, and note what was done with them."""

from gemd.protocol.response import Response
from gemd.protocol.upload import MAX_TAKEN, Intake

STORED = Response(20, "text/plain", b"stored\n")


class ScriptedIntake(Intake):
    """Takes `size` bytes, and is answered with `answer`, or that is raised; `refusal` is raised by the next `take`."""

    def __init__(self, size, answer=STORED, *, refusal=None, is_ready=True):
        self._size = size
        self.answer = answer
        self.refusal = refusal
        self.ready = is_ready
        self.helper = None
        self.pieces = []
        self.begun = self.taken = self.finished = self.closed = 0

    @property
    def size(self):
        return self._size

    @property
    def is_ready(self):
        return self.ready

    @property
    def data(self):
        return b"".join(self.pieces)

    def begin(self, helper):
        assert not self.closed
        self.begun += 1
        self.helper = helper

    def take(self, data):
        assert self.begun == 1
        assert not self.closed
        assert 0 < len(data) <= MAX_TAKEN
        assert self.ready or self.refusal
        if self.refusal is not None:
            raise self.refusal
        self.pieces.append(data)
        self.taken += len(data)
        assert self.taken <= self.size

    def finish(self):
        assert self.begun == 1
        assert not self.closed
        assert self.taken == self.size
        self.finished += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self):
        self.closed += 1
        assert self.closed == 1
