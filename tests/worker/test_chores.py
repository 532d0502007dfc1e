"""What one worker of all looks after."""

import msgspec
import pytest

from gemd.config.host_settings import PART_PREFIX
from gemd.worker import chores
from gemd.worker.chores import begin_chores
from tests.master.scripted import make_generation
from tests.support.waiting import wait_for


class Applications:
    made = 7.0

    def __init__(self, *, are_there=True):
        self.are_there = are_there

    def __bool__(self):
        return self.are_there


def generation(*, applications=True, uploads=(), **settings):
    made = make_generation(1, **settings)
    return msgspec.structs.replace(
        made, applications=Applications(are_there=applications), upload_directories=tuple(map(str, uploads))
    )


HOST = {"name": "h", "app": "a:app", "app-path": "/srv/apps"}


def test_files_of_applications_are_watched_where_that_is_wanted(monkeypatch):
    seen = []
    monkeypatch.setattr(chores, "FileWatch", lambda paths, made: seen.append((paths, made)) or "watch")
    two = {"path": "/b", "app": "b:app", "app-path": "/srv/apps"}
    other = {"path": "/c", "app": "c:app", "app-path": "/srv/other"}
    host = {**HOST, "location": [two, other]}
    assert begin_chores(generation(host=[host], **{"auto-reload": True})) == "watch"
    assert seen == [(["/srv/apps", "/srv/other"], 7.0)]


@pytest.mark.parametrize(
    ("is_wanted", "applications"), [(False, True), (True, False)], ids=["not wanted", "no applications"]
)
def test_else_they_are_not(is_wanted, applications):
    given = generation(host=[HOST], applications=applications, **{"auto-reload": is_wanted})
    assert begin_chores(given) is None


def test_what_uploads_have_left_is_removed(tmp_path):
    left = tmp_path / (PART_PREFIX + "0")
    left.write_text("half")
    begin_chores(generation())
    assert left.exists()
    begin_chores(generation(uploads=[tmp_path]))
    wait_for(lambda: not left.exists(), "what was left to go")
