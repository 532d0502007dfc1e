import os
import time

import pytest

from gemd.protocol.response import Response
from gemd.responders import arranged, listing, turns
from gemd.responders.protection import Protection
from gemd.responders.router import Router
from gemd.responders.viewer import Viewer
from tests.support.descriptors import open_descriptors
from tests.support.subscription import read_feed

from .asking import peer, request, settle
from .conftest import MAX_LISTING, MIME_TABLE

DAY = 86400


@pytest.fixture
def directory(capsule):
    """An empty directory of the capsule."""
    (capsule / "d").mkdir()
    return capsule / "d"


@pytest.fixture
def page(ask):
    """The lines of the listing of /d/ by this table."""

    def page(url="/d/", asker=None, keys=None, **listing):
        answer = ask(url, asker, listing=listing, **(keys or {}))
        assert (answer.status, answer.meta) == (20, "text/gemini")
        assert answer.body.endswith(b"\n")
        return answer.body.decode().split("\n")[:-1]

    return page


def write(path, text="", modified=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if modified is not None:
        os.utime(path, (0, modified))


def links(lines):
    """What they lead to, without the way up."""
    return [line.split(" ")[1] for line in lines if line.startswith("=> ") and not line.startswith("=> ../")]


# What all of them have


def test_an_empty_table_is_as_true_is(ask, directory):
    for name in ("page 10", "page 9", "b:c", "ä"):
        write(directory / name)
    (directory / "sub").mkdir()
    assert ask("/d/", listing={}).body == ask("/d/", listing=True).body
    assert ask("/", index=["none"], listing={}).body == ask("/", index=["none"]).body


def test_false_is_for_no_listing(ask, directory):
    location = [{"path": "/d/", "listing": False}]
    assert ask("/d/", listing={}, location=location).status == 51
    assert ask("/d/x/", listing={}, location=location).status == 51


def test_hidden_names_and_links_out_are_left_out(page, directory):
    write(directory / ".hidden")
    (directory / "out").symlink_to("/etc/passwd")
    assert links(page(titles=True)) == []


def test_the_language_of_the_page(ask, directory):
    assert ask("/d/", listing={}, lang="de").meta == "text/gemini; lang=de"


def test_a_mounted_root(page, directory):
    write(directory / "a.gmi", "# A\n")
    lines = page("/m/", keys={"location": [{"path": "/m", "root": str(directory)}]}, titles=True)
    assert lines[:4] == ["# /m", "", "=> ../ .. (up)", lines[3]]
    assert lines[3].startswith("=> a.gmi A (4 B, ")


def test_a_directory_that_goes_meanwhile_is_not_found(configure, directory):
    router = Router(configure(listing={}), MIME_TABLE, None)
    answer = router.respond(request("/d/"))
    directory.rmdir()
    assert settle(lambda: answer).status == 51


def test_no_descriptor_is_left_open(page, directory):
    for i in range(MAX_LISTING + 10):
        write(directory / f"{i}" / "a.gmi", "# A\n")
    write(directory / "head.gmi", "# Head\n")
    before = open_descriptors()
    page(recursive=3, titles=True, preamble="head.gmi")
    page(recursive=3, feed=True)
    assert open_descriptors() == before


# Preambles


@pytest.mark.parametrize("name", [".head.gmi", "head.gmi", "no such"])
def test_a_preamble_comes_first_and_is_not_listed(page, directory, name):
    write(directory / "a")
    if not name.startswith("no"):
        write(directory / name, "Welcome\n")
    begin = ["# /d", ""] + ([] if name.startswith("no") else ["Welcome", ""])
    assert page(preamble=name)[:-1] == [*begin, "=> ../ .. (up)"]
    assert links(page(preamble=name)) == ["a"]


def test_a_preamble_with_a_title_has_the_place_of_the_heading(page, directory):
    write(directory / ".head", "# Log of Ada\r\n## Of engines\r\nText\n=> /x x")
    assert page(preamble=".head") == ["# Log of Ada", "## Of engines", "Text", "=> /x x", "", "=> ../ .. (up)"]


def test_a_preamble_swallows_nothing(page, directory):
    write(directory / ".head", "```\nart")
    assert page(preamble=".head")[:6] == ["# /d", "", "```", "art", "```", ""]


@pytest.mark.parametrize(
    "location",
    [{"gone": True}, {"redirect": {"to": "/x"}}, {"answer": {"status": 52}, "match": "exact"}],
)
def test_a_preamble_that_something_else_is_sent_for_is_none(page, directory, location):
    write(directory / "head.gmi", "# Title\n")
    locations = [{"path": "/d/head.gmi", **location}]
    assert page(preamble="head.gmi", keys={"location": locations}) == ["# /d", "", "=> ../ .. (up)"]


def test_a_preamble_is_as_a_description_has_it(page, directory):
    write(directory / "head.gmi", "# Title\n")
    for said, begin in (("52 Gone", "# /d"), ("31 /x", "# /d"), (";lang=de", "# Title")):
        write(directory / ".meta", f"head.gmi: {said}\n")
        assert page(preamble="head.gmi", keys={"meta-files": True})[0] == begin, said


def test_a_preamble_that_the_client_may_not_see_is_none(page, directory):
    write(directory / "head", "SECRET\n")
    locations = [{"path": "/d/head", "client-certificate": "any"}]
    assert page(preamble="head", keys={"location": locations}) == ["# /d", "", "=> ../ .. (up)"]
    (directory / "head").unlink()
    write(directory.parent / "dir/secret", "SECRET\n")
    (directory / "head").symlink_to("../dir/secret")
    locations = [{"path": "/dir", "client-certificate": "any"}]
    assert page(preamble="head", keys={"location": locations}) == ["# /d", "", "=> ../ .. (up)"]


# Orders


def test_it_is_sorted_before_it_is_cut(page, directory):
    for i in range(MAX_LISTING * 3):
        write(directory / f"page {i}", "x" * (i * 7 % 150), i * DAY)
    lines = page(sort="time", reverse=True)
    assert links(lines) == [f"page%20{i}" for i in range(149, 99, -1)]
    assert lines[-1] == f"There are more than {MAX_LISTING} entries; the others are left out."
    assert links(page()) == [f"page%20{i}" for i in range(50)]
    assert "(0 B" in page(sort="size")[3]


# Titles


def test_titles_are_labels(page, directory):
    write(directory / "a.gmi", "Text\n\n## The  title\n", DAY)
    write(directory / "b.gemini", "\n# Another\n", DAY)
    write(directory / "none.gmi", "Text\n", DAY)
    write(directory / "notes.txt", "# Not gemtext\n", DAY)
    assert page(titles=True)[3:] == [
        "=> a.gmi The title (20 B, 1970-01-02)",
        "=> b.gemini Another (11 B, 1970-01-02)",
        "=> none.gmi none.gmi (5 B, 1970-01-02)",
        "=> notes.txt notes.txt (14 B, 1970-01-02)",
    ]


def test_what_gemtext_is_the_location_says(page, directory):
    write(directory / "a.txt", "# Gemtext\n", DAY)
    assert page(keys={"mime": {".txt": "text/gemini"}}, titles=True)[3:] == ["=> a.txt Gemtext (10 B, 1970-01-02)"]


def test_no_title_is_told_of_what_the_client_may_not_see(page, directory, capsule):
    write(directory / "a.gmi", "# SECRET\n")
    write(capsule / "dir/b.gmi", "# SECRET\n")
    os.link(capsule / "dir/b.gmi", directory / "hard.gmi")
    locations = [{"path": path, "client-certificate": "any"} for path in ("/d/a.gmi", "/dir/b.gmi")]
    assert "SECRET" not in str(page(keys={"location": locations}, titles=True))
    assert links(page(keys={"location": locations}, titles=True)) == ["a.gmi", "hard.gmi"]


@pytest.mark.parametrize("keys", [{"gone": True}, {"answer": {"status": 50, "meta": "No"}}, {"redirect": {"to": "/"}}])
def test_no_title_is_told_of_what_is_answered_otherwise(page, directory, keys):
    write(directory / "a.gmi", "# SECRET\n", DAY)
    lines = page(keys={"location": [{"path": "/d/a.gmi", **keys}]}, titles=True)
    assert lines[3:] == ["=> a.gmi a.gmi (9 B, 1970-01-02)"]


def test_no_title_is_told_of_a_script(page, directory):
    write(directory / "s.gmi", "#!/bin/sh\n# SECRET\n")
    (directory / "s.gmi").chmod(0o755)
    lines = page(keys={"cgi": "."}, titles=True)
    assert "SECRET" not in str(lines)
    assert links(lines) == ["s.gmi"]


# Directories below


@pytest.fixture
def tree(directory):
    for name in ("a.gmi", "sub/b.gmi", "sub/deep/c.gmi", "sub/deep/deeper/d.gmi", "x/e.gmi"):
        write(directory / name, f"# Title of {name}\n")
    return directory


DEPTHS = {
    0: ["sub/", "x/", "a.gmi"],
    1: ["sub/", "sub/deep/", "sub/b.gmi", "x/", "x/e.gmi", "a.gmi"],
    2: ["sub/", "sub/deep/", "sub/deep/deeper/", "sub/deep/c.gmi", "sub/b.gmi", "x/", "x/e.gmi", "a.gmi"],
    16: [
        *("sub/", "sub/deep/", "sub/deep/deeper/", "sub/deep/deeper/d.gmi", "sub/deep/c.gmi", "sub/b.gmi", "x/"),
        *("x/e.gmi", "a.gmi"),
    ],
}


@pytest.mark.parametrize(("depth", "expected"), DEPTHS.items())
def test_so_many_levels_are_listed(page, tree, depth, expected):
    assert links(page(recursive=depth)) == expected


def test_labels_of_what_is_below(page, tree):
    assert page(recursive=1)[3:6] == ["=> sub/ sub/", "=> sub/deep/ sub/deep/", page(recursive=1)[5]]
    assert page(recursive=1)[5].startswith("=> sub/b.gmi sub/b.gmi (21 B, ")
    assert page(recursive=1, titles=True)[5].startswith("=> sub/b.gmi Title of sub/b.gmi (21 B, ")


def test_all_levels_have_one_limit(page, directory):
    for i in range(10):
        for j in range(10):
            write(directory / f"{i}" / f"{j}")
    lines = page(recursive=1)
    assert len(links(lines)) == MAX_LISTING
    assert lines[-1].startswith("There are more than 50 entries")
    assert links(lines)[:12] == ["0/", *(f"0/{j}" for j in range(10)), "1/"]


def test_a_colon_is_no_scheme(page, directory):
    write(directory / "a:b" / "c:d")
    assert links(page(recursive=1)) == ["./a:b/", "./a:b/c:d"]


@pytest.mark.timeout(20)
def test_loops_of_links_end(page, directory):
    write(directory / "sub/a")
    (directory / "sub/up").symlink_to("..")
    (directory / "self").symlink_to(".")
    (directory / "sub/loop").symlink_to("loop")
    assert links(page(recursive=16)) == ["self/", "sub/", "sub/up/", "sub/a"]


def test_a_directory_with_an_index_keeps_its_names(page, directory):
    write(directory / "sub/index.gmi")
    write(directory / "sub/SECRET")
    (directory / "linked").mkdir()
    (directory / "linked/index.gemini").symlink_to("nowhere")
    write(directory / "linked/SECRET")
    (directory / "other/index.gmi").mkdir(parents=True)
    assert links(page(recursive=16)) == ["linked/", "other/", "other/index.gmi/", "sub/"]


LOCATIONS = {
    "with a certificate": {"client-certificate": "any"},
    "without a listing": {"listing": False},
    "gone": {"gone": True},
    "an index of its own": {"index": ["b.gmi"]},
    "another language": {"lang": "de"},
}


@pytest.mark.parametrize("keys", LOCATIONS.values(), ids=LOCATIONS)
def test_a_location_of_its_own_is_listed_and_not_what_is_in_it(page, tree, keys):
    assert links(page(keys={"location": [{"path": "/d/sub", **keys}]}, recursive=16)) == [
        "sub/",
        "x/",
        "x/e.gmi",
        "a.gmi",
    ]
    lines = page(keys={"location": [{"path": "/d/sub/deep", **keys}]}, recursive=16)
    assert links(lines) == ["sub/", "sub/deep/", "sub/b.gmi", "x/", "x/e.gmi", "a.gmi"]


def test_a_location_with_wildcards_is_none_of_the_one_above(page, tree):
    location = [{"path": "/*/sub", "match": "glob", "client-certificate": "any"}]
    assert links(page(keys={"location": location}, recursive=16)) == ["sub/", "x/", "x/e.gmi", "a.gmi"]


@pytest.mark.parametrize(
    "keys", [{"client-certificate": "any"}, {"listing": False}, {"index": ["b.gmi"], "dot-files": False}]
)
def test_what_protects_a_directory_protects_it_by_other_names(page, tree, keys):
    location = [{"path": "/elsewhere", "root": str(tree / "sub"), **keys}]
    assert links(page(keys={"location": location}, recursive=16)) == ["sub/", "x/", "x/e.gmi", "a.gmi"]


def test_a_network_that_may_not_enter_sees_nothing(page, tree):
    location = [{"path": "/d/sub", "access": {"deny": ["192.0.2.0/24"]}}]
    assert links(page(keys={"location": location}, recursive=16)) == ["x/", "x/e.gmi", "a.gmi"]
    other = [{"path": "/elsewhere", "root": str(tree / "sub/deep"), "access": {"deny": ["192.0.2.0/24"]}}]
    assert links(page(keys={"location": other}, recursive=16)) == ["sub/", "sub/b.gmi", "x/", "x/e.gmi", "a.gmi"]


def test_dot_files_are_hidden_below_too(page, directory):
    write(directory / "sub/.hidden/a")
    write(directory / "sub/.plan")
    assert links(page(recursive=16)) == ["sub/"]
    assert links(page(keys={"dot_files": True}, recursive=16)) == ["sub/", "sub/.hidden/", "sub/.hidden/a", "sub/.plan"]


def test_scripts_below_are_not_shown(page, directory):
    write(directory / "sub/cgi-bin/SECRET.sh", "echo")
    assert links(page(keys={"cgi": "d/sub/cgi-bin"}, recursive=16)) == ["sub/"]


def test_what_is_mounted_below_is_listed_and_not_what_is_in_it(page, tree, capsule):
    locations = [
        {"path": "/d/sub/m", "root": str(capsule / "dir")},
        {"path": "/d/x", "fastcgi": {"to": "unix:/run/s"}},
        {"path": "/d/sub/deep", "fastcgi": {"to": "unix:/run/s"}, "client-certificate": "any"},
    ]
    found = links(page(keys={"location": locations}, recursive=16))
    assert found == ["sub/", "sub/m/", "sub/b.gmi", "x", "a.gmi"]


def test_there_is_a_time_for_all(page, tree, monkeypatch):
    moments = iter([0.0, 0.5, 1.0])
    monkeypatch.setattr(arranged, "time", type("", (), {"monotonic": lambda: next(moments, 100.0)}))
    lines = page(recursive=16, titles=True)
    assert lines[-1] == "There was no time for more; some entries are left out."
    assert len(links(lines)) == 2


def test_titles_have_a_time_as_well(page, tree, monkeypatch):
    monkeypatch.setattr(arranged, "_MAX_SECONDS", 0.0)
    assert "no time for more" in page(titles=True)[-1]
    moments = iter([0.0] * 7)  # when it begins, of four entries, when it has all, of a title
    monkeypatch.setattr(arranged, "time", type("", (), {"monotonic": lambda: next(moments, 1.0)}))
    monkeypatch.setattr(arranged, "_MAX_SECONDS", 0.5)
    write(tree / "b.gmi", "# Late\n")
    lines = page(titles=True)
    assert [line.partition(" (")[0] for line in lines[3:]] == [
        *("=> sub/ sub/", "=> x/ x/", "=> a.gmi Title of a.gmi", "=> b.gmi b.gmi")
    ]


# Feeds


def test_a_directory_of_posts_is_a_feed(page, directory):
    write(directory / ".head.gmi", "# Log of Ada\n## Of engines\n\nWelcome.\n")
    write(directory / "2026-11-20-first.gmi", "# First post\n")
    write(directory / "2026-11-22-second.gmi", "Text\n\n# 2026-11-22: Second post\n")
    write(directory / "2026-11-21.gmi", "no heading\n")
    write(directory / "undated.gmi", "\ufeff# Undated\r\n", 20_778 * DAY + 5)  # 2026-11-21
    write(directory / "0001-01-01\u3000", "")
    write(directory / "picture.png", "", DAY)
    write(directory / "images/a.png", "", DAY)
    lines = page(feed=True, preamble=".head.gmi")
    assert lines == [
        *("# Log of Ada", "## Of engines", "", "Welcome.", "", "=> ../ .. (up)"),
        "=> images/ images/",
        "=> 2026-11-22-second.gmi 2026-11-22 Second post",
        "=> undated.gmi 2026-11-21 Undated",
        "=> 2026-11-21.gmi 2026-11-21 2026-11-21",
        "=> 2026-11-20-first.gmi 2026-11-20 First post",
        "=> 0001-01-01%E3%80%80 0001-01-01 0001-01-01",
        "=> picture.png picture.png (0 B, 1970-01-02)",
    ]
    feed = read_feed("gemini://h/d/", "\n".join(lines))
    assert (feed.title, feed.subtitle, feed.updated.isoformat()) == (
        "Log of Ada",
        "Of engines",
        "2026-11-22T12:00:00+00:00",
    )
    assert [(entry.url, entry.title) for entry in feed.entries][:2] == [
        ("gemini://h/d/2026-11-22-second.gmi", "Second post"),
        ("gemini://h/d/undated.gmi", "Undated"),
    ]
    assert len(feed.entries) == 5


def test_a_feed_without_a_preamble_is_called_after_its_place(page, directory):
    assert read_feed("gemini://h/d/", "\n".join(page(feed=True))).title == "h/d"


@pytest.mark.parametrize("host", ["*", "*.example.org"])
def test_a_feed_of_many_hosts_has_no_name_of_one(page, directory, host):
    location = arranged.Location(root=str(directory.parent), host=host, listing=arranged.ListingSettings(feed=True))
    viewer = Viewer(Protection({}), location, peer())
    answer = arranged.Arranger(10, None, lambda *_: "text/plain").arrange(request("/d/").url, viewer, ())
    assert answer.body.startswith(b"# /d\n")


def test_a_feed_has_the_posts_of_directories_below_by_their_dates(page, directory):
    write(directory / "2025/12/2025-12-31-old.gmi", "# Old\n")
    write(directory / "2026/01/2026-01-02-new.gmi", "# New\n")
    write(directory / "2026/2026-01-01.gmi", "# Middle\n")
    lines = page(feed=True, recursive=2)
    assert lines[3:] == [
        *("=> 2025/ 2025/", "=> 2025/12/ 2025/12/", "=> 2026/ 2026/", "=> 2026/01/ 2026/01/"),
        "=> 2026/01/2026-01-02-new.gmi 2026-01-02 New",
        "=> 2026/2026-01-01.gmi 2026-01-01 Middle",
        "=> 2025/12/2025-12-31-old.gmi 2025-12-31 Old",
    ]


def test_a_directory_may_be_a_post(page, directory):
    write(directory / "2026-01-02-trip/index.gmi", "# A trip\n")
    assert page(feed=True, recursive=2)[3:] == ["=> 2026-01-02-trip/ 2026-01-02 trip"]


def test_the_oldest_may_be_first(page, directory):
    for name in ("2026-01-02.gmi", "2026-01-01.gmi"):
        write(directory / name)
    assert links(page(feed=True, reverse=True)) == ["2026-01-01.gmi", "2026-01-02.gmi"]


def test_a_feed_has_the_newest_before_it_is_cut(page, directory):
    for month in range(1, 13):
        for day in range(1, 29):
            write(directory / f"2026-{month:02}-{day:02}.gmi")
    found = links(page(feed=True))
    assert len(found) == MAX_LISTING
    assert (found[0], found[-1]) == ("2026-12-28.gmi", "2026-11-07.gmi")


TITLES = {
    "nothing": "",
    "a blank": "# \n",
    "wide blanks": "# \u3000\u3000\n",
    "nothing to see": "# \u200b\u3164\n",
    "a date": "# 2026-01-01\n",
    "marks": "# --\n",
    "a link": "# => /evil 2020-01-01 Evil\n",
    "another line": "# a\u2028=> /evil 2020-01-01 Evil\n",
    "a lone CR": "# a\r=> /evil 2020-01-01 Evil\n",
    "a long one": "# " + "long " * 2000,
    "preformatted": "```\n# no\n",
}


@pytest.mark.parametrize(
    "name", ["2026-01-01.gmi", "2026-01-01-name.gmi", "name.gmi", "\u3000.gmi", "2026-13-45.gmi", "-.gmi"]
)
@pytest.mark.parametrize("text", TITLES.values(), ids=TITLES)
def test_any_post_is_one_entry_with_a_title(page, directory, text, name):
    write(directory / name, text, 20_454 * DAY)  # 2026-01-01
    (entry,) = read_feed("gemini://h/d/", "\n".join(page(feed=True))).entries
    assert entry.updated.date().isoformat() == "2026-01-01"
    assert entry.url.startswith("gemini://h/d/")
    assert 0 < len(entry.title) <= 120


def test_octets_that_are_no_utf_8(page, directory):
    with open(os.fsencode(directory) + b"/2026-01-01 \xff.gmi", "wb") as file:  # noqa: PTH123
        file.write(b"# caf\xe9\n")
    assert page(feed=True)[3:] == ["=> 2026-01-01%20%FF.gmi 2026-01-01 caf\N{REPLACEMENT CHARACTER}"]


# What is remembered


def test_titles_are_read_anew_when_a_file_has_changed(configure, directory, monkeypatch, long_ago):
    write(directory / "a.gmi", "# One\n")
    router, now = Router(configure(listing={"titles": True}), MIME_TABLE, None), [time.monotonic()]
    monkeypatch.setattr("gemd.responders.remembered.time.monotonic", lambda: now[0])

    def ask():
        return settle(lambda: router.respond(request("/d/"))).body

    assert b"=> a.gmi One" in ask()
    assert isinstance(router.respond(request("/d/")), Response)
    write(directory / "a.gmi", "# Two\n")
    now[0] += 6
    assert b"=> a.gmi Two" in ask()


def test_what_one_may_see_another_does_not(configure, directory, long_ago):
    write(directory.parent / "dir/a.gmi", "# SECRET\n")
    (directory / "a.gmi").symlink_to("../dir/a.gmi")
    location = [{"path": "/dir", "access": {"deny": ["192.0.2.0/24"], "status": 51}}]
    router = Router(configure(listing={"titles": True}, location=location), MIME_TABLE, None)
    for address, is_seen in (("198.51.100.1", True), ("192.0.2.1", False), ("198.51.100.1", True)):
        answer = settle(lambda address=address: router.respond(request("/d/", peer(address=address))))
        assert (b"a.gmi" in answer.body) == (b"SECRET" in answer.body) == is_seen


def test_what_files_are_their_description_says(page, directory):
    write(directory / "a.txt", "# A title\n", DAY)
    write(directory / "b.gmi", "# SECRET\n", DAY)
    write(directory / "c.gmi", "# Plain\n", DAY)
    write(directory / ".meta", "a.txt: text/gemini\nb.gmi: 50 For nobody\nc.gmi: text/plain\n")
    assert page(keys={"meta_files": True}, titles=True)[3:] == [
        "=> a.txt A title (10 B, 1970-01-02)",
        "=> b.gmi b.gmi (9 B, 1970-01-02)",
        "=> c.gmi c.gmi (8 B, 1970-01-02)",
    ]


def test_what_is_converted_is_not_read(page, directory, capsule):
    """For nobody is sent it as it is, by whatever name; but what comes of it is a post like any other."""
    write(directory / "2026-11-26-a.md", "# SECRET\n")
    write(directory / "b.gmi", "# SECRET\n", DAY)
    write(directory / ".head.MD", "# SECRET\n")
    keys = {"convert": {".md": ["cat"], ".gmi": {"command": ["cat"], "type": "text/html"}}}
    lines = page(keys=keys, feed=True, preamble=".head.MD")
    assert lines[3:] == ["=> 2026-11-26-a.md 2026-11-26 a", "=> b.gmi b.gmi (9 B, 1970-01-02)"]
    write(capsule / "dir/c.gmi", "# SECRET\n", DAY)
    (directory / "c.gmi").symlink_to("../dir/c.gmi")
    locations = [{"path": "/dir", "listing": False, "convert": {".gmi": ["cat"]}}]
    assert page(keys={"location": locations}, titles=True)[-1] == "=> c.gmi c.gmi (9 B, 1970-01-02)"


def test_a_page_is_worked_out_within_its_turn():
    """Else that is passed on, as if it waited for a disk, and pages that are large are worked out side by side."""
    assert 2 * arranged._MAX_SECONDS <= listing.MAX_SECONDS < turns._TIMEOUT
