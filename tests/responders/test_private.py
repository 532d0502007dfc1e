"""Keys and logs are shown by no name."""

import os
from types import SimpleNamespace

import pytest

from gemd.protocol.errors import NotFound
from gemd.responders import private
from gemd.responders.private import PrivateFiles
from gemd.responders.router import Router
from gemd.system.resolved import Resolved
from tests.support.descriptors import open_descriptors

from .asking import request, settle
from .conftest import MIME_TABLE


@pytest.fixture
def ask_with(configure):
    """What a router answers that has private files."""

    def ask_with(paths, **keys):
        router = Router(configure(**keys), MIME_TABLE, None, private=[str(path) for path in paths])
        return lambda url: settle(lambda: router.respond(request(url)))

    return ask_with


@pytest.mark.parametrize("keys", [{}, {"cgi": "cgi-bin"}, {"location": [{"path": "/dir", "listing": False}]}])
def test_by_no_name(ask_with, capsule, keys):
    (capsule / "cgi-bin").mkdir()
    (capsule / "key").write_text("SECRET")
    (capsule / "link").symlink_to("key")
    (capsule / "out").symlink_to("../secret.gmi")
    (capsule / "indexed/index.gmi").symlink_to("../key")
    os.link(capsule / "key", capsule / "hard")
    before = open_descriptors()
    ask = ask_with([capsule / "key", capsule.parent / "secret.gmi"], symlinks="any", **keys)
    for url in ("/key", "/link", "/out", "/hard", "/indexed/"):
        assert ask(url).status == 51, url
    assert ask("/page.gmi").status == 20
    assert "link" not in ask_with([capsule / "key"], index=["none"], **keys)("/").body.decode()
    assert open_descriptors() == before


def test_in_a_root_that_has_become_a_link(ask_with, capsule):
    """As whoever may write beside it can make it: links on the way to a root are followed."""
    ask = ask_with([capsule.parent / "other/secret.gmi"])
    assert ask("/page.gmi").status == 20
    capsule.rename(capsule.parent / "away")
    capsule.symlink_to("other")
    assert ask("/secret.gmi").status == 51


@pytest.fixture
def clock(monkeypatch):
    """Monotonic seconds, and how often files were looked at."""
    now, looks = [1000.0], []

    class Clock:
        monotonic = staticmethod(lambda: now[0])
        time_ns = staticmethod(lambda: now[0] * 1_000_000_000)

    real = private._find
    monkeypatch.setattr(private, "time", Clock)
    monkeypatch.setattr(private, "_find", lambda path: looks.append(path) or real(path))
    return now, looks


def changed_at(seconds, number=1):
    """A regular file that changed at a moment."""
    return Resolved(-1, SimpleNamespace(st_mode=0o100644, st_dev=1, st_ino=number, st_ctime_ns=seconds * 10**9), ())


def found_at(path):
    """What is there, opened."""
    return Resolved(os.open(path, os.O_RDONLY), path.stat(), ())


def test_a_file_that_does_not_change_is_looked_up_among_what_is_known(clock, tmp_path):
    now, looks = clock
    files = PrivateFiles([str(tmp_path / "key")])
    for seconds, number in ((0.0, 1), (0.9, 1), (0.2, 2), (0.9, 2)):
        now[0] += seconds
        files.refuse(changed_at(10.0))
        assert len(looks) == number


def test_one_that_has_changed_since_may_be_private_now(clock, tmp_path):
    now, looks = clock
    files = PrivateFiles([str(tmp_path / "key")])
    files.refuse(changed_at(10.0))
    (tmp_path / "key").touch()
    before = open_descriptors()
    with pytest.raises(NotFound):
        files.refuse(found_at(tmp_path / "key"))  # which is later than the clock here
    assert open_descriptors() == before
    assert len(looks) == 2
    now[0] += 0.5
    files.refuse(changed_at(1000.0, number=2))
    assert len(looks) == 3


def test_directories_and_what_is_not_there_are_nobody_s_secret(tmp_path):
    (tmp_path / "page").touch()
    nothing = [str(tmp_path / "nothing"), str(tmp_path / "page/x")]
    for paths, path in (([str(tmp_path)], tmp_path), (nothing, tmp_path / "page")):
        found = found_at(path)
        PrivateFiles(paths).refuse(found)
        os.close(found.descriptor)
