"""What the process of an application becomes before it imports that: whom, where, and how it takes signals."""

import os
import signal
import sys
import threading
import time
from types import FrameType

from gemd.shared.app_host import AppSetup
from gemd.system import process
from gemd.system.log import log_thread_fault
from gemd.system.openssl import ignore_certificate_warnings
from gemd.system.privileges import drop_privileges, lock_down
from gemd.system.script_threads import SCRIPT_THREADS
from gemd.system.signals import GROUP_SIGNALS

_SWITCH_INTERVAL = 0.001  # seconds after which code that computes lets the relay go on


def become_host(setup: AppSetup) -> None:
    """Be what the setup says. Raises PrivilegeError, and OSError for a directory that can't be the working one."""
    process.set_title(f"app {setup.location.app}")
    process.prefer_throughput()
    for number in GROUP_SIGNALS:  # unless the application takes them itself
        signal.signal(number, _take_no_heed)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    process.raise_descriptor_limit()
    os.close(0)
    process.fill_standard_streams()
    threading.excepthook = log_thread_fault
    sys.setswitchinterval(_SWITCH_INTERVAL)
    ignore_certificate_warnings()
    time.tzset()  # the time zone, while its file can be read
    if setup.confinement is not None:
        SCRIPT_THREADS.confine(setup.confinement.make_ruleset().restrict_thread)  # while every directory can be listed
    if setup.identity is not None:
        drop_privileges(setup.identity, setup.chroot)
    lock_down()
    if setup.location.app_user is not None and setup.identity is not None:
        names = dict.fromkeys(("USER", "LOGNAME"), setup.identity.name)
        os.environ.update(names, HOME=setup.identity.home)
    if setup.location.app_directory is not None:
        os.chdir(setup.location.app_directory)


def _take_no_heed(_number: int, _frame: FrameType | None) -> None:
    """It is for the master."""
