"""Small applications as people have them, served by one daemon in one of the ways in which gemd can run them."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.app.conftest import load_jetforce
from tests.serve.conftest import AS_ROOT, Answer, Daemon
from tests.serve.sharing import shared_daemon

APPLICATIONS = Path(__file__).parent / "applications"

IN_THE_WORKERS, IN_A_PROCESS, AS_JETFORCES = "in the workers", "in a process", "as jetforce's"
_KEYS = {IN_THE_WORKERS: "app-process = false\n", IN_A_PROCESS: "app-process = true\n", AS_JETFORCES: ""}
WORKERS = (2, 4)

# What a module's fixture has for parameters: how they run, and beside how many workers.
EVERYWHERE = [(way, workers) for way in _KEYS for workers in WORKERS]
WITH_GEMDS_FRAMEWORK = [(way, workers) for way, workers in EVERYWHERE if way != AS_JETFORCES]
IN_THEIR_OWN = [(way, workers) for way, workers in EVERYWHERE if way != IN_THE_WORKERS]
IN_WORKERS = [(IN_THE_WORKERS, workers) for workers in WORKERS]

_CONFIG = """
workers = {workers}
[[host]]
name = "localhost"
root = "{root}"
"""
_HOST = """
[[host]]
name = "{name}.example"
app = "{name}:app"
app-path = "{tmp}/apps"
app-env = { DATA = "{tmp}/data-of-applications" }
"""


def name_combination(combination: tuple[str, int]) -> str:
    """For the identifiers of tests."""
    way, workers = combination
    return f"{way}, {workers} workers"


@dataclass
class Programs:
    """Applications that a daemon serves, each at a host of its own."""

    daemon: Daemon
    way: str
    workers: int

    @property
    def is_in_workers(self) -> bool:
        """Whether each worker has them, and not a process of their own."""
        return self.way == IN_THE_WORKERS

    @property
    def data(self) -> Path:
        """Where they keep what they keep."""
        return self.daemon.folder / "data-of-applications"

    def ask(self, name: str, path: str = "/", **options) -> Answer:
        """Ask one of them; its answer is complete."""
        answer = self.daemon.ask(path, host=f"{name}.example", name=f"{name}.example", **options)
        assert answer.complete
        return answer

    def ask_all(self, name: str, *paths: str, **options) -> list[str]:
        """Ask one of them for several paths, four at once; the texts, which are those of successes."""
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda path: self.ask(name, path, **options), paths))
        assert {answer.header for answer in answers} == {"20 text/plain"}
        return [answer.text for answer in answers]


@contextlib.contextmanager
def serve_programs(folder: Path, combination: tuple[str, int], *names: str) -> Iterator[Programs]:
    """Serve these. Skips where they are to be jetforce's and that is not installed."""
    way, workers = combination
    if way == AS_JETFORCES:
        load_jetforce()
    (folder / "apps").mkdir()
    (folder / "data-of-applications").mkdir()
    text = _CONFIG.replace("{workers}", str(workers))
    for name in names:
        copy_application(name, folder / "apps", for_jetforce=way == AS_JETFORCES)
        text += _HOST.replace("{name}", name) + _KEYS[way]
    with shared_daemon(folder, text) as daemon:
        daemon.wait_until_ready(workers)
        for name in names:
            where = "runs in each worker" if way == IN_THE_WORKERS else "has a process of its own"
            assert f"the application {name}:app ({name}.example) {where}" in daemon.errors
        yield Programs(daemon, way, workers)


def copy_application(name: str, folder: Path, *, for_jetforce: bool = False) -> None:
    """Install one: with gemd's framework, as it is here, or with Jetforce's: the import is the difference."""
    if for_jetforce:
        text = (APPLICATIONS / f"{name}.py").read_text()
        assert text.count("from gemd.app import ") == 1
        (folder / f"{name}.py").write_text(text.replace("from gemd.app import ", "from jetforce import "))
    else:
        shutil.copy(APPLICATIONS / f"{name}.py", folder)


def complain(folder: Path, text: str) -> str:
    """What `-t` says of a configuration that is to be refused: TOML text, with {tmp} to fill in."""
    (folder / "gemd.conf").write_text(text.replace("{tmp}", str(folder)))
    command = [sys.executable, "-m", "gemd", "-t", "-c", str(folder / "gemd.conf"), *AS_ROOT]
    environment = {**os.environ, "XDG_DATA_HOME": str(folder)}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert result.returncode != 0
    return result.stderr
