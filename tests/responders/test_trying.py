"""Addresses without an extension, and what protects them by either name."""

import pytest

from gemd.protocol.counters import CLASSES, DURATIONS, RESPONDERS
from gemd.protocol.errors import SlowDown
from gemd.responders.router import Router
from gemd.responders.static import StaticFiles

from .asking import request, settle
from .conftest import MIME_TABLE

PRIVATE = {"client-certificate": "any"}


@pytest.fixture
def build(configure):
    """What a router with these keys answers: the status, and what it says."""

    def build(make_limit=None, **keys):
        router = Router(configure(**{"try": ".gmi", **keys}), MIME_TABLE, make_limit)

        def ask(url):
            answer = settle(lambda: router.respond(request(url)))
            return answer.status, answer.body.decode() if answer.status == 20 else answer.meta

        return ask

    return build


def test_what_is_not_there_may_be_there_with_an_extension(build):
    ask = build()
    assert ask("/page") == (20, "page")
    assert ask("/dir/page?x") == (20, "deep")
    assert ask("//dir//page") == (20, "deep")
    assert ask("/p%61ge") == (20, "page")
    assert ask("/page.gmi") == (20, "page")
    for url in ("/nothing", "/page/", "/page/x", "/dir/nothing", "/nothing/page", "/page%2F", "/page%00", "/page.g"):
        assert ask(url)[0] in (51, 59), url


def test_any_name_may_lack_it(build, capsule):
    (capsule / "release-1.2.gmi").write_text("new")
    assert build()("/release-1.2") == (20, "new")


def test_what_is_there_comes_first(build, capsule):
    (capsule / "page").write_text("itself")
    (capsule / "dir.gmi").write_text("beside")
    ask = build()
    assert ask("/page") == (20, "itself")
    assert ask("/dir") == (31, "/dir/")


def test_the_first_extension_that_leads_to_a_page_counts(build, capsule):
    for name in ("a.txt", "b.gmi", "b.txt"):
        (capsule / name).write_text(name)
    (capsule / "a.gmi").mkdir()
    ask = build(**{"try": [".gmi", ".txt"]})
    assert (ask("/a"), ask("/b"), ask("/c")[0]) == ((20, "a.txt"), (20, "b.gmi"), 51)


def test_without_the_key_nothing_is_tried(build, configure):
    assert build(**{"try": []})("/page")[0] == 51
    assert build(location=[{"path": "/dir", "try": []}])("/dir/page")[0] == 51
    responders = Router(configure(), MIME_TABLE, None)._find(request("/")).responders
    assert [type(responder) for responder, _ in responders] == [StaticFiles]  # which costs what it did


def test_names_that_are_not_shown_are_not_by_this(build, capsule):
    (capsule / ".well-known.gmi").write_text("SECRET")
    (capsule / ".x.gmi").write_text("SECRET")
    (capsule / ".well-known/a.txt").unlink()
    (capsule / ".well-known").rmdir()
    ask = build()
    for url in ("/.well-known", "/.hidden", "/.x", "/..", "/.", "/dir/.."):
        assert ask(url)[0] != 20 or ask(url)[1] == "# home", url


def test_what_may_not_be_seen_is_not_looked_for_elsewhere(build, capsule):
    (capsule / "page").symlink_to("../secret.gmi")
    assert build()("/page") == (51, "Not found")


def test_the_longer_name_is_protected_by_the_shorter_as_well(build):
    ask = build(location=[{"path": "/page.gmi", **PRIVATE}])
    assert [ask(url)[0] for url in ("/page.gmi", "/page", "//page", "/p%61ge")] == [60] * 4
    assert ask("/dir/page") == (20, "deep")


def test_what_protects_the_shorter_name_protects_the_longer(build, capsule):
    (capsule / "link.gmi").symlink_to("page.gmi")
    ask = build(location=[{"path": "/page", **PRIVATE}])
    assert [ask(url)[0] for url in ("/page", "/page.gmi", "/link", "/link.gmi")] == [60] * 4


def test_the_longer_address_is_that_of_its_location(build):
    locations = [{"path": "/page.gmi", "lang": "de", "errors": {"51": "weg"}}, {"path": "/old.gmi", "gone": True}]
    ask = build(location=[*locations, {"path": "/moved.gmi", "redirect": {"to": "/dir/"}}])
    assert ask("/old")[0] == 52
    assert ask("/moved") == (31, "/dir/")
    assert ask("/page") == (20, "page")


def test_its_rate_counts(build):
    asked = []

    def make_limit(budgets):
        def count(_peer):
            asked.append([budget.place for budget in budgets])
            raise SlowDown("7")

        return count

    ask = build(make_limit, location=[{"path": "/page.gmi", "rate": "1/1h"}])
    assert ask("/page") == (44, "7")
    assert len(asked) == 1


def test_nothing_is_tried_twice(build, capsule):
    (capsule / "a.gmi.md.gmi").write_text("SECRET")
    ask = build(
        **{"try": [".gmi"]}, location=[{"path": "/a.gmi", "try": [".md"]}, {"path": "/a.gmi.md", "try": ".gmi"}]
    )
    assert ask("/a")[0] == 51


def test_scripts_may_be_meant(build, capsule):
    (capsule / "cgi-bin").mkdir()
    script = capsule / "cgi-bin/run.sh"
    script.write_text('#!/bin/sh\necho 20 text/plain; echo "$SCRIPT_NAME"\n')
    script.chmod(0o755)
    (capsule / "tool.cgi").write_text('#!/bin/sh\necho 20 text/plain; echo "$SCRIPT_NAME"\n')
    (capsule / "tool.cgi").chmod(0o755)
    ask = build(cgi=["cgi-bin", "*.cgi"], **{"try": [".sh", ".cgi"]})
    assert ask("/tool") == (20, "/tool.cgi\n")
    assert ask("/cgi-bin/run")[0] == 51  # in a place of scripts is a script or nothing


def test_what_is_converted_is_so_by_the_shorter_name(build, capsule):
    (capsule / "text.md").write_text("# Text\n")
    ask = build(**{"try": [".gmi", ".md"], "convert": {".md": ["tr", "a-z", "A-Z"]}})
    assert ask("/text") == (20, "# TEXT\n")


def test_a_refusal_is_in_the_words_of_its_location(build):
    locations = [{"path": "/page.gmi", "errors": {"60": "Members"}, **PRIVATE}]
    ask = build(errors={"60": "A certificate", "51": "Lost"}, location=locations)
    assert (ask("/page"), ask("/page.gmi")) == ((60, "Members"), (60, "Members"))
    assert ask("/nothing") == (51, "Lost")


class TestWhatIsCounted:
    """Of an answer that a longer address gives."""

    @pytest.fixture
    def count(self, configure):
        def count(url, make_limit=None, **keys):
            router = Router(configure(**{"try": [".gmi", ".cgi"], **keys}), MIME_TABLE, make_limit, slots={"h": 3})
            settle(lambda: router.respond(request(url)))
            place = router.note.take()
            return place.host // len(CLASSES), RESPONDERS[place.responder // DURATIONS]

        return count

    def test_is_who_gives_it(self, count, capsule):
        (capsule / "tool.cgi").write_text("#!/bin/sh\necho 20 text/plain\n")
        (capsule / "tool.cgi").chmod(0o755)
        assert count("/page") == count("/dir/page") == (3, "root")
        assert count("/tool", cgi="*.cgi") == (3, "cgi")

    def test_is_so_where_another_location_has_it(self, count):
        assert count("/page", location=[{"path": "/page.gmi", "lang": "de"}]) == (3, "root")
        assert count("/old", location=[{"path": "/old.gmi", "gone": True}]) == (3, "gone")
        assert count("/page", location=[{"path": "/page.gmi", **PRIVATE}]) == (3, "none")

    def test_is_what_was_asked_for_where_there_is_none(self, count):
        scripts = {"path": "/nothing.gmi", "cgi": ["nothing.gmi"]}
        assert count("/nothing") == count("/nothing", location=[scripts]) == (3, "root")

    def test_is_a_refusal_as_well(self, count, counted):
        def refuse(_peer):
            raise SlowDown("7")

        assert count("/page", lambda _: refuse, location=[{"path": "/page.gmi", "rate": "1/1h"}]) == (3, "none")
        assert counted()["refusals"] == {"budget": 1}
