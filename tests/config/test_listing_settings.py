"""What a listing is like, as the configuration says it."""

import pytest

from gemd.config.listing_settings import ListingSettings, judge_listing

from .reading import HOST, first, parse, problems_of


def listing(keys):
    return HOST + f"listing = {{ {keys} }}\n"


def test_true_and_false_are_no_tables():
    assert first(HOST).listing is True
    assert first(HOST + "listing = false\n").listing is False


def test_what_holds_by_default():
    assert first(listing("")).listing == ListingSettings(
        preamble=None, sort="name", reverse=False, titles=False, recursive=0, feed=False
    )


def test_an_empty_table_lists():
    assert first(listing("")).listing


def test_every_key():
    keys = "preamble = '.head.gmi', sort = 'time', reverse = true, titles = true, recursive = 2"
    assert first(listing(keys)).listing == ListingSettings(
        preamble=".head.gmi", sort="time", reverse=True, titles=True, recursive=2
    )
    assert first(listing("feed = true, sort = 'name'")).listing == ListingSettings(feed=True)


def test_it_holds_for_what_is_below_as_a_whole():
    text = listing("titles = true, recursive = 1") + "[[host.location]]\npath = '/a'\nlisting = { feed = true }\n"
    text += "[[host.location]]\npath = '/a/b'\n[[host.location]]\npath = '/c'\n"
    found = {location.path: location.listing for location in parse(text).hosts[0].locations}
    assert found["/a"] == found["/a/b"] == ListingSettings(feed=True)
    assert found["/"] == found["/c"] == ListingSettings(titles=True, recursive=1)


WRONG = {
    "a path": ("preamble = 'a/b'", "preamble", "the name of a file that is in the directory itself"),
    "the directory above": ("preamble = '..'", "preamble", "the name of a file"),
    "the directory itself": ("preamble = '.'", "preamble", "the name of a file"),
    "no name": ("preamble = ''", "preamble", "a text that is not empty"),
    "another order": ("sort = 'date'", "sort", '"name" or "time" or "size", not "date"'),
    "a feed by size": ("feed = true, sort = 'size'", "sort", "with feed = true the order is by date"),
    "too deep": ("recursive = 17", "recursive", "a whole number from 0 to 16, not 17"),
    "no depth": ("recursive = true", "recursive", "a whole number from 0 to 16, not true"),
    "less than none": ("recursive = -1", "recursive", "a whole number from 0 to 16"),
    "no such key": ("title = true", "title", "did you mean 'titles'?"),
}


@pytest.mark.parametrize(("keys", "key", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_with_its_key(keys, key, said):
    problems = problems_of(listing(keys))
    assert list(problems) == [f"host[1].listing.{key}"]
    assert said in problems[f"host[1].listing.{key}"]


def test_what_is_no_table_is_told_its_keys():
    said = problems_of(HOST + "listing = 'yes'\n")["host[1].listing"]
    assert said.startswith("expected true or false or a table with preamble, sort, reverse, titles, recursive, feed")


def test_there_is_nothing_to_judge_without_a_table():
    assert list(judge_listing(True)) == list(judge_listing(False)) == []
