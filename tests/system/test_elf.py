"""Programs in ELF: whose they are, and who loads them."""

import os
import struct
import sys
from pathlib import Path

import pytest

from gemd.system import elf
from gemd.system.elf import find_loader, is_elf, why_foreign

OWN = Path(sys.executable).read_bytes()[:64]
ORDER = ">" if OWN[5] == 2 else "<"


def with_machine(number: int) -> bytes:
    return OWN[:18] + struct.pack(ORDER + "H", number) + OWN[20:]


@pytest.fixture
def load(tmp_path):
    """Who loads a file with this content."""

    def load(content: bytes) -> str | None:
        (tmp_path / "program").write_bytes(content)
        descriptor = os.open(tmp_path / "program", os.O_RDONLY)
        try:
            return find_loader(descriptor)
        finally:
            os.close(descriptor)

    return load


def wide(table: bytes, number: int, path: bytes = b"") -> bytes:
    """A program of 64 bits with this table of `number` entries, and the path behind it."""
    header = b"\x7fELF\2\1\1".ljust(18, b"\0") + struct.pack("<H", 62)
    header = header.ljust(32, b"\0") + struct.pack("<Q", 64)
    header = header.ljust(54, b"\0") + struct.pack("<HH", 56, number)
    return header.ljust(64, b"\0") + table + path


def entry(kind: int, offset: int, size: int) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, 0, offset, 0, 0, size, 0, 0)


def test_the_interpreter_of_these_tests_runs_here():
    assert is_elf(OWN)
    assert why_foreign(OWN) is None


def test_what_is_for_another_machine():
    assert why_foreign(with_machine(0x1234)) == "is a program for another kind of machine: build it for this one"


def test_what_this_machine_runs_as_well(monkeypatch):
    (mine,) = struct.unpack_from(ORDER + "H", OWN, 18)
    monkeypatch.setitem(elf._ALSO, mine, {0x1234})
    assert why_foreign(with_machine(0x1234)) is None


def test_what_is_cut_short():
    assert why_foreign(OWN[:10]) == "is cut short"


def test_who_loads_it(load):
    assert load(wide(entry(1, 0, 0) + entry(3, 176, 12), 2, b"/lib/load.so\0")) == "/lib/load.so"
    assert load(Path("/bin/sh").read_bytes()) is not None


def test_who_loads_one_of_32_bits(load):
    header = b"\x7fELF\1\2\1".ljust(28, b"\0") + struct.pack(">I", 64)
    header = header.ljust(42, b"\0") + struct.pack(">HH", 32, 1)
    table = struct.pack(">IIIIIIII", 3, 96, 0, 0, 9, 0, 0, 0)
    assert load(header.ljust(64, b"\0") + table + b"/lib/ld.1") == "/lib/ld.1"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF",
        OWN[:40],
        wide(b"", 5),
        wide(entry(1, 0, 0), 1),
        wide(entry(3, 2**63, 100), 1),
        wide(entry(3, 10**9, 100), 1),
        wide(entry(3, 120, 2**63), 1),
        wide(b"", 0),
        wide(b"", 1)[:54] + b"\0\0\1\0" + bytes(100),
    ],
)
def test_what_is_not_understood_has_no_loader(load, content):
    assert load(content) is None
