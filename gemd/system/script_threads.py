"""The threads of a process that start its scripts and end them.

Rules: starting may have to wait for a disk, ending for a script that takes its time over SIGTERM; neither may stop who
asks for it. The threads begin when they are first needed, in whichever process.
"""

import contextlib
import math
import os
import queue
import select
import threading
import time
from collections.abc import Callable, Sequence

from gemd.system.orphans import is_sweep_due, kill_orphans
from gemd.system.running_script import Leader, Remains
from gemd.system.script_ending import Ending
from gemd.system.script_starts import ScriptStarts, Start, Starter

_STACK_SIZE = 512 * 1024


class ScriptThreads:
    """Some for starts, as many as are needed, and one for ends."""

    def __init__(self) -> None:
        self._new_ends: queue.SimpleQueue[Ending] = queue.SimpleQueue()
        self._wakeup = -1
        self._restrict: Callable[[], None] | None = None
        self._starts = ScriptStarts()
        self._is_looking = False  # at starts that wait
        self._ender: threading.Thread | None = None
        self._unfinished = 0  # starts and ends
        self._lingering = 0  # of the ends those of scripts that may go on after their answers
        self._rest_until = math.inf
        self._changed = threading.Condition()

    def confine(self, restrict: Callable[[], None]) -> None:
        """Have every thread that starts scripts call this first, which may raise OSError: then it starts none."""
        self._restrict = restrict

    def start(self, work: Callable[[], None], program: str) -> None:
        """Have a thread do what starts a script, this program. It must not raise.

        Raises OSError where no thread can be had, or those that might do it hang.
        """
        with self._changed:
            self._starts.refuse_late(program)
            if self._starts.lack_thread:
                self._launch_starter()
            self._starts.add(Start(work, program))
            self._unfinished += 1
            self._look_later()

    def _launch_starter(self) -> None:
        """One more, unless those that do not hang can do it and no other can be had."""
        restricted: queue.SimpleQueue[OSError | None] = queue.SimpleQueue()
        starter: Starter = queue.SimpleQueue()
        try:
            self._launch_ender()  # before any that is restricted: a thread is what the one is that launches it
            _launch(lambda: self._run_starts(starter, restricted), "script starter")
            if (error := restricted.get()) is not None:
                raise error
        except OSError:
            if self._starts.hang:
                raise
        else:
            self._starts.add_thread(starter)

    def _look_later(self) -> None:
        """Have those that wait to be started not wait for one that takes long."""
        if self._starts.look_at < math.inf and not self._is_looking:
            self._is_looking = True
            os.eventfd_write(self._wakeup, 1)

    def _look_after_starts(self) -> None:
        """Runs in the thread for ends."""
        with self._changed:
            if time.monotonic() >= self._starts.look_at:
                if self._starts.lack_thread:
                    with contextlib.suppress(OSError):
                        self._launch_starter()
                self._starts.hand_out()
            self._is_looking = self._starts.look_at < math.inf

    def end(
        self, script: Leader, *, is_over: bool, then: Callable[[Remains], None], after: float = 0.0
    ) -> Ending | None:
        """End a script and all that it left behind, then call `then`, which must not raise.

        One that is not over has a moment between SIGTERM and SIGKILL; what goes on of one that is may do so for so many
        seconds `after`. Where nothing goes on, or no thread can be had to wait for that, it is ended at once, and there
        is no Ending.
        """
        if is_over and script.end_if_gone():
            then(Remains())
            return None
        try:
            with self._changed:
                self._launch_ender()
                self._unfinished += 1
        except OSError:
            then(script.end())
            return None
        if not is_over:
            script.terminate()
        ending = Ending(script, after, then, is_over=is_over)
        with self._changed:
            self._lingering += ending.may_go_on
            ending.hurry(self._rest_until)
        self._new_ends.put(ending)
        os.eventfd_write(self._wakeup, 1)
        return ending

    def hurry(self, ending: Ending) -> None:
        """What goes on of this script has to end now."""
        ending.hurry(time.monotonic())
        os.eventfd_write(self._wakeup, 1)

    def limit_rest(self, until: float) -> None:
        """What goes on of scripts after their answers has to end then, in monotonic seconds."""
        with self._changed:
            self._rest_until = min(self._rest_until, until)
        if self._wakeup >= 0:
            os.eventfd_write(self._wakeup, 1)

    def wait_for_rest(self, seconds: float) -> bool:
        """Wait until nothing goes on that may do so after an answer; False when that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._lingering, seconds)

    def _launch_ender(self) -> None:
        if self._wakeup < 0:
            self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        if self._ender is None:
            self._ender = _launch(self._run_ends, "script ender")

    def wait(self, seconds: float) -> bool:
        """Wait until every start and end that was asked for is done; False when that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._unfinished == 0, seconds)

    def _note_finished(self) -> None:
        with self._changed:
            self._unfinished -= 1
            self._changed.notify_all()

    def _run_starts(self, starter: Starter, restricted: "queue.SimpleQueue[OSError | None]") -> None:
        """Tell by `restricted` why this thread can't be, then end, or else start scripts for ever.

        It ends with work that raises, too; another takes its place when it is needed.
        """
        try:
            if self._restrict is not None:
                self._restrict()
        except OSError as error:
            restricted.put(OSError(f"it can't be confined: {error.strerror}"))
            return
        restricted.put(None)
        while True:
            start = starter.get()
            has_returned = False
            try:
                start.work()
                has_returned = True
            finally:
                del start  # with all that it holds, before the next wait
                self._note_started(starter, has_returned=has_returned)

    def _note_started(self, starter: Starter, *, has_returned: bool) -> None:
        with self._changed:
            self._starts.finish(starter, has_returned=has_returned)
            self._look_later()
            self._unfinished -= 1
            self._changed.notify_all()
        if is_sweep_due():
            os.eventfd_write(self._wakeup, 1)  # one that is restricted may not kill what another one started

    def _run_ends(self) -> None:
        endings: list[Ending] = []
        while True:
            self._wait_for_ends(endings)
            self._look_after_starts()
            if is_sweep_due():
                kill_orphans()
            while not self._new_ends.empty():
                endings.append(self._new_ends.get())
            self._limit_all(endings)
            over = [ending for ending in endings if ending.advance()]
            endings = [ending for ending in endings if ending not in over]
            while over:
                self._finish(over.pop())

    def _limit_all(self, endings: Sequence[Ending]) -> None:
        for ending in endings:
            ending.hurry(self._rest_until)

    def _wait_for_ends(self, endings: Sequence[Ending]) -> None:
        """Wait until one has ended, one is to be killed, or there is a new one."""
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        for ending in endings:
            if (descriptor := ending.descriptor) is not None:
                poll.register(descriptor, select.POLLIN)
        soonest = min((ending.next_look() for ending in endings), default=math.inf)
        soonest = min(soonest, self._starts.look_at)
        if poll.poll(None if soonest == math.inf else max(0.0, soonest - time.monotonic()) * 1000):
            self._take_wakeup()

    def _finish(self, ending: Ending) -> None:
        ending.then(ending.script.end())
        with self._changed:
            self._lingering -= ending.may_go_on
        self._note_finished()

    def _take_wakeup(self) -> None:
        try:
            os.eventfd_read(self._wakeup)
        except BlockingIOError:
            return


def _launch(work: Callable[[], None], name: str) -> threading.Thread:
    threading.stack_size(_STACK_SIZE)
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise OSError(str(error)) from None
    return thread


# Of this process; nothing is made before it is needed, so that a worker has its own.
SCRIPT_THREADS = ScriptThreads()
