"""How most stories make their scripts, and who serves them."""

import sys
import textwrap
from pathlib import Path

import pytest

from .sharing import shared_daemon

CONFIG = """
workers = 2
[timeouts]
cgi = 3
cgi-header = 1.5
[limits]
threads = 8
cgi = 8
cgi-per-address = 8
cgi-output = 1000000
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
"""


def write_into(folder: Path):
    """What writes a script into a CGI directory; sh unless it says otherwise."""
    folder.mkdir(exist_ok=True)

    def write(name: str, text: str, mode: int = 0o755) -> Path:
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        text = textwrap.dedent(text)
        path.write_text(text if text.startswith("#!") else "#!/bin/sh\n" + text)
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def script(capsule):
    """Write a script of a daemon of the story's own."""
    return write_into(capsule / "cgi-bin")


HOSTILE = {
    "PYTHONPATH": "",
    "BASH_ENV": "/nowhere",
    "HTTP_PROXY": "http://evil/",
    "NOTIFY_SOCKET": "/nowhere",
    "LISTEN_FDS": "1",
    "LISTEN_PID": "1",
    "GEMD_LOG_LEVEL": "info",
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A daemon of all that ask it for one script, in an environment that no script may see."""
    with shared_daemon(tmp_path_factory.mktemp("shared"), CONFIG, env=HOSTILE) as daemon:
        yield daemon


@pytest.fixture
def shared_script(shared):
    """Write a script of the shared daemon."""
    return write_into(shared.folder / "capsule/cgi-bin")


PYTHON = f"#!{sys.executable} -I\n"
