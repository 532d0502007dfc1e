"""Who answers in users' directories: what a host has, it has there as well, and each user apart."""

import os
import sys

import pytest

from gemd.responders.router import Router
from gemd.system.accounts import Account

from .asking import request, settle
from .conftest import MIME_TABLE

ME = os.geteuid()


@pytest.fixture
def homes(tmp_path):
    return tmp_path.resolve() / "homes"


@pytest.fixture
def serve(configure, homes):
    def find(name, table):
        path = homes / name / table.directory
        if not path.is_dir():
            return None
        return Account(ME, path.parts[1:], tuple(each.stat() for each in reversed(path.parents)), str(homes / name))

    def serve(**keys):
        router = Router(configure(user_directories={}, **keys), MIME_TABLE, None, find_account=find)
        return lambda url: settle(lambda: router.respond(request(url)))

    return serve


def write(homes, name, text):
    path = homes / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (1_000_000_000, 1_000_000_000))


def told(answer):
    return answer.status, answer.meta


def test_extensions_are_tried(serve, homes):
    for name in ("page.gmi", "dir.gmi/a.gmi", "page.gmi.gmi"):
        write(homes, f"alice/public_gemini/{name}", name)
    ask = serve(**{"try": [".gmi"]})
    assert ask("/~alice/page").body == b"page.gmi"
    assert ask("/~alice/dir.gmi/a").body == b"dir.gmi/a.gmi"
    for path in ("/~alice/dir", "/~alice/nothing", "/~bob/page", "/~alice/page.gmi/"):
        assert told(ask(path)) == (51, "Not found")


def test_a_longer_address_of_another_location_is_that_one_s(serve, homes):
    write(homes, "alice/public_gemini/secret.gmi", "SECRET")
    ask = serve(location=[{"path": "/~alice/secret.gmi", "gone": True}], **{"try": [".gmi"]})
    assert ask("/~alice/secret").status == 52


def test_meta_files_are_each_user_s_own(serve, homes):
    for name in ("alice", "bob", "carol"):
        write(homes, f"{name}/public_gemini/a/page.txt", name)
    write(homes, "alice/public_gemini/.meta", "**/*.txt: text/x-alice\n")
    write(homes, "bob/public_gemini/a/.meta", "page.txt: 52 Gone\n")
    write(homes, "bob/.meta", "**/*.txt: text/x-outside\n")
    ask = serve(meta_files=True)
    for _ in range(2):
        assert told(ask("/~alice/a/page.txt")) == (20, "text/x-alice")
        assert told(ask("/~bob/a/page.txt")) == (52, "Gone")
        assert told(ask("/~carol/a/page.txt")) == (20, "text/plain")
    assert ask("/~alice/.meta").status == 51


def test_only_the_user_s_own_meta_files_count(serve, homes, monkeypatch):
    from gemd.system import owned

    write(homes, "alice/public_gemini/page.txt", "page")
    write(homes, "alice/public_gemini/.meta", "*: text/x-foreign\n")
    step = owned._open_step

    def open_step(directory, name, flags, owner):
        return step(directory, name, flags, owner + (name == ".meta"))  # as if it was somebody else's

    monkeypatch.setattr(owned, "_open_step", open_step)
    assert told(serve(meta_files=True)("/~alice/page.txt")) == (20, "text/plain")


def test_files_are_converted(serve, homes):
    write(homes, "alice/public_gemini/page.md", "# page")
    command = [sys.executable, "-c", "import sys; print(sys.stdin.read().upper())"]
    answer = serve(convert={".md": command})("/~alice/page.md")
    assert (answer.status, answer.body) == (20, b"# PAGE\n")
