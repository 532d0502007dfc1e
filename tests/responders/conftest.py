from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from gemd.config import parse_config
from gemd.responders.protection import Protection
from gemd.responders.router import Router
from gemd.responders.static import StaticFiles
from gemd.system import file_state
from tests.support.pump import Pump

from .asking import request, settle

MIME_TABLE = {".gmi": "text/gemini", ".gemini": "text/gemini", ".txt": "text/plain"}
MAX_LISTING = 50


@pytest.fixture
def pump():
    with Pump() as pump:
        yield pump


@pytest.fixture
def long_ago(monkeypatch):
    """What was just written is taken to have been written a while ago, since no ctime can be set."""
    monkeypatch.setattr(file_state, "_STEP", 0)


@pytest.fixture
def by_hand():
    """A helper whose thread does its work when the test says so."""
    works = []
    return SimpleNamespace(
        client="192.0.2.1",
        run=lambda work: works.append(work) or int,
        work=lambda: works.pop()(),
        show=nullcontext,
    )


@pytest.fixture
def capsule(tmp_path):
    """The root of a small capsule, with a secret beside it and one in each hidden place."""
    root = tmp_path / "capsule"
    files = {
        "index.gmi": "# home",
        "page.gmi": "page",
        "notes.txt": "notes",
        "no extension": "octets",
        "dir/page.gmi": "deep",
        "indexed/index.gemini": "# second",
        ".hidden.gmi": "SECRET",
        ".git/config": "SECRET",
        ".well-known/a.txt": "known",
        "../secret.gmi": "SECRET",
        "../capsule-too/secret.gmi": "SECRET",
        "../other/secret.gmi": "SECRET",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def configure(capsule):
    """A configuration of the host h with these keys."""

    def configure(*, hosts=(), **keys):
        host = {"name": "h", "root": str(capsule), **{key.replace("_", "-"): value for key, value in keys.items()}}
        tables = {"host": [host, *hosts], "limits": {"listing": MAX_LISTING}}
        return parse_config(tables, base=Path(capsule), source=None, cpus=1)

    return configure


@pytest.fixture
def ask_static(configure):
    """What the responder for files answers at a host with these keys."""

    def ask(url, **keys):
        location = configure(**keys).hosts[0].locations[-1]
        return settle(lambda: StaticFiles(MIME_TABLE, MAX_LISTING, Protection({}))(request(url), location))

    return ask


@pytest.fixture
def ask(configure):
    """What the router answers at a host with these keys."""

    def ask(url, asker=None, make_limit=None, **keys):
        router = Router(configure(**keys), MIME_TABLE, make_limit)
        return settle(lambda: router.respond(request(url, asker)))

    return ask
