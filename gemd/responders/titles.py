"""What gemtext files are called: by their first heading.

Rules: a file is read if the client would be sent it, and no further than its beginning; what was read is remembered for
as long as the file has not changed, within a bounded amount of memory.
"""

import os
import struct
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

from gemd.protocol.headings import find_heading
from gemd.responders.viewer import Viewer

_SIZE = 4096  # bytes in which a heading has to begin
_MAX_SIZE = 24 * 1024 * 1024  # bytes, of all titles in a worker
_OVERHEAD = 300  # bytes of one for its key and its place here
_SETTLED = 1_000_000_000  # nanoseconds: a file that changed later may change again without a trace in its times

_VERSION = struct.Struct("=QQqqQ")


class RememberedTitles:
    """By what a file is at a moment. For any thread."""

    def __init__(self, max_size: int = _MAX_SIZE) -> None:
        self._max_size = max_size
        self._titles: OrderedDict[bytes, str] = OrderedDict()
        self._size = 0
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
        key = _identify(status)
        with self._lock:
            known = self._titles.get(key)
            if known is not None:
                self._titles.move_to_end(key)
                return known
        title = find_heading(os.pread(descriptor, _SIZE, 0))
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) >= _SETTLED:
            self._keep(key, title)
        return title

    def _keep(self, key: bytes, title: str) -> None:
        with self._lock:
            if key not in self._titles:
                self._titles[key] = title
                self._size += sys.getsizeof(title) + _OVERHEAD
            while self._size > self._max_size:
                self._size -= sys.getsizeof(self._titles.popitem(last=False)[1]) + _OVERHEAD


def _identify(status: os.stat_result) -> bytes:
    """A file with these octets, and no other one, in little memory."""
    times = status.st_mtime_ns, status.st_ctime_ns
    return _VERSION.pack(status.st_dev, status.st_ino, *times, status.st_size)
