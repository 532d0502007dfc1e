"""What is printed where nothing can be."""

import subprocess
import sys
from pathlib import Path

import pytest

from gemd.system.output import give_up_output

PRINTING = """
import sys
from gemd.system.output import print_whole
print(repr(print_whole("text" * 9999)), file=sys.stderr)
print("after")
"""


def run(out):
    process = subprocess.run(
        [sys.executable, "-c", PRINTING], stdout=out, stderr=subprocess.PIPE, text=True, check=False
    )
    return process.returncode, process.stderr.strip()


def test_to_a_file(tmp_path):
    with (tmp_path / "out").open("w") as out:
        assert run(out) == (0, "''")
    assert (tmp_path / "out").read_text() == f"{'text' * 9999}after\n"


def test_to_a_disk_that_is_full():
    with Path("/dev/full").open("w") as out:
        assert run(out) == (0, '"standard output can\'t be written: No space left on device"')


def test_to_a_reader_who_has_left():
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as reader:
        reader.wait()
        assert run(reader.stdin) == (0, "''")


@pytest.mark.parametrize(
    "error", [PermissionError(13, "no"), OSError(28, "full", "/a/file"), ConnectionResetError(104)]
)
def test_another_error_is_raised(error):
    with pytest.raises(type(error)):
        give_up_output(error)
