"""What gemtext files are called: by their first heading.

Rules: a file is read if the client would be sent it, and no further than its beginning; what was read is remembered for
as long as the file has not changed, within a bounded amount of memory.
"""

import os
import struct
import sys
from collections.abc import Sequence

from gemd.protocol.headings import find_heading
from gemd.responders.bounded import Bounded
from gemd.responders.viewer import Viewer
from gemd.system.file_state import find_state, is_settled

_SIZE = 4096  # bytes in which a heading has to begin
_MAX_SIZE = 24 * 1024 * 1024  # bytes, of all titles in a worker
_OVERHEAD = 300  # bytes of one for its key and its place here

_STATE = struct.Struct("=QQQqq")


class RememberedTitles:
    """By what a file is at a moment. For any thread."""

    def __init__(self, max_size: int = _MAX_SIZE) -> None:
        self._titles: Bounded[bytes, str] = Bounded(max_size, _measure, of="titles")

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
        key = _STATE.pack(*find_state(status))  # which takes little memory
        title = self._titles.find(key)
        if title is None:
            title = find_heading(os.pread(descriptor, _SIZE, 0))
            if is_settled(status):
                self._titles.keep(key, title)
        return title


def _measure(title: str) -> int:
    return sys.getsizeof(title) + _OVERHEAD
