import random

import pytest

from gemd.config.listing_settings import ListingSettings
from gemd.responders.listing import DirectoryEntry
from gemd.responders.order import ListingOrder

DAY = 86400.0


def directory(name, modified=0.0):
    return DirectoryEntry(name, True, 4096 + len(name), modified)


def file(name, size=0, modified=0.0):
    return DirectoryEntry(name, False, size, modified)


def program(name):
    return DirectoryEntry(name, False, None, 0.0)


def sort(entries, limit=100, **keys):
    """The names in order."""
    order = ListingOrder(ListingSettings(**keys), limit)
    items = [order.make_item((), entry, is_gemtext=entry.name.endswith(".gmi")) for entry in entries]
    random.Random(1).shuffle(items)
    return [item.entry.name for item in order.sort(iter(items))], order.is_cut


ENTRIES = [
    directory("b", 3.0),
    directory("a", 5.0),
    program("c"),
    file("page 9", 7, 2.0),
    file("page 10", 5, 9.0),
    file("Page 2", 7, 4.0),
]
ORDERS = {
    "name": ({}, ["a", "b", "c", "Page 2", "page 9", "page 10"]),
    "name, reverse": ({"reverse": True}, ["c", "b", "a", "page 10", "page 9", "Page 2"]),
    "time": ({"sort": "time"}, ["c", "b", "a", "page 9", "Page 2", "page 10"]),
    "time, reverse": ({"sort": "time", "reverse": True}, ["a", "b", "c", "page 10", "Page 2", "page 9"]),
    "size": ({"sort": "size"}, ["a", "b", "c", "page 10", "Page 2", "page 9"]),
    "size, reverse": ({"sort": "size", "reverse": True}, ["a", "b", "c", "Page 2", "page 9", "page 10"]),
}


@pytest.mark.parametrize(("keys", "names"), ORDERS.values(), ids=ORDERS)
def test_the_orders(keys, names):
    assert sort(ENTRIES, **keys) == (names, False)


FEED = [
    directory("2025"),
    directory("2026-11-20 trip"),
    file("2026-11-24-old.gmi", modified=40_000 * DAY),
    file("2026-11-26-b.gmi"),
    file("2026-11-26-a.gmi"),
    file("undated.gmi", modified=20_783 * DAY + 2),  # 2026-11-26
    file("also undated.gmi", modified=20_783 * DAY + 3),
    file("2026-11-25 picture.jpg"),
    file("logo.png", modified=30_000 * DAY),
]


def test_a_feed_has_the_newest_first_behind_directories_without_a_date():
    newest = ["also undated.gmi", "undated.gmi", "2026-11-26-b.gmi", "2026-11-26-a.gmi"]
    older = ["2026-11-25 picture.jpg", "2026-11-24-old.gmi", "2026-11-20 trip"]
    assert sort(FEED, feed=True) == (["2025", *newest, *older, "logo.png"], False)
    assert sort(FEED, feed=True, reverse=True) == (["2025", *older[::-1], *newest[::-1], "logo.png"], False)


@pytest.mark.parametrize("keys", [{}, {"reverse": True}, {"sort": "time", "reverse": True}, {"sort": "size"}])
@pytest.mark.parametrize("limit", [1, 3, 10])
def test_what_is_cut_is_what_comes_last(keys, limit):
    entries = [file(f"page {i}", i * 7 % 100, i * 31 % 101) for i in range(100)]
    everything, is_cut = sort(entries, **keys)
    assert not is_cut
    assert sort(entries, limit, **keys) == (everything[:limit], True)


def test_only_a_feed_has_dates():
    for keys, date in (({}, ""), ({"feed": True}, "2026-11-26")):
        item = ListingOrder(ListingSettings(**keys), 1).make_item((), file("2026-11-26.gmi"), is_gemtext=True)
        assert item.date == date


def test_names_below_the_listed_directory():
    item = ListingOrder(ListingSettings(), 1).make_item(("a", "b"), file("c.d.gmi"), is_gemtext=True)
    assert (item.names, item.stem) == (("a", "b", "c.d.gmi"), "c.d")
