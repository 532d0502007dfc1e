import os
import time
from types import SimpleNamespace

import pytest

from gemd.protocol.response import Response
from gemd.responders.remembered import RememberedListings

NOW = 1_000_000 * 10**9


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, as a list of one."""
    now = [1_000_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time_ns", lambda: int(now[0] * 1e9))
    return now


def found(*, inode=1, modified=9.0, changed=9.0, device=1, size=4096):
    """What fstat says of a directory that changed so many seconds ago."""
    times = {"st_mtime_ns": NOW - int(modified * 1e9), "st_ctime_ns": NOW - int(changed * 1e9)}
    return SimpleNamespace(st_dev=device, st_ino=inode, st_size=size, **times)


def page(size=10):
    return Response(20, "text/gemini", b"x" * size)


def test_it_is_found_again(clock):
    listings, kept = RememberedListings(), page()
    listings.keep("a", found(), kept)
    assert listings.find("a", found()) is kept
    assert listings.find("b", found()) is None


@pytest.mark.parametrize("change", [{"inode": 2}, {"modified": 1.5}, {"changed": 1.5}, {"device": 2}, {"size": 0}])
def test_not_when_the_directory_has_changed(clock, change):
    listings = RememberedListings()
    listings.keep("a", found(), page())
    assert listings.find("a", found(**change)) is None
    assert listings.find("a", found()) is None  # it is forgotten


def test_not_for_long(clock):
    listings = RememberedListings()
    listings.keep("a", found(), page())
    clock[0] += 4.9
    assert listings.find("a", found())
    clock[0] += 0.2
    assert listings.find("a", found()) is None


def test_what_changed_a_moment_ago_is_not_remembered(clock):
    listings = RememberedListings()
    listings.keep("a", found(changed=1.9), page())
    assert listings.find("a", found(changed=1.9)) is None


def test_whatever_an_archive_has_set_as_its_time_it_is(clock):
    listings = RememberedListings()
    listings.keep("a", found(modified=-60.0), page())
    assert listings.find("a", found(modified=-60.0))


def test_many_small_ones_have_a_limit_too(clock):
    """What is kept of each counts, so that clients with a certificate for each request fill no memory with pages."""
    listings = RememberedListings(100 * 1024)
    for key in range(1000):
        listings.keep(key, found(), page(1))
    assert sum(bool(listings.find(key, found())) for key in range(1000)) < 100


def test_a_real_directory(tmp_path, long_ago):
    listings, kept = RememberedListings(), page()
    before = os.stat(tmp_path)
    listings.keep("a", before, kept)
    assert listings.find("a", os.stat(tmp_path)) is kept
    (tmp_path / "new").touch()
    assert listings.find("a", os.stat(tmp_path)) is None
