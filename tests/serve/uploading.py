"""gemctl as the client of a daemon's uploads, as its user runs it."""

import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

from gemd.gemctl.__main__ import main
from tests.support.waiting import LONGEST


class Outcome(NamedTuple):
    """What came of a command: its exit code, the status of the server's answer or 0, and what it said."""

    code: int
    status: int
    said: str


class Gemctl:
    """Its files, and known hosts, are in `folder`. `identity` is a certificate that it has made."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capfd = capfd
        monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        assert main(["cert", "new", "ada", "--directory", str(folder / "identities")]) == 0
        capfd.readouterr()
        self.identity = ["--cert", folder / "identities/ada.crt", "--key", folder / "identities/ada.key"]

    def __call__(self, command: str, *arguments: object) -> Outcome:
        code = main([command, "--timeout", str(LONGEST), *map(str, arguments)])
        said = self._capfd.readouterr().err
        header = re.search(r"^(\d\d)\b", said, re.MULTILINE)
        return Outcome(code, int(header[1]) if header else 0, said)
