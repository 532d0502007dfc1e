"""A link that leads somewhere else all the time."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_SWAP = """
import os, sys
link, *targets = sys.argv[1:]
print(flush=True)
while True:
    for target in targets:
        os.symlink(target, link + ".next")
        os.replace(link + ".next", link)
"""


@contextlib.contextmanager
def swapping(link: Path, *targets: str) -> Iterator[None]:
    """Have the link lead to each of these in turn, within; by a process of its own, for a thread would keep step."""
    os.symlink(targets[0], link)
    command = [sys.executable, "-I", "-c", _SWAP, link, *targets]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield
        finally:
            process.kill()
