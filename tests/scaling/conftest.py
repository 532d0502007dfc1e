"""HAProxy as Debian has it."""

import tempfile
from pathlib import Path

import pytest

from .haproxy import HAProxy


@pytest.fixture
def folder():
    """With a path that is short enough for a unix socket's."""
    with tempfile.TemporaryDirectory(prefix="gemd-") as name:
        yield Path(name)


@pytest.fixture
def start_haproxy(need_program, folder):
    """Start HAProxy with a configuration, by way of the words of another command if any are given."""
    program = need_program("haproxy")
    running: list[HAProxy] = []

    def start(configuration: str, *before: str) -> HAProxy:
        running.append(HAProxy((*before, program), folder, configuration))
        return running[-1]

    yield start
    for haproxy in running:
        haproxy.finish()
