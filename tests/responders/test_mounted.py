import datetime

import pytest

from gemd.responders.access import build_location_check
from gemd.responders.listing import DirectoryEntry
from gemd.responders.mounted import Mounts
from gemd.system.client_certificates import make_client_certificate, parse_client_certificate
from tests.support.certificate_chains import Link, make_leaf

from .asking import peer


@pytest.fixture
def mounts_of(configure):
    """The locations of a host that has these, and its first one."""

    def mounts_of(locations, **keys):
        (host,) = configure(location=locations, **keys).hosts
        rules = [(location, build_location_check(location)) for location in host.locations]
        return Mounts({host.name: rules}), host.locations[0]

    return mounts_of


@pytest.fixture
def find(mounts_of):
    """What is mounted in the directory with these names."""

    def find(*locations, names=(), asker=None, **keys):
        mounts, first = mounts_of(locations, **keys)
        return mounts.find(names, first, asker or peer())

    return find


def directory(name):
    return {name: DirectoryEntry(name, True, None, 0.0)}


def program(name):
    return {name: DirectoryEntry(name, False, None, 0.0)}


def test_a_root_of_its_own_is_a_directory(find, capsule):
    root = str(capsule / "dir")
    for path in ("/m", "/m/"):
        assert find({"path": path, "root": root}) == directory("m")


ANSWERS = {
    "an application": ({"path": "/a", "app": "m:app"}, program("a")),
    "one whose path is a directory": ({"path": "/a/", "app": "m:app"}, directory("a")),
    "FastCGI": ({"path": "/a", "fastcgi": {"to": "unix:/run/s"}}, program("a")),
    "SCGI": ({"path": "/a", "scgi": {"to": "unix:/run/s"}}, program("a")),
    "another server": ({"path": "/a/", "proxy": {"to": "gemini://b"}}, directory("a")),
    "a script": ({"path": "/a", "script": "/srv/a"}, program("a")),
    "an application behind a pattern": (
        {"path": "/a", "app": "m:app", "redirect": {"match": "/a/b", "to": "/c"}},
        program("a"),
    ),
    "gone": ({"path": "/a", "gone": True}, {}),
    "moved": ({"path": "/a", "redirect": {"to": "/b"}}, {}),
    "a fixed answer": ({"path": "/a", "answer": {"status": 41, "meta": "Later"}}, {}),
    "other rules": ({"path": "/a", "lang": "en"}, {}),
    "scripts of the root above": ({"path": "/a", "cgi": "a"}, {}),
    "a root that is not there": ({"path": "/a", "root": "/nowhere"}, {}),
    "other schemes": ({"path": "/a", "app": "m:app", "schemes": ["https"]}, {"a": None}),
    "a dot-file": ({"path": "/.a", "app": "m:app"}, {".a": None}),
    "one that is allowed": ({"path": "/.well-known", "app": "m:app"}, program(".well-known")),
    "one that is allowed there alone": ({"path": "/.a", "app": "m:app", "dot-files": True}, {".a": None}),
    "deeper": ({"path": "/a/b", "app": "m:app"}, {}),
}


@pytest.mark.parametrize(("location", "found"), ANSWERS.values(), ids=ANSWERS)
def test_what_is_mounted(find, location, found):
    assert find(location) == found


def test_only_what_is_directly_in_the_directory(find):
    locations = [{"path": path, "app": "m:app"} for path in ("/a", "/d/b", "/d/e/c", "//d//f/")]
    assert find(*locations) == program("a")
    assert find(*locations, names=("d",)) == program("b") | directory("f")
    assert find(*locations, names=("d", "e")) == program("c")
    assert find(*locations, names=("x",)) == {}


def test_another_host_has_its_own(configure):
    other = {"name": "g", "root": "/", "location": [{"path": "/a", "app": "m:app"}]}
    hosts = configure(hosts=[other]).hosts
    mounts = Mounts({host.name: [(location, None) for location in host.locations] for host in hosts})
    assert [mounts.find((), host.locations[0], peer()) for host in hosts] == [{}, program("a")]
    assert [mounts.are_together(host, (), ("a",)) for host in ("g", "h")] == [False, True]


TOGETHER = {
    "nothing else": ([], True),
    "a location there": ([{"path": "/d/a", "lang": "en"}], False),
    "one above": ([{"path": "/d", "lang": "en"}], True),
    "one below": ([{"path": "/d/a/b", "lang": "en"}], True),
    "one with wildcards there": ([{"path": "/*/a", "match": "glob", "lang": "en"}], False),
    "one with others there": ([{"path": "/*/b", "match": "glob", "lang": "en"}], True),
    "the listed directory alone": ([{"path": "/d", "match": "exact", "lang": "en"}], False),
    "the entry alone": ([{"path": "/d/a", "match": "exact", "lang": "en"}], False),
}


@pytest.mark.parametrize(("locations", "are_together"), TOGETHER.values(), ids=TOGETHER)
def test_whether_one_location_decides_about_a_directory_and_what_is_in_it(mounts_of, locations, are_together):
    mounts, _ = mounts_of(locations)
    assert mounts.are_together("h", ("d",), ("d", "a")) == are_together


def test_a_path_with_wildcards_is_no_name(find):
    assert find({"path": "/*", "match": "glob", "app": "m:app"}) == {}
    assert find({"path": "/a", "match": "exact", "app": "m:app"}) == program("a")


def test_who_may_not_enter_sees_nothing(find):
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(1)
    certified = peer(client_certificate=make_client_certificate("a", now - day, now + day))
    location = {"path": "/a", "app": "m:app", "client-certificate": "any"}
    assert find(location) == {"a": None}
    assert find(location, asker=certified) == program("a")
    location["client-certificate"] = ["SHA256:" + "ab" * 32]
    assert find(location, asker=certified) == {"a": None}


def test_networks_count_too(find):
    location = {"path": "/a", "app": "m:app", "access": {"deny": ["192.0.2.0/24"]}}
    assert find(location, asker=peer(address="192.0.2.7")) == {"a": None}
    assert find(location, asker=peer(address="198.51.100.7")) == program("a")


@pytest.mark.parametrize("is_vouched_for", [True, False])
def test_a_judgement_is_waited_for(find, tmp_path, is_vouched_for):
    """It takes a while where the chain is long."""
    root = Link()
    (tmp_path / "ca.pem").write_bytes(root.pem)
    chain = make_leaf(root if is_vouched_for else Link("stranger"), 3).chain
    asker = peer(client_certificate=parse_client_certificate(chain[0]), client_chain=chain)
    found = find({"path": "/a", "app": "m:app", "client-certificate": {"ca": str(tmp_path / "ca.pem")}}, asker=asker)
    assert found == (program("a") if is_vouched_for else {"a": None})
