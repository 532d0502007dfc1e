"""Through a capsule in which each fault is planted."""

import pytest

from gemd.gemctl.check.crawl import Crawl
from gemd.gemctl.check.elsewhere import Elsewhere
from gemd.gemctl.check.meter import Meter
from gemd.gemctl.check.pace import OutOfTime, Pace
from tests.gemctl.conftest import LONGEST

TITLED = b"20 text/gemini\r\n# A page\n"


def page(*lines):
    return TITLED + "".join(f"{line}\n" for line in lines).encode()


@pytest.fixture
def crawl(checked):
    """Go through these pages; return the crawl, and what it found: kind, check, path and line, what."""

    def crawl(pages, limit=100, elsewhere=None, **changes):
        server = crawl.server = checked(pages=pages)
        visitor = server.visitor(**changes)
        crawl.crawl = Crawl(visitor, limit, Meter(), elsewhere and elsewhere(visitor))
        prefix = visitor.subject.url("")
        return [
            (f.kind.value, f.check, f.where.removeprefix(prefix), f.found.replace(prefix, ""))
            for f in crawl.crawl.run()
        ]

    return crawl


def test_a_capsule_that_is_right(crawl):
    pages = {
        "/": page(
            "=> a/ A", "=> /b.txt", "=> https://example.org", "=> titan://localhost/a", "=> gemini://example.net/"
        ),
        "/a/": page("=> ..", "=> #part", "=> ../a/"),
        "/b.txt": b"20 text/plain\r\nhello\n",
    }
    assert crawl(pages) == []
    assert (crawl.crawl.pages, crawl.crawl.links) == (3, 8)
    assert len(crawl.server.requests) == 3


DEAD = {
    "missing": (b"51 Not found\r\n", 'got "51 Not found"'),
    "gone": (b"52\r\n", 'got "52"'),
    "failing": (b"42 CGI error\r\n", 'got "42 CGI error"'),
    "busy": (b"41 Later\r\n", 'got "41 Later"'),
    "no header": (b"hello", 'got no Gemini header, but "hello"'),
    "nothing": (b"", "got no answer, and an end of the connection"),
    "nowhere": (b"30 gemini://\r\n", None),
}


@pytest.mark.parametrize("case", DEAD)
def test_a_link_that_is_dead(crawl, case):
    answer, found = DEAD[case]
    (finding,) = crawl({"/": page("", "=> /a"), "/a": answer})
    assert finding[:3] == ("fault", "dead-link", "/:3")
    if found is not None:
        assert finding[3] == f"/a {found}"
    else:
        assert finding[3].startswith("/a is a redirect to what is none: gemini://: ")


def test_all_that_link_to_it_are_counted(crawl):
    found = crawl({"/": page("=> /b", "=> /a"), "/b": page("=> a", "=> a")})
    assert found == [("fault", "dead-link", "/:3", '/a got "51 Not found"; 2 more links lead there')]


def test_who_says_slow_down_each_time(crawl):
    found = crawl({"/": page("=> /a"), "/a": b"44 0\r\n"})
    assert found == [("note", "dead-link", "/:2", '/a: it got "44 0" each time, so nobody knows')]


@pytest.mark.parametrize("answer", [b"10 Name?\r\n", b"11 Word?\r\n", b"60 Who?\r\n", b"61 Not you\r\n"])
def test_what_asks_for_more_is_no_fault(crawl, answer):
    assert crawl({"/": page("=> /a"), "/a": answer}) == []
    assert [request for request in crawl.server.requests if b"?" in request] == []


def test_links_that_are_no_urls(crawl):
    (found,) = crawl({"/": page("=> gemini://a@b/")})
    assert found[:3] == ("fault", "link", "/:2")
    assert len(crawl({"/": page(*["=> gemini://a@b/"] * 100)})) == 20


def test_redirects(crawl):
    moved = {f"/{i}": f"30 /{i + 1}\r\n".encode() for i in range(6)}
    found = crawl({"/": page("=> /0", "=> /x", "=> /z"), **moved, "/6": TITLED, "/x": b"30 y\r\n", "/y": b"31 x\r\n",
                   "/z": b"30 https://example.org/\r\n"})  # fmt: skip
    assert found == [
        ("fault", "redirect-circle", "/:3", "it leads in a circle: /x -> /y -> /x"),
        ("fault", "redirect-chain", "/:2", "6 redirects one after the other: /0 -> /1 -> /2 -> /3 -> /4 -> /5 -> /6"),
    ]


def test_a_redirect_to_what_is_missing(crawl):
    found = crawl({"/": page("=> /a"), "/a": b"30 /b\r\n"})
    assert found == [("fault", "dead-link", "/:2", '/b got "51 Not found"')]


def test_what_a_page_is(crawl):
    found = crawl({"/": page("=> /a"), "/a": b"20 text/gemini\r\nhello\n"})
    assert found == [("fault", "title", "/a", "it has no title")]


def test_one_page_by_two_urls_is_read_once(crawl):
    text = b"20 text/gemini\r\n=> index.gmi\n=> c\n"
    found = crawl({"/": text, "/index.gmi": text})
    assert [finding[1] for finding in found] == ["title", "dead-link"]
    assert crawl.crawl.links == 2


def test_what_breaks_off(crawl, checked):
    server = checked(proper=False)
    assert [finding.check for finding in Crawl(server.visitor(), 9, Meter(), None).run()] == ["cut"]


def test_no_more_pages_than_were_allowed(crawl):
    pages = {"/": page("=> a", "=> b", "=> c"), "/a": page("1"), "/b": page("2"), "/c": page("3")}
    (found,) = crawl(pages, limit=2)
    assert found[:2] == ("note", "limit")
    assert found[3] == "2 more URLs were not looked at"
    assert len(crawl.server.requests) == 2


def test_one_page_more(crawl):
    (found,) = crawl({"/": page("=> a", "=> b"), "/a": page("1"), "/b": page("2")}, limit=2)
    assert found[3] == "1 more URL was not looked at"


def test_a_page_of_more_links_than_there_is_time_for(checked, monkeypatch):
    """And what was found by then is told, circles too."""
    server = checked(pages={"/": page("=> /x", "=> /many"), "/x": b"30 /x\r\n", "/many": page(*["=> /"] * 50_000)})
    visitor = server.visitor()
    crawl = Crawl(visitor, 100, Meter(), None)
    monkeypatch.setattr(visitor, "pace", Pace(0.0, LONGEST))
    limit = visitor.pace.limit
    monkeypatch.setattr(visitor.pace, "limit", lambda seconds: limit(seconds) if crawl.links < 9 else give_up())
    found = []
    with pytest.raises(OutOfTime):
        found.extend(crawl.run())
    assert [finding.check for finding in found] == ["redirect-circle"]
    assert crawl.links == 9


def give_up():
    raise OutOfTime


def test_what_fills_a_page_does_not_fill_the_report(crawl):
    (found,) = crawl({"/": page("=> gemini://a@b/" + "x" * 900_000)})
    assert found[1] == "link"
    assert len(found[3]) < 500


def test_no_more_links_than_fit_into_memory(crawl, monkeypatch):
    monkeypatch.setattr("gemd.gemctl.check.crawl._MOST_KNOWN", 3)
    found = crawl({"/": page(*(f"=> {i}" for i in range(9)))}, limit=1)
    assert found[0][3] == "more than 3 URLs were not looked at"


ROBOTS = b"20 text/plain\r\nUser-agent: *\nDisallow: /cgi-bin/\n"


def test_robots_of_others_are_heeded(crawl):
    pages = {"/robots.txt": ROBOTS, "/": page("=> /cgi-bin/a", "=> /%63gi-bin/b")}
    assert crawl(pages, is_own=False) == []
    assert crawl.crawl.barred == 2
    assert len(crawl.server.requests) == 2


def test_who_has_no_robots_is_looked_at(crawl):
    assert crawl({"/": page("=> /a"), "/a": page("x")}, is_own=False) == []
    assert crawl.crawl.pages == 2


def test_ones_own_capsule_is_looked_at_whole(crawl):
    assert [finding[1] for finding in crawl({"/robots.txt": ROBOTS, "/": page("=> /cgi-bin/a")})] == ["dead-link"]


def test_links_to_others(crawl, checked):
    other = checked(pages={"/a": TITLED})
    there = f"gemini://localhost:{other.port}"
    pages = {"/": page(f"=> {there}/a", f"=> {there}/b")}
    assert crawl(pages) == []
    assert other.requests == []
    found = crawl(pages, elsewhere=lambda visitor: Elsewhere(visitor.pace, 9.0, 9))
    assert found == [("fault", "outer-link", "/:3", f'{there}/b got "51 Not found"')]


def test_a_redirect_to_others(crawl, checked):
    other = checked(pages={})
    there = f"gemini://localhost:{other.port}"
    pages = {"/": page("=> /a"), "/a": f"31 {there}/b\r\n".encode()}
    assert crawl(pages) == []
    found = crawl(pages, elsewhere=lambda visitor: Elsewhere(visitor.pace, 9.0, 9))
    assert found == [("fault", "outer-link", "/:2", f'{there}/b got "51 Not found"')]


def test_robots_of_one_who_is_busy(crawl):
    assert crawl({"/robots.txt": b"44 0\r\n", "/": page("x")}, is_own=False) == []


def test_start_page_that_is_not_there(crawl):
    assert crawl({}) == [("fault", "dead-link", "/", '/ got "51 Not found"')]
