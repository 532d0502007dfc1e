"""A host whose pages are converted by programs in sh."""

import os

import pytest

from gemd.system.script_threads import SCRIPT_THREADS


@pytest.fixture
def convert(capsule, tmp_path, long_ago):
    """A value of `convert` for files that end with .md, by a program with this text. There are some, one ends with .MD.
    All programs have ended when the test has."""
    (capsule / "page.md").write_text("# Page\n")
    (capsule / "UPPER.MD").write_text("# Upper\n")
    (capsule / "index.md").write_text("# Index\n")

    def convert(text, *arguments, **keys):
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        command = [str(path), *arguments]
        return {"convert": {".md": {"command": command, **keys} if keys else command}}

    yield convert
    assert SCRIPT_THREADS.wait(15)


@pytest.fixture
def runs(tmp_path):
    """How often a program ran that says so: what has to stand in it, and what counts."""
    log = tmp_path / "runs"

    def count():
        return len(log.read_text()) if log.exists() else 0

    return f"printf x >> {os.fspath(log)}", count
