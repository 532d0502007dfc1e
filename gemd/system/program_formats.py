"""Which files this kernel runs besides those in ELF and with a #! line: what is registered with binfmt_misc.

Rule: where that can't be read, nothing is registered.
"""

import os
import re
from pathlib import Path

_REGISTERED = "/proc/sys/fs/binfmt_misc"
_LINE = re.compile(r"^(enabled|extension \.|magic |mask |offset )(.*)$", re.MULTILINE)


def is_known_format(path: str, start: bytes, registered: str = _REGISTERED) -> bool:
    """Whether a file at this path that begins so is in one of them."""
    try:
        names = os.listdir(registered)
    except OSError:
        return False
    return any(_matches(os.path.join(registered, name), path, start) for name in names)


def _matches(entry: str, path: str, start: bytes) -> bool:
    try:
        text = Path(entry).read_text("ascii", "replace")
        said = {key.strip(" ."): value.strip() for key, value in _LINE.findall(text)}
        if "enabled" not in said:
            return False
        if extension := said.get("extension"):
            return path.endswith(f".{extension}")
        magic, offset = bytes.fromhex(said["magic"]), int(said.get("offset", "0"))
        mask = bytes.fromhex(said["mask"]) if "mask" in said else b"\xff" * len(magic)
    except (OSError, KeyError, ValueError):
        return False  # not one of them, but how one registers
    found = start[offset : offset + len(magic)]
    is_whole = len(found) == len(magic) == len(mask)
    return is_whole and all(a & m == b & m for a, b, m in zip(found, magic, mask, strict=True))
