"""The script host: what a fresh process does that a master starts as another user, to its exit.

Rules: everything is imported before it is shut in; it never returns to code of the master, whose memory it never had;
signals that reach a whole group are the master's matter: it ends with the last who could ask.
"""

import os
import signal
import socket
import sys

from gemd.exit_codes import ExitCode
from gemd.script_host.runs import Runs
from gemd.shared.host_process import READY, read_setup
from gemd.shared.script_host import ScriptSetup
from gemd.system import process
from gemd.system.confinement import ConfinementError
from gemd.system.orphans import adopt_orphans
from gemd.system.privileges import PrivilegeError, drop_privileges, lock_down
from gemd.system.script_threads import SCRIPT_THREADS
from gemd.system.signals import GROUP_SIGNALS, SignalQueue

_END_TIMEOUT = 5.0  # seconds for the last scripts to end


def main(channel_number: int, requests_number: int) -> int:
    """Run scripts. The channel, a descriptor, leads to the master, to which what goes wrong is said there, a line each;
    by the other one workers ask. Standard input is the setup. Returns the exit code."""
    channel, requests = socket.socket(fileno=channel_number), socket.socket(fileno=requests_number)
    try:
        setup = read_setup(0, ScriptSetup)
        take_shape(setup)
        say(channel, READY.decode())
        Runs(requests, channel).serve()
        SCRIPT_THREADS.wait(_END_TIMEOUT)
    except (PrivilegeError, ConfinementError, ValueError) as error:
        say(channel, str(error))
        return ExitCode.PRIVILEGES
    finally:
        if sys.exception() is not None:
            say(channel, f"a fault of gemd itself: {sys.exception()!r}")
        channel.close()
        requests.close()
    return ExitCode.OK


def take_shape(setup: ScriptSetup) -> None:
    """Be what the setup says. Raises PrivilegeError and ConfinementError."""
    process.set_title(f"scripts of {setup.identity.name}")
    process.prefer_throughput()
    SignalQueue(GROUP_SIGNALS)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    adopt_orphans()
    process.raise_descriptor_limit()
    os.close(0)
    process.fill_standard_streams()
    if setup.confinement is not None:
        SCRIPT_THREADS.confine(setup.confinement.make_ruleset().restrict_thread)  # while every directory can be listed
    drop_privileges(setup.identity, setup.chroot)
    lock_down()


def say(channel: socket.socket, text: str) -> None:
    """Say a line to the master, if it listens."""
    try:
        channel.send(text.replace("\n", " ").encode("utf-8", "backslashreplace") + b"\n", socket.MSG_NOSIGNAL)
    except OSError:
        return
