"""What `block return` becomes."""

import pytest

from gemd.config.placement import Placement
from gemd.gemctl.foreign.gmid_answers import Names, make_answer

ONE = Names("a.org", "1966")
SEVERAL = Names(None, None)
HOST, OLD = Placement(()), Placement(("a", "old"))
EXACT, GLOB = Placement(("a", "old"), "exact"), Placement(("old*",), "glob")


@pytest.mark.parametrize(
    ("code", "meta", "answer", "remark"),
    [
        (51, "not here", (51, "not here"), ""),
        (52, "gone: 100%%", (52, "gone: 100%"), ""),
        (40, "", (40, ""), ""),
        (53, "%N:%P", (53, "a.org:1966"), ""),
        (51, "no %p", (51, "no "), "what differs is left out"),
        (45, "x", (40, "x"), "no status 45"),
        (69, "x", (60, "x"), "no status 69"),
        (44, "60", (44, "60"), ""),
        (44, "later", (41, "later"), "a number of seconds"),
        (10, "Name?", (10, "Name?"), "with a query"),
        (10, "", (10, "-"), "none that a header may have"),
        (51, "x" * 1025, (51, "-"), "none that a header may have"),
        (51, "a\x1bb", (51, "-"), "none that a header may have"),
    ],
)
def test_an_answer(code, meta, answer, remark):
    made = make_answer(code, meta, 0, HOST, ONE)
    assert (made.key, made.value) == ("answer", {"status": answer[0], "meta": answer[1]})
    assert remark in made.remark
    assert bool(remark) == bool(made.remark)


@pytest.mark.parametrize(
    ("meta", "strip", "placement", "table"),
    [
        ("/new.gmi", 0, OLD, {"to": "/new.gmi"}),
        ("/new/", 0, EXACT, {"to": "/new/"}),
        ("/new/", 0, OLD, {"match": "/{...}", "to": "/new/"}),
        ("/new?%q", 0, OLD, {"match": "/{...}", "to": "/new"}),
        ("/new%p", 2, OLD, {"to": "/new/"}),
        ("/new/%p", 1, OLD, {"to": "/new/old/"}),
        ("gemini://b.org%p?%q", 0, OLD, {"to": "gemini://b.org/a/old/"}),
        ("gemini://b.org%p", 0, HOST, {"to": "gemini://b.org/"}),
        ("/new%p", 0, EXACT, {"to": "/new/a/old"}),
        ("/new%p", 2, EXACT, {"to": "/new/"}),
        ("/new%p?%q", 0, EXACT, {"match": "/{...}", "to": "/new/a/old"}),
        ("/new%p", 0, GLOB, {"match": "/{rest...}", "to": "/new/{rest}"}),
        ("gemini://%N:%P/x y", 0, OLD, {"to": "gemini://a.org:1966/x%20y"}),
    ],
)
def test_a_redirect(meta, strip, placement, table):
    made = make_answer(31, meta, strip, placement, ONE)
    assert (made.key, made.value, made.remark) == ("redirect", {**table, "status": 31}, "")


def test_a_redirect_of_another_status():
    made = make_answer(34, "/x", 0, OLD, ONE)
    assert (made.value["status"], "no status 34" in made.remark) == (30, True)


@pytest.mark.parametrize("meta", ["/%q/x", "gemini://%N/", "gemini://b.org:%P/", "%p%p", "gemini:///x", "/a%p.gmi"])
def test_a_target_that_cannot_be_told_is_refused(meta):
    made = make_answer(30, meta, 0, OLD, SEVERAL)
    assert (made.key, made.value) == ("answer", {"status": 40, "meta": "temporary failure"})
    assert "refused instead" in made.remark
