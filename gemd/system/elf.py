"""Programs in ELF (elf(5)): for which machine one is, and who loads it.

Rule: what is not understood is no fault; the kernel has the last word.
"""

import os
import struct
from pathlib import Path

from gemd.system.program_formats import is_known_format

_MAGIC = b"\x7fELF"
_IDENT = 16  # bytes, the same for all: class and byte order among them
_HEADER = 64  # bytes, at most
_MAX_TABLE = 64 * 1024  # bytes of program headers, as the kernel has it
_MAX_PATH = 4096
_INTERPRETER = 3  # PT_INTERP
# Of machines by their number, those whose programs a kernel for the first may run as well: x86, ARM and PowerPC.
_ALSO = {62: {3}, 183: {40}, 21: {20}}
_OWN = "/proc/self/exe"


def is_elf(start: bytes) -> bool:
    """Whether a file that begins so is in ELF."""
    return start.startswith(_MAGIC)


def why_foreign(start: bytes) -> str | None:
    """Why no program that begins so runs here; None where nothing is seen."""
    try:
        with Path(_OWN).open("rb") as own:
            mine = _find_machine(own.read(_HEADER))
        its = _find_machine(start)
    except (OSError, struct.error):
        return "is cut short"
    if its == mine or its[1] in _ALSO.get(mine[1], ()) or is_known_format("", start):
        return None
    return "is a program for another kind of machine: build it for this one"


def _find_machine(start: bytes) -> tuple[int, int]:
    """Byte order and machine. Raises struct.error."""
    order = start[5] if len(start) > _IDENT else 0
    (machine,) = struct.unpack_from(">H" if order == 2 else "<H", start, 18)
    return order, machine


def find_loader(descriptor: int) -> str | None:
    """The path of the program that loads this one, which is open; None where it needs none. Raises OSError."""
    header = os.pread(descriptor, _HEADER, 0)
    try:
        is_wide, order = header[4] == 2, ">" if header[5] == 2 else "<"
        at, size, number = (
            struct.unpack_from(order + kind, header, offset)[0]
            for kind, offset in ((("Q", 32), ("H", 54), ("H", 56)) if is_wide else (("I", 28), ("H", 42), ("H", 44)))
        )
        table = os.pread(descriptor, min(size * number, _MAX_TABLE), at)
        for start in range(0, len(table), size):
            if struct.unpack_from(order + "I", table, start)[0] == _INTERPRETER:
                kind, place, length = ("Q", 8, 32) if is_wide else ("I", 4, 16)
                (offset,) = struct.unpack_from(order + kind, table, start + place)
                (count,) = struct.unpack_from(order + kind, table, start + length)
                return os.fsdecode(os.pread(descriptor, min(count, _MAX_PATH), offset).partition(b"\0")[0]) or None
    except (IndexError, OverflowError, ValueError, struct.error):
        return None
    return None
