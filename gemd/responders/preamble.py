"""The text that comes first in a listing, from a file in its directory.

Rules: it is read if the client would be sent it, dot-file or not, and up to a bound; nothing in it can swallow what
stands behind it.
"""

import os
from collections.abc import Sequence

from gemd.protocol.headings import decode_page, is_open
from gemd.responders.viewer import Viewer

MAX_SIZE = 64 * 1024  # bytes


def read_preamble(root: int, names: Sequence[str], viewer: Viewer) -> str:
    """The text of the file that `names` lead to below the open root, in whole lines; "" where there is none, or not for
    this client."""
    found = viewer.open_text(root, names)
    if found is None:
        return ""
    try:
        octets = os.pread(found.descriptor, MAX_SIZE + 1, 0)
    except OSError:
        return ""
    finally:
        os.close(found.descriptor)
    if len(octets) > MAX_SIZE:
        octets = octets[: octets.rfind(b"\n", 0, MAX_SIZE) + 1]
    text = decode_page(octets)
    if text and not text.endswith("\n"):
        text += "\n"
    return text + "```\n" if is_open(text) else text
