"""What gemtext files are called: by their first heading.

Rules: a file is read if the client would be sent it, and no further than its beginning; what was read is remembered for
as long as the file has not changed, within a bounded amount of memory.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

from gemd.protocol.headings import find_heading
from gemd.responders.viewer import Viewer
from gemd.system.resolved import Identity, identify

_SIZE = 4096  # bytes in which a heading has to begin
_MAX_NUMBER = 60_000  # titles in a worker: with those of 120 characters, some 20 MiB
_SETTLED = 1_000_000_000  # nanoseconds: a file that changed later may change again without a trace in its times

_Version = tuple[int, int, int]


class RememberedTitles:
    """By what a file is. For any thread."""

    def __init__(self, max_number: int = _MAX_NUMBER) -> None:
        self._max_number = max_number
        self._titles: OrderedDict[Identity, tuple[_Version, str]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, root: int, names: Sequence[str], viewer: Viewer) -> str:
        """The title of the file that `names` lead to below the open root; "" for what has none, or is not for this
        client, or not there any more."""
        found = viewer.open_text(root, names)
        if found is None:
            return ""
        try:
            return self._find(found.descriptor, found.status)
        except OSError:
            return ""
        finally:
            os.close(found.descriptor)

    def _find(self, descriptor: int, status: os.stat_result) -> str:
        """Raises OSError."""
        key, version = identify(status), (status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        with self._lock:
            known = self._titles.get(key)
            if known is not None and known[0] == version:
                self._titles.move_to_end(key)
                return known[1]
        title = find_heading(os.pread(descriptor, _SIZE, 0))
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) >= _SETTLED:
            with self._lock:
                self._titles[key] = version, title
                if len(self._titles) > self._max_number:
                    self._titles.popitem(last=False)
        return title
