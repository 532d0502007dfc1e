"""The machine's table of file name extensions and media types, read once by the master."""

import mimetypes

from gemd.protocol.mime import GEMTEXT
from gemd.system.attempt import attempt

# What the machine's own table may lack or, for gemtext, often gets wrong. A compressed file is what its octets are.
_OURS = {
    ".gmi": GEMTEXT,
    ".gemini": GEMTEXT,
    ".gz": "application/gzip",
    ".bz2": "application/x-bzip2",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
    ".br": "application/x-brotli",
    ".z": "application/x-compress",
    ".tgz": "application/gzip",
    ".md": "text/markdown",
    ".opus": "audio/ogg",
    ".webp": "image/webp",
}


def load_mime_table() -> dict[str, str]:
    """Lower-case extensions with their dot, to media types: the standard library's, the system's, then ours."""
    with attempt("the machine's table of media types, /etc/mime.types, could not be read"):
        mimetypes.init()  # reads the files that are there; an object of its own would have all of them read twice
    found = mimetypes.types_map
    # Some differ in case alone: what is written in lower case comes last, and counts.
    lowered = {key.lower(): found[key] for key in sorted(found, key=str.islower)}
    return {**lowered, **_OURS}
