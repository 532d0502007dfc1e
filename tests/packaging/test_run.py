"""`make run`, as somebody does it who has just cloned the project."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.installing import PROJECT
from tests.support.waiting import LONGEST, wait_for


@pytest.fixture
def clone(tmp_path):
    """A folder with what `make run` needs, whose Python is the one of the tests."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("Makefile", "etc", "capsule", "examples", "gemd", "setup.cfg", "pyproject.toml"):
        (folder / name).symlink_to(PROJECT / name)
    (folder / "venv").mkdir()
    (folder / "venv/run").touch()
    return folder


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@contextlib.contextmanager
def start_in_session(command, **options):
    """Run a program that begins others, none of which is left afterwards, however its story has ended."""
    with subprocess.Popen(command, start_new_session=True, **options) as running:
        try:
            yield running
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


def test_it_makes_nothing_outside_of_its_folder(clone, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    state = Path("/var/lib/gemd")
    before = sorted(state.iterdir()) if os.access(state, os.R_OK) else []
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(clone)}
    command = ["make", "run", "PORT=0", "VENV=venv", f"BIN={Path(sys.executable).parent}"]
    with (
        (tmp_path / "log").open("wb") as log,
        start_in_session(command, cwd=clone, env=environ, stdout=log, stderr=log) as make,
    ):
        wait_for(lambda: "listening on" in (tmp_path / "log").read_text(), "gemd to listen")
        lines = (tmp_path / "log").read_text().splitlines()
        make.terminate()
        make.wait(LONGEST)
    assert re.search(r"info: serving gemini://localhost:\d+/ from /", lines[0])
    assert "/../" not in lines[0]
    assert files_below(home) == set()
    assert (sorted(state.iterdir()) if os.access(state, os.R_OK) else []) == before
    assert {"localhost.crt", "localhost.key"} <= files_below(clone / ".run")
