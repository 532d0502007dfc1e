"""A process of hostile.c, and what it tells."""

import contextlib
import json
import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

from measure import MeasureError

_END_TIMEOUT = 10.0  # seconds


class Attackers:
    """`settled` connections of them are where the attack wants them at the end."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        self._process = process
        self._output = process.stdout

    def wait_until_ready(self, seconds: float) -> bool:
        """Whether all connections are in place within so many seconds."""
        return (
            bool(select.select([self._output], [], [], seconds)[0]) and os.read(self._output.fileno(), 6) == b"ready\n"
        )

    def finish(self) -> dict[str, float]:
        """End the attack, and return what hostile counted. Raises MeasureError."""
        self._process.terminate()
        try:
            output, _ = self._process.communicate(timeout=_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise MeasureError("the attackers did not end") from None
        if self._process.returncode:
            raise MeasureError(f"hostile ended with code {self._process.returncode}")
        counted: dict[str, float] = json.loads(output.splitlines()[-1])
        return counted


@contextlib.contextmanager
def attack(program: Path, *arguments: str) -> Iterator[Attackers]:
    """Attack until the end of the block, or for as long as the arguments say. Only this process is ended."""
    # A session of its own: Linux shares the CPUs out by session, and the server has one too.
    command = [program, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    try:
        yield Attackers(process)
    finally:
        process.kill()
        process.communicate()
