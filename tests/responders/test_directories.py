import datetime
import subprocess
import sys

import msgspec
import pytest

from gemd.protocol.peer import ClientCertificate
from gemd.responders import directories
from gemd.responders.protection import Protection
from gemd.responders.router import Router
from gemd.responders.static import StaticFiles
from gemd.system.client_certificates import make_client_certificate

from .asking import peer, request, settle
from .conftest import MIME_TABLE

# Listings that are remembered


@pytest.fixture
def settled(capsule, long_ago):
    """A directory whose listing is remembered."""
    directory = capsule / "settled"
    directory.mkdir()
    (directory / "a.gmi").touch()
    return directory


@pytest.fixture
def computed(monkeypatch):
    """The locations for which a listing was worked out."""
    computed, list_directory = [], directories.list_directory

    def list_and_count(url, location, *arguments):
        computed.append(location.path)
        return list_directory(url, location, *arguments)

    monkeypatch.setattr(directories, "list_directory", list_and_count)
    return computed


def test_a_listing_is_worked_out_once(configure, settled, computed):
    files, (location,) = StaticFiles({}, 10, Protection({})), configure().hosts[0].locations
    pages = [settle(lambda: files(request("/settled/"), location)).body for _ in range(3)]
    assert len(set(pages)) == len(computed) == 1
    assert isinstance(files(request("/settled/"), location).body, bytes)


def test_and_again_when_its_directory_has_changed(configure, settled, computed):
    files, (location,) = StaticFiles({}, 10, Protection({})), configure().hosts[0].locations
    assert b"b.gmi" not in settle(lambda: files(request("/settled/"), location)).body
    (settled / "b.gmi").touch()
    for _ in range(2):
        assert b"b.gmi" in settle(lambda: files(request("/settled/"), location)).body
    assert len(computed) == 2


def test_and_each_time_for_a_moment_after_it_has_changed(configure, computed):
    files, (location,) = StaticFiles({}, 10, Protection({})), configure().hosts[0].locations
    for _ in range(2):
        settle(lambda: files(request("/dir/"), location))
    assert len(computed) == 2


def test_one_that_others_wait_for_too_is_worked_out_once(configure, settled, computed):
    files, (location,) = StaticFiles({}, 10, Protection({})), configure().hosts[0].locations
    answers = [files(request("/settled/"), location) for _ in range(3)]
    assert len({settle(lambda answer=answer: answer).body for answer in answers}) == 1
    assert len(computed) == 1


def test_another_location_has_its_own(configure, settled, computed):
    config = configure(location=[{"path": "/settled/sub"}, {"path": "/other", "root": str(settled.parent)}])
    files, locations = StaticFiles({}, 10, Protection({})), {one.path: one for one in config.hosts[0].locations}
    for _ in range(2):
        settle(lambda: files(request("/settled/"), locations["/"]))
        settle(lambda: files(request("/other/settled/"), locations["/other"]))
    assert sorted(computed) == ["/", "/other"]


def test_one_with_other_rules_for_the_same_url_too(configure, settled, computed):
    files, (first,) = StaticFiles({}, 10, Protection({})), configure().hosts[0].locations
    second = msgspec.structs.replace(first, where="host[2]")
    for location in (first, second, first, second):
        settle(lambda location=location: files(request("/settled/"), location))
    assert len(computed) == 2


def test_one_for_another_certificate_too(configure, settled, computed):
    """Links into what is protected are shown to whom they would be served."""
    files, (location,) = StaticFiles({}, 10, Protection({})), configure().hosts[0].locations
    certified = peer(client_certificate=ClientCertificate(b"", "fingerprint"))
    for asker in (None, certified, None, certified):
        settle(lambda asker=asker: files(request("/settled/", asker), location))
    assert len(computed) == 2


# What is mounted


def links_of(answer):
    return [line.split(" ")[1] for line in answer.body.decode().splitlines() if line.startswith("=> ")]


def test_a_mounted_location_is_listed_in_the_place_of_what_is_there(ask, settled, capsule):
    (settled / "m").write_text("a file that nobody reaches")
    (settled / "p").mkdir()
    locations = [
        {"path": "/settled/m", "root": str(capsule / "dir")},
        {"path": "/settled/p", "fastcgi": {"to": "unix:/run/s"}, "client-certificate": "any"},
        {"path": "/settled/q", "fastcgi": {"to": "unix:/run/s"}},
    ]
    answer = ask("/settled/", location=locations)
    assert answer.body.decode().startswith("# /settled\n\n=> ../ .. (up)\n=> m/ m/\n=> q q\n=> a.gmi a.gmi (0 B, ")
    assert links_of(answer) == ["../", "m/", "q", "a.gmi"]


def test_another_name_of_the_directory_has_nothing_mounted(ask, settled, capsule):
    (capsule / "link").symlink_to("settled")
    location = [{"path": "/settled/m", "root": str(capsule / "dir")}]
    assert links_of(ask("/link/", location=location)) == ["../", "a.gmi"]


def test_what_is_mounted_counts(ask, settled):
    for i in range(48):
        (settled / f"{i}").touch()
    location = [{"path": "/settled/q", "fastcgi": {"to": "unix:/run/s"}}]
    assert b"left out" not in ask("/settled/", location=location).body
    (settled / "one more").touch()
    answer = ask("/settled/", location=location)
    assert answer.body.endswith(b"There are more than 50 entries; the others are left out.\n")
    assert "q" in links_of(answer)


def test_who_may_enter_is_remembered_for_that_one(configure, settled, make_certified):
    location = [{"path": "/settled/q", "fastcgi": {"to": "unix:/run/s"}, "client-certificate": "any"}]
    router, certified = Router(configure(location=location), MIME_TABLE, None), make_certified()
    for asker in (None, certified, None, certified):
        answer = settle(lambda asker=asker: router.respond(request("/settled/", asker)))
        assert ("q" in links_of(answer)) == (asker is certified)


@pytest.fixture
def make_certified():
    """A client with a certificate that any rule but a list takes."""
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(1)
    return lambda: peer(client_certificate=make_client_certificate("a", now - day, now + day))


# What is imported

WHAT_IS_IMPORTED = """
import sys
from pathlib import Path
from gemd.config import parse_config
from gemd.responders.router import Router
host = {"name": "h", "root": "/", **eval(sys.argv[1])}
Router(parse_config({"host": [host]}, base=Path("/"), source=None, cpus=1), {}, None)
print(*(name for name in ("arranged", "mounted") if f"gemd.responders.{name}" in sys.modules))
"""


@pytest.mark.parametrize(
    ("keys", "imported"),
    [
        ({}, ""),
        ({"listing": False}, ""),
        ({"location": [{"path": "/a", "root": "/"}]}, "mounted"),
        ({"listing": {}}, "arranged mounted"),
    ],
)
def test_what_only_some_need_is_imported_for_these(keys, imported):
    done = subprocess.run(
        [sys.executable, "-c", WHAT_IS_IMPORTED, repr(keys)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == imported


def test_a_table_is_arranged_and_remembered(configure, settled):
    router = Router(configure(listing={"titles": True}), MIME_TABLE, None)
    (settled / "a.gmi").write_text("# A title\n")
    first = settle(lambda: router.respond(request("/settled/")))
    assert first.body.decode().splitlines()[-1].startswith("=> a.gmi A title (10 B, ")
    (settled / "a.gmi").write_text("# Another title\n")
    assert router.respond(request("/settled/")).body == first.body


def test_without_rules_a_table_is_arranged_too(ask_static, settled):
    assert b"=> a.gmi 20" in ask_static("/settled/", listing={"feed": True}).body
