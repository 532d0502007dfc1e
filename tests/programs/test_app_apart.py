"""Two applications with modules of the same names, as two capsules of one machine have them: `app`, and `config`."""

import pytest

from tests.serve.sharing import shared_daemon

from .serving import WORKERS, complain

APP = """
import os
from gemd.app import Application, Response
import config

app = Application()

@app.route("/late")
def late(request):
    from config import colours
    return Response(20, "text/plain", f"{config.NAME} {colours.FIRST} {os.path.dirname(config.__file__)}")

@app.route("")
def index(request):
    return Response(20, "text/plain", config.NAME)
"""
CONFIG = """
workers = {workers}
[[host]]
name = "localhost"
root = "{root}"
[[host]]
name = "north.example"
app = "app:app"
app-path = "{tmp}/north"
{north}
[[host]]
name = "south.example"
app = "app:app"
app-path = "{tmp}/south"
{south}
[[host.location]]
path = "/again/"
app = "app:app"
app-path = "{tmp}/south"
{south}
"""
TRIES = 12


@pytest.fixture
def capsules(tmp_path):
    """Lay the two, and have their configuration, with keys for each."""
    for name in ("north", "south"):
        (tmp_path / name / "config").mkdir(parents=True)
        (tmp_path / name / "app.py").write_text(APP)
        (tmp_path / name / "config/__init__.py").write_text(f'NAME = "{name}"\n')
        (tmp_path / name / "config/colours.py").write_text(f'FIRST = "colour of the {name}"\n')

    def configure(workers=2, north="", south=""):
        text = CONFIG.replace("{workers}", str(workers))
        return text.replace("{north}", north).replace("{south}", south)

    return configure


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("north", ["", "app-process = true", "app-process = false"])
def test_each_has_its_own_modules(capsules, tmp_path, workers, north):
    with shared_daemon(tmp_path, capsules(workers, north)) as daemon:
        for name in ("north", "south"):
            there = {"host": f"{name}.example", "name": f"{name}.example"}
            assert {daemon.ask("/", **there).text for _ in range(TRIES)} == {name}
            expected = f"{name} colour of the {name} {tmp_path / name / 'config'}"
            assert {daemon.ask("/late", **there).text for _ in range(TRIES)} == {expected}
        where = "runs in each worker" if north == "app-process = false" else "has a process of its own"
        assert f"the application app:app (north.example) {where}" in daemon.errors
        assert ("the application app:app (south.example) has a process" in daemon.errors) or north.endswith("true")


def test_those_that_are_to_be_in_the_workers_are_refused_by_name(capsules, tmp_path):
    text = capsules(2, "app-process = false", "app-process = false")
    (tmp_path / "capsule").mkdir()
    said = complain(tmp_path, text.replace("{root}", "{tmp}/capsule"))
    assert ": app: can't be in one process with app:app (north.example) (both have a module " in said
    assert "set app-process = true for one of them" in said
    assert "Traceback" not in said
