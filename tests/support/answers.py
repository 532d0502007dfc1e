"""Answers that do what a test tells them to, and note what was done with them."""

import math
import os


class ScriptedSource:
    """Gives `pieces` one after the other: bytes, None for "not yet", an exception to raise, or a function to call for
    one of these. "Not yet" for ever once there are no more."""

    def __init__(self, *pieces, descriptors=(), deadline=math.inf):
        self.pieces = list(pieces)
        self.descriptors = descriptors
        self.deadline = deadline
        self.helper = None
        self.begun = self.reads = self.closed = 0

    def begin(self, helper):
        self.begun += 1
        self.helper = helper

    def next(self):
        assert self.begun == 1
        assert not self.closed
        self.reads += 1
        piece = self.pieces.pop(0) if self.pieces else None
        while callable(piece):
            piece = piece()
        if isinstance(piece, Exception):
            raise piece
        return piece

    def read(self):
        return self.next()

    def close(self):
        self.closed += 1


class ScriptedPending(ScriptedSource):
    """The same, for an answer whose header is not known: what it gives are responses."""

    def settle(self):
        return self.next()


class PipeSource(ScriptedSource):
    """What comes out of a pipe, whose other end is `input`."""

    def __init__(self):
        self.output, self.input = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        super().__init__(descriptors=[self.output])

    def read(self):
        self.reads += 1
        try:
            return os.read(self.output, 65536)
        except BlockingIOError:
            return None

    def close(self):
        super().close()
        os.close(self.output)
