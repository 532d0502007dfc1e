"""The scripts of a script host: started as they are asked for, and ended when they have ended, or nobody wants them.

Rules: one loop, which waits for nobody: threads start and end scripts; a script that is not wanted any more before its
turn to be started has come is not started, and one that is being started meanwhile is ended when it is.
"""

import os
import queue
import select
import socket
from collections.abc import Callable
from functools import partial

from gemd.shared.host_process import END
from gemd.system.privileges import PrivilegeError
from gemd.system.process import read_limits
from gemd.system.running_script import Remains
from gemd.system.script import ScriptProcess
from gemd.system.script_ending import Ending
from gemd.system.script_output import ScriptError
from gemd.system.script_requests import Ended, Failed, Gone, Started, StartRequest, is_wanted, receive_request, tell
from gemd.system.script_start import ScriptFile
from gemd.system.script_threads import SCRIPT_THREADS

_PIECE = 4096


class Runs:
    """Serves who asks by `requests`, and answers each octet of the master's, by `channel`, with itself."""

    def __init__(self, requests: socket.socket, channel: socket.socket) -> None:
        self._requests = requests
        self._channel = channel
        self._poll = select.poll()
        self._watched: dict[int, Callable[[], None]] = {}
        self._rlimits = read_limits()
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()  # what threads have for this one
        self._runs = 0
        self._is_asked = True
        for sock, act in ((requests, self._take_request), (channel, self._answer_master)):
            sock.setblocking(False)
            self.watch(sock.fileno(), act)
        self.watch(self._wakeup, self._take_news)

    def serve(self) -> None:
        """Go on until nobody is left who could ask, and no script. Raises PrivilegeError where it can't run them as it
        should any more."""
        while self._is_asked or self._runs:
            for descriptor, _ in self._poll.poll():
                act = self._watched.get(descriptor)  # none where an earlier one has put an end to it
                if act is not None:
                    act()

    def watch(self, descriptor: int, act: Callable[[], None]) -> None:
        """Have this done when the descriptor is readable, or nobody is at its other end."""
        self._watched[descriptor] = act
        self._poll.register(descriptor, select.POLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Have nothing done any more."""
        del self._watched[descriptor]
        self._poll.unregister(descriptor)

    def do_later(self, act: Callable[[], None]) -> None:
        """Have this done by the loop. From any thread."""
        self._news.put(act)
        os.eventfd_write(self._wakeup, 1)

    def forget(self) -> None:
        """A run is over."""
        self._runs -= 1

    def _take_news(self) -> None:
        os.eventfd_read(self._wakeup)
        while not self._news.empty():
            self._news.get()()

    def _take_request(self) -> None:
        try:
            asked = receive_request(self._requests)
        except BlockingIOError:
            return
        except ValueError:  # whoever asked for what can't be understood learns that by the end of its socket
            self._check_limits()
            return
        if asked is None:
            self._hear_no_more()
            return
        self._runs += 1
        Run(self, *asked).start()

    def _hear_no_more(self) -> None:
        if self._is_asked:
            self._is_asked = False
            self.unwatch(self._requests.fileno())

    def _check_limits(self) -> None:
        """A script may have lowered them, which Landlock allows, and for good. Another host has its own."""
        if read_limits() != self._rlimits:
            raise PrivilegeError("a process of this user has changed its resource limits")

    def _answer_master(self) -> None:
        self._check_limits()
        try:
            data = self._channel.recv(_PIECE)
            if END in data:
                self._hear_no_more()
            if data:
                self._channel.send(data, socket.MSG_NOSIGNAL)
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.unwatch(self._channel.fileno())  # workers end soon after their master, and this one after them


class Run:
    """One script. All but `_start` and `_note_end` run in the loop."""

    def __init__(self, runs: Runs, request: StartRequest, file: ScriptFile, control: socket.socket) -> None:
        self._runs = runs
        self._environ = {os.fsdecode(name): os.fsdecode(value) for name, value in request.environ.items()}
        self._file = file
        self._control = control
        self._limits = request.limits
        self._after = request.after
        self._ending: Ending | None = None  # of what goes on when its leader has ended
        self._remains = Remains()
        self._script: ScriptProcess | None = None
        self._is_wanted = True
        self._has_ended = False

    def start(self) -> None:
        """Have a thread start it."""
        self._control.setblocking(False)
        self._runs.watch(self._control.fileno(), self._hang_up)
        try:
            SCRIPT_THREADS.start(self._start, self._file.path)
        except OSError as error:
            self._file.close()
            self._fail(f"can't be started: {error}")

    def _start(self) -> None:
        """Runs in a thread that starts scripts."""
        then = partial(self._fail, "can't be started: a fault of gemd itself")
        try:
            # Who has asked this host, or the one before, may have waited long.
            is_asked = is_wanted(self._control)
            then = partial(self._note_start, self._start_script()) if is_asked else partial(self._close)
        except ScriptError as error:
            then = partial(self._fail, str(error))
        finally:
            self._file.close()
            self._runs.do_later(then)

    def _start_script(self) -> ScriptProcess:
        """Raises ScriptError."""
        script = ScriptProcess(self._file, self._environ, self._limits)
        is_started = False
        try:
            script.start()
            is_started = True
        finally:
            if not is_started:
                script.discard()
        return script

    def _fail(self, text: str) -> None:
        tell(self._control, Failed(text))
        self._close()

    def _note_start(self, script: ScriptProcess) -> None:
        self._script = script
        tell(self._control, Started(), script.output, script.errors)
        for descriptor in (script.output, script.errors):
            os.close(descriptor)
        if self._is_wanted:
            self._runs.watch(script.fileno(), self._note_leader_end)
        else:
            self._end(script)

    def _note_leader_end(self) -> None:
        script = self._script
        assert script is not None  # what is watched was started
        code = script.exit_code()
        if code is not None:
            self._has_ended = True
            tell(self._control, Ended(code))
            self._runs.unwatch(script.fileno())
            self._ending = SCRIPT_THREADS.end(script, is_over=True, then=self._note_end, after=self._after)

    def _hang_up(self) -> None:
        """Who has asked wants it no more: it says nothing else."""
        self._is_wanted = False
        self._runs.unwatch(self._control.fileno())
        if self._has_ended:
            if self._ending is not None:
                SCRIPT_THREADS.hurry(self._ending)
        elif self._script is not None:
            self._runs.unwatch(self._script.fileno())
            self._end(self._script)

    def _end(self, script: ScriptProcess) -> None:
        SCRIPT_THREADS.end(script, is_over=False, then=self._note_end)

    def _note_end(self, remains: Remains) -> None:
        self._remains = remains
        self._runs.do_later(self._close)

    def _close(self) -> None:
        """Nothing is left of it: so says the end of the socket, and what had to be ended before that."""
        if self._remains != Remains():
            tell(self._control, Gone(self._remains))
        if self._is_wanted:
            self._runs.unwatch(self._control.fileno())
        self._control.close()
        self._runs.forget()
