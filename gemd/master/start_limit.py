"""A time limit for what a start reads and looks up, where a disk or a name server may never answer.

Rule: what was tried is named, and the process ends: nothing less ends such a wait.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

from gemd.exit_codes import ExitCode
from gemd.protocol.characters import escape
from gemd.system.attempt import attempt_under_way
from gemd.system.last_words import tell_predecessor

_LOOK_INTERVAL = 0.0001  # seconds

_hearers: list[Callable[[str], bool]] = []  # of what came to nothing, before the process ends


def hear_late(hear: Callable[[str], bool]) -> None:
    """Have what came to nothing told to `hear` from now on, before the process ends, in a thread; whether it has told
    people, so that nobody else need."""
    _hearers.append(hear)


@contextlib.contextmanager
def start_limit(seconds: float) -> Iterator[None]:
    """Inside, this process has so much time; then it says on standard error what came to nothing, and exits with
    CONFIGURATION. A thread looks after that, which is gone afterwards: before a fork, or a change of user."""
    timer = threading.Timer(seconds, _give_up, [seconds])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        while os.path.exists(f"/proc/self/task/{timer.native_id}"):  # the kernel's own thread ends a little later
            time.sleep(_LOOK_INTERVAL)


def _give_up(seconds: float) -> None:
    """Runs in the thread."""
    reason = attempt_under_way() or "what is needed could not be had"
    text = f"{reason} within {seconds:g} s"
    tell_predecessor([text])
    told = [hear(text) for hear in _hearers]
    if not any(told):
        print(f"gemd: {escape(text)}", file=sys.stderr, flush=True)
    os._exit(ExitCode.CONFIGURATION)
