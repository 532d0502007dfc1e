"""A page that is being converted, as an answer: of those who ask for one page one has it made, and the others wait.

Rules: who waits takes the page from there, or its failure; where it was given up, since who had it made has left or had
no place, the next one goes on with a run of its own. All of it runs in the event loop.
"""

import math
import os
from collections.abc import Callable, Collection

from gemd.protocol.errors import CGIError
from gemd.protocol.response import Helper, Response
from gemd.protocol.status import Status
from gemd.responders.convert.conversion import Conversion


class Work:
    """Somebody has a page made. Once it `is_over`, `outcome` is the page, or why there is none, and None where it was
    given up."""

    def __init__(self) -> None:
        self.is_over = False
        self.outcome: bytes | CGIError | None = None
        self.waiting: list[Callable[[], None]] = []  # what wakes them


Works = dict[object, Work]  # those that are under way, by what is converted


class Converted:
    """The page of what `key` says, from an open file that is this object's; `start` begins with it on behalf of a
    client, and `keep` is told of the page that came of that."""

    def __init__(
        self,
        works: Works,
        key: object,
        meta: str,
        descriptor: int,
        start: Callable[[str], Conversion],
        keep: Callable[[bytes], None],
    ) -> None:
        self._works = works
        self._key = key
        self._meta = meta
        self._descriptor = descriptor
        self._start = start
        self._keep = keep
        self._helper: Helper | None = None
        self._work: Work | None = None
        self._run: Conversion | None = None  # of who has it made

    @property
    def descriptors(self) -> Collection[int]:
        """The program's; who waits for another one's is woken."""
        return self._run.descriptors if self._run is not None else ()

    @property
    def deadline(self) -> float:
        """When to ask again at the latest: the time of a program ends for all who wait for it."""
        return self._run.deadline if self._run is not None else math.inf

    def begin(self, helper: Helper) -> None:
        """Nothing is begun before the answer is asked for, which may be refused."""
        self._helper = helper

    def settle(self) -> Response | None:
        """The page, once it is there. Raises CGIError (42) where there will be none, and Overloaded (41) where there is
        no place for a program."""
        work = self._work
        if work is None or (self._run is None and work.is_over and work.outcome is None):
            self._join()
            return None
        if self._run is not None and not work.is_over:
            try:
                page = self._run.find_page()
            except CGIError as error:
                self._end(error)
                raise
            if page is not None:
                self._keep(page)
                self._end(page)
        if isinstance(work.outcome, CGIError):
            raise CGIError(work.outcome.meta)
        return Response(Status.SUCCESS, self._meta, work.outcome) if work.outcome is not None else None

    def _join(self) -> None:
        """Wait for who has the page made, or be the one."""
        assert self._helper is not None  # it has begun
        work = self._works.get(self._key)
        if work is not None:
            work.waiting.append(self._helper.wake)
            self._work = work
        else:
            self._run = self._start(self._helper.client)
            self._work = self._works[self._key] = Work()
            self._run.begin(self._helper)

    def _end(self, outcome: bytes | CGIError | None) -> None:
        """The page is there, or will not be."""
        work = self._work
        assert work is not None
        work.is_over, work.outcome = True, outcome
        del self._works[self._key]
        for wake in work.waiting:
            wake()

    def close(self) -> None:
        """End the program if it has not ended. Those who wait for its page have it made by another one."""
        work = self._work
        if self._run is not None:
            if work is not None and not work.is_over:
                self._end(None)
            self._run.close()
        elif work is not None and self._helper is not None and not work.is_over:
            work.waiting.remove(self._helper.wake)
        os.close(self._descriptor)
