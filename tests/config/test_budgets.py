import pytest

from gemd.config.budgets import find_budgets
from gemd.config.types import Budget

from .reading import HOST, parse, problems_of


def budgets_of(text):
    """By the path of the location."""
    (host,) = parse(text).hosts
    return {location.path: [budget.place for budget in location.budgets] for location in host.locations}


def test_what_lies_below_spends_the_budgets_of_all_places_above_it_and_its_own():
    text = HOST + (
        "rate = '9/s'\n"
        "[[host.location]]\npath = '/a/b/'\nrate = '3/s'\n"
        "[[host.location]]\npath = '/a'\nrate = '5/s'\n"
        "[[host.location]]\npath = '/a/c/'\n"
        "[[host.location]]\npath = '/ab/'\n"
    )
    assert budgets_of(text) == {
        "/": ["//h"],
        "/a/b/": ["//h", "//h/a", "//h/a/b"],
        "/a": ["//h", "//h/a"],
        "/a/c/": ["//h", "//h/a"],
        "/ab/": ["//h"],
    }


def test_only_a_word_lifts_them():
    text = HOST + (
        "rate = '9/s'\n"
        "[[host.location]]\npath = '/a/'\nrate = 'none'\n"
        "[[host.location]]\npath = '/a/b/'\nrate = '1/s'\n"
        "[[host.location]]\npath = '/a/b/c/'\n"
    )
    assert budgets_of(text) == {"/": ["//h"], "/a/": [], "/a/b/": ["//h/a/b"], "/a/b/c/": ["//h/a/b"]}


def test_the_location_of_everything_is_below_its_host():
    text = HOST + "rate = '9/s'\n[[host.location]]\npath = '/'\nrate = '1/s'\n[[host.location]]\npath = '/a/'\n"
    assert budgets_of(text) == {"/": ["//h", "//h/"], "/a/": ["//h", "//h/"]}


def test_those_of_equal_paths_are_budgets_of_their_own():
    text = HOST + (
        "[[host.location]]\npath = '/a'\nrate = '3/s'\n"
        "[[host.location]]\npath = '/a/'\nmatch = 'exact'\nrate = '1/s'\n"
        "[[host.location]]\npath = '/*'\nmatch = 'glob'\nrate = '5/s'\n"
        "[[host.location]]\npath = '/a/b'\n"
        "[[host.location]]\npath = '/b/*/c'\nmatch = 'glob'\n"
    )
    assert budgets_of(text) == {
        "/": [],
        "/a": ["//h/*?glob", "//h/a"],
        "/a/": ["//h/*?glob", "//h/a", "//h/a?exact"],
        "/*": ["//h/*?glob"],
        "/a/b": ["//h/*?glob", "//h/a"],
        "/b/*/c": ["//h/*?glob"],
    }


def test_of_one_host_alone():
    hosts = parse(HOST + "rate = '9/s'\n" + HOST.replace('"h"', '"g"')).hosts
    assert [[len(location.budgets) for location in host.locations] for host in hosts] == [[1], [0]]
    assert find_budgets(hosts[1], hosts[1].locations[0]) == ()


def test_a_table_in_full():
    table = "{ limit = '10/1m', by = 'certificate', burst = 5, exempt = ['192.0.2.0/24', 'unix'] }"
    (budget,) = parse(HOST + f"rate = {table}\n").hosts[0].locations[0].budgets
    assert budget == Budget("//h", 10, 60.0, 5, "certificate", ("192.0.2.0/24", "unix"))


def test_a_burst_is_all_unless_it_says_otherwise():
    assert parse(HOST + "rate = { limit = '10/1m' }\n").hosts[0].locations[0].budgets[0].burst == 10
    assert parse(HOST + "rate = { limit = '10/1m', burst = 50 }\n").hosts[0].locations[0].budgets[0].burst == 50


@pytest.mark.parametrize("rate", ["'120/1m'", "{ limit = '120/1m' }"])
def test_the_whole_daemons(rate):
    assert parse(f"[limits]\nrate = {rate}\n" + HOST).budget == Budget("limits.rate", 120, 60.0, 120)
    assert parse(HOST).budget is None


WRONG = {
    "no rate": ("rate = 'often'", "rate", 'such as "120/1m" or "5/s", not "often"'),
    "no rate in a table": ("rate = { limit = 'often' }", "rate.limit", 'not "often"'),
    "no limit": ("rate = { burst = 5 }", "rate", "needs the key limit"),
    "nothing": ("rate = '0/s'", "rate", "would refuse everybody"),
    "no burst": ("rate = { limit = '1/s', burst = 0 }", "rate.burst", "a whole number from 1"),
    "by what": ("rate = { limit = '1/s', by = 'name' }", "rate.by", '"address" or "certificate", not "name"'),
    "years": ("rate = '1/400d'", "rate", "within a year"),
    "years of a burst": ("rate = { limit = '1/1d', burst = 366 }", "rate.limit", "with its burst of 366 has to be"),
    "host bits": (
        "rate = { limit = '1/s', exempt = ['192.0.2.0/24', '192.0.2.1/24'] }",
        "rate.exempt[2]",
        'in the network "192.0.2.0/24"',
    ),
    "twice": ("rate = { limit = '1/s', exempt = ['unix', 'unix'] }", "rate.exempt[2]", "unix is listed twice"),
    "misspelt": ("rate = { limt = '1/s' }", "rate.limt", "did you mean 'limit'?"),
    "a number": ("rate = 5", "rate", "expected a text that is not empty or a table with limit"),
}


@pytest.mark.parametrize(("line", "key", "said"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("host[1].", HOST + "%s\n"),
        ("host[1].location[1].", HOST + "[[host.location]]\npath = '/a/'\n%s\n"),
        ("limits.", "[limits]\n%s\n" + HOST),
    ],
)
def test_what_is_wrong_is_said_with_its_key(where, text, line, key, said):
    problems = problems_of(text % line)
    assert list(problems) == [where + key]
    assert said in problems[where + key]


def test_the_whole_daemons_is_by_address_and_is_not_lifted():
    assert (
        "by address" in problems_of("[limits]\nrate = { limit = '1/s', by = 'certificate' }\n" + HOST)["limits.rate.by"]
    )
    assert "expected a rate" in problems_of("[limits]\nrate = 'none'\n" + HOST)["limits.rate"]
