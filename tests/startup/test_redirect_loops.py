"""Redirects that lead nowhere, told as a chain."""

import pytest

from gemd.config import ConfigError
from gemd.startup.checks import check_machine
from gemd.startup.redirect_loops import find_redirect_loops, find_redirect_warnings


@pytest.fixture
def said(configure, root):
    """What is said of these locations of a host: mistakes, and warnings."""

    def said(*locations, hosts=(), listen=("127.0.0.1:1965",), **keys):
        host = {"name": "h.example", "aliases": ["g.example"], "root": str(root), **keys, "location": list(locations)}
        config = configure(host=[host, *hosts], listen=list(listen))
        loops = {problem.path: problem.text for problem in find_redirect_loops(config)}
        return loops, {problem.path: problem.text for problem in find_redirect_warnings(config)}

    return said


def move(path, to, match=None, **keys):
    redirect = {"to": to, **({"match": match} if match else {})}
    return {"path": path, "redirect": redirect, **keys}


FIRST = "host[1].location[1].redirect"
LOOPS = {
    "itself": ([move("/loop/", "/loop/")], {FIRST: "leads in a circle: /loop/ -> /loop/"}),
    "a page": ([move("/a", "/a")], {FIRST: "leads in a circle: /a -> /a"}),
    "each other": ([move("/a", "/b"), move("/b", "/a")], {FIRST: "leads in a circle: /a -> /b -> /a"}),
    "each other with what follows": (
        [move("/a", "/b/"), move("/b", "/a/")],
        {FIRST: "leads in a circle: /b/ -> /a/ -> /b/"},
    ),
    "ever deeper": (
        [move("/loop2/", "/loop2/deep/")],
        {FIRST: "goes on for ever: " + " -> ".join(f"/loop2/{'deep/' * i}" for i in range(5)) + " -> ..."},
    ),
    "ever deeper, and soon too long": (
        [move("/a/", "/a/" + "b" * 400 + "/")],
        {FIRST: "goes on for ever: /a/ -> /a/bb"},
    ),
    "its own name": ([move("/a", "gemini://h.example/a")], {FIRST: "/a -> /a"}),
    "its own name and port": ([move("/a", "gemini://H.example:1965/a")], {FIRST: "/a"}),
    "an alias": (
        [move("/a", "gemini://g.example/a")],
        {FIRST: "/a -> /a"},
    ),
    "without a scheme": ([move("/a", "//h.example/a")], {FIRST: "/a"}),
    "a relative one": ([move("/a/b", "b")], {FIRST: "/a/b -> /a/b"}),
    "by a dot segment": ([move("/a/b", "/a/x/../b")], {FIRST: "/a/b"}),
    "a pattern": ([move("/", "/en/{rest}", "/{}/{rest...}")], {FIRST: "/en/ -> /en/"}),
    "a pattern that turns back": (
        [move("/", "/x/{b}/{a}", "/x/{a}/{b}")],
        {FIRST: "leads in a circle: /x/a/b -> /x/b/a -> /x/a/b"},
    ),
    "a pattern that grows": (
        [move("/a/", "/a/b/{c}", "/a/{c...}")],
        {FIRST: "goes on for ever: /a -> /a/b/ -> /a/b/b/"},
    ),
    "by way of a prompt": (
        [move("/a", "/b", "/a", answer={"status": 10, "meta": "?"}), move("/b", "/a", "/b")],
        {FIRST: "/a?query -> /b?query -> /a?query"},
    ),
}


@pytest.mark.parametrize(("locations", "expected"), LOOPS.values(), ids=LOOPS)
def test_loops_are_told_as_a_chain(said, locations, expected):
    loops, _ = said(*locations)
    assert set(loops) == set(expected)
    assert all(text in loops[path] for path, text in expected.items())


def test_locations_that_are_compared_otherwise(said):
    for match, path, chain in (("exact", "/a", "/a -> /a"), ("glob", "/*/a", "/b/a -> /b/a")):
        location = move(path, chain.split()[-1]) | {"match": match}
        assert chain in said(location)[0][FIRST]
    assert said(move("/a/", "/a/b") | {"match": "exact"}) == ({}, {})


ENDS = {
    "elsewhere": [move("/a", "gemini://other.example/a")],
    "another port": [move("/a", "gemini://h.example:1966/a")],
    "another scheme": [move("/a", "https://h.example/a")],
    "a directory within": [move("/a/", "/a/b/"), {"path": "/a/b/"}],
    "what is gone": [move("/a", "/b"), {"path": "/b", "gone": True}],
    "what is answered": [move("/a", "/b"), {"path": "/b", "answer": {"status": 41}}],
    "a pattern that takes away": [move("/a/", "/a/{rest}", "/a/{}/{rest...}")],
    "a pattern for other names": [move("/", "/{page}", "/x/{page}")],
    "one page for all": [move("/a/", "/b/index.gmi")],
    "five in a row": [move(f"/{n}", f"/{n + 1}") for n in range(5)],
}


@pytest.mark.parametrize("locations", ENDS.values(), ids=ENDS)
def test_what_ends_is_in_order(said, locations):
    assert said(*locations) == ({}, {})


def test_a_host_for_all_others_may_lead_to_anybody(said):
    hosts = [{"name": "*", "redirect": {"to": "gemini://www.example.org/"}}]
    assert said(hosts=hosts) == ({}, {})
    hosts = [{"name": "*", "redirect": {"to": "gemini://h.example/"}}]
    assert said(hosts=hosts) == ({}, {})
    hosts = [{"name": "*", "redirect": {"to": "/"}}]
    assert set(said(hosts=hosts)[0]) == {"host[2].redirect"}


def test_a_circle_by_way_of_two_hosts(said):
    hosts = [{"name": "i.example", "redirect": {"to": "gemini://h.example/a/"}}]
    loops, _ = said(move("/a/", "gemini://i.example/"), hosts=hosts)
    assert loops == {FIRST: "leads in a circle: gemini://h.example/a/ -> gemini://i.example/ -> gemini://h.example/a/"}


def test_what_may_be_another_servers_is_a_warning(said):
    wild = [{"name": "*.i.example", "redirect": {"to": "gemini://www.i.example/"}}]
    loops, warnings = said(hosts=wild)
    assert loops == {}
    assert warnings["host[2].redirect"].endswith("; unless one of these is another server's")
    behind = move("/a", "gemini://h.example/a")
    assert said(behind, listen=["127.0.0.1:11965"]) == ({}, {})
    loops, warnings = said(behind, listen=["127.0.0.1:11965"], **{"check-port": False})
    assert (loops, set(warnings)) == ({}, {FIRST})


def test_what_is_passed_on_ends_it(said):
    hosts = [{"name": "*.i.example", "redirect": {"to": "gemini://a.i.example/"}}]
    hosts.append({"name": "a.i.example", "pass": "192.0.2.1:1965"})
    assert said(hosts=hosts) == ({}, {})


def test_more_than_clients_follow_is_a_warning(said):
    loops, warnings = said(*[move(f"/{n}", f"/{n + 1}") for n in range(7)])
    assert loops == {}
    text = "clients follow 5 redirects, and here are 7: /0 -> /1 -> /2 -> /3 -> /4 -> ... -> /6"
    assert warnings[FIRST] == text


def test_nothing_that_leads_nowhere_is_served(configure, root):
    host = {"name": "localhost", "root": str(root), "location": [move("/loop/", "/loop/")]}
    with pytest.raises(ConfigError, match=r"host\[1\].location\[1\].redirect: leads in a circle"):
        check_machine(configure(host=[host]))
