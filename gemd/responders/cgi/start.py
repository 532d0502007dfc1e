"""The start of a script: its turn comes, it is made ready, and a thread starts it.

Rules: whoever lets go of it meanwhile, nothing is left open, and what was started is ended. That it was started is only
told of where somebody waits for it: most scripts have written something by then, or soon will, and so are looked at
once, and not twice.
"""

import math
import threading
import time
from collections.abc import Callable, Collection, Mapping

from gemd.protocol.errors import Overloaded
from gemd.protocol.response import Helper
from gemd.system.places import Place, Places
from gemd.system.running_script import RunningScript
from gemd.system.script_output import ScriptError
from gemd.system.script_start import ScriptFile
from gemd.system.script_threads import ScriptThreads

TOO_MANY = "Too many scripts are running, try again later"

_LOOK_AFTER = 0.05  # seconds after which to see whether one that has written nothing has started

# What is to be started, with an environment; raises ScriptError. It needs the file until it is.
Make = Callable[[ScriptFile, Mapping[str, str]], RunningScript]


class ScriptStart:
    """The script that is made by `make` has one of the `places`, from before it starts until `leave` is called.

    Its file is closed when it was started, or is not to be. `look_at`, in monotonic seconds, is when to ask again, and
    `has_turn` whether its turn has come.
    """

    def __init__(
        self, file: ScriptFile, environ: Mapping[str, str], make: Make, threads: ScriptThreads, places: Places
    ) -> None:
        self.look_at = math.inf
        self.has_turn = False
        self._file = file
        self._environ = environ
        self._make_script = make
        self._threads = threads
        self._places = places
        self._place: Place | None = None  # that it has, or waits for
        self._helper: Helper | None = None
        self._note_turn: Callable[[], None] | None = None
        self._end: Callable[[RunningScript], None] | None = None
        self._thread = 0  # in which `descriptors` are watched
        self._script: RunningScript | None = None
        self._failure: ScriptError | None = None
        self._lock = threading.Lock()  # between the thread that starts the script and the one that has this
        self._is_starting = False  # a thread is at it
        self._is_started = False
        self._is_awaited = True  # and to be told of
        self._is_closed = False

    def begin(self, helper: Helper, note_turn: Callable[[], None], end: Callable[[RunningScript], None]) -> None:
        """Have a thread start the script, when it has its turn: then `note_turn` is called, whose time is the script's
        own. What was started when this is closed is given to `end`."""
        self._helper, self._note_turn, self._end = helper, note_turn, end
        self._thread = threading.get_ident()
        self._place = self._places.request(helper.client, self._take_place)

    def _take_place(self, _place: Place) -> None:
        """Runs in the event loop, or in the thread that has ended another script."""
        with self._lock:
            if self._is_closed or self._note_turn is None:
                return
            self.has_turn = True
            self._note_turn()
        try:
            if self._make():
                self._threads.start(self._run, self._file.path)
        except OSError as error:
            self._note(ScriptError(f"can't be started: {error}"))
        except ScriptError as error:
            self._note(error)

    def _make(self) -> bool:
        """Make it ready to be started; False where nobody wants it any more. Raises ScriptError."""
        script = self._make_script(self._file, self._environ)
        with self._lock:
            if not self._is_closed:
                self._script = script
                self._is_awaited = threading.get_ident() != self._thread or not script.descriptors
                self.look_at = time.monotonic() + _LOOK_AFTER
                return True
        script.discard()
        return False

    def _run(self) -> None:
        """Runs in a thread that starts scripts."""
        with self._lock:
            if self._is_closed:
                return
            self._is_starting = True
        assert self._script is not None
        failure: ScriptError | None = ScriptError("can't be started: a fault of gemd itself")
        try:
            self._script.start()
            failure = None
        except ScriptError as error:
            failure = error
        finally:
            self._note(failure)

    def _note(self, failure: ScriptError | None) -> None:
        """It was started, or could not be."""
        with self._lock:
            must_let_go = self._is_closed and self._is_starting  # else `close` has, or will
            self._is_starting = False
            self._is_started = failure is None
            self._failure = failure
            if not self._is_closed and (self._is_awaited or failure is not None) and self._helper is not None:
                self._helper.wake()  # before `close` returns, or never
        if must_let_go:
            self._let_go()

    @property
    def descriptors(self) -> Collection[int]:
        """The script's, but for one whose start is waited for."""
        if self._script is None or (self._is_awaited and not self._is_started):
            return ()
        return self._script.descriptors

    def find_started(self) -> RunningScript | None:
        """The script once it runs; who asks before is told when it does. Raises ScriptError."""
        if self._failure is not None:
            raise self._failure
        if not self._is_started:
            with self._lock:
                self._is_awaited |= not self._is_started
        self.look_at = math.inf
        if not self._is_started:
            return None
        self._file.close()
        return self._script

    def refuse_late(self, deadline: float) -> None:
        """Raise Overloaded (41) where its turn has not come by then."""
        if not self.has_turn:
            with self._lock:
                is_late = not self.has_turn and time.monotonic() >= deadline
            if is_late:
                raise Overloaded(TOO_MANY, reason="scripts")

    def close(self) -> None:
        """End the script if it was started; one that a thread is starting is ended when it is."""
        with self._lock:
            self._is_closed = True
            is_starting = self._is_starting
        if not is_starting:
            self._let_go()

    def _let_go(self) -> None:
        self._file.close()
        end, self._end, self._note_turn = self._end, None, None
        if self._script is not None and self._is_started:
            assert end is not None
            end(self._script)
            return
        if self._script is not None:
            self._script.discard()
        self.leave()

    def leave(self) -> None:
        """The script has ended, or was not started."""
        place, self._place = self._place, None
        if place is not None:
            place.leave()
