"""Leaving the terminal, and the session that started us, by python-daemon.

Rule: what could go wrong has been tried before; the standard streams lead nowhere afterwards.
"""

import os
from collections.abc import Iterable

from daemon import DaemonContext


def detach_process(keep: Iterable[int]) -> None:
    """Go on as a daemon, in "/" and without a terminal; all descriptors are closed but those to `keep`."""
    umask = os.umask(0)
    DaemonContext(detach_process=True, umask=umask, files_preserve=list(keep), signal_map={}).open()
