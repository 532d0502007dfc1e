import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.responders.dated import date_label, find_date, looks_dated
from tests.support.subscription import read_feed

NOON = 43200.0
DATES = {
    "2026-11-26-title.gmi": "2026-11-26",
    "2026-11-26": "2026-11-26",
    "2026-11-26.gmi": "2026-11-26",
    "0001-01-01\u3000": "0001-01-01",
    "9999-12-31 x": "9999-12-31",
    "2024-02-29 leap": "2024-02-29",
    "2026-11-261": "1970-01-01",
    "2026-02-29 none": "1970-01-01",
    "2026-13-45.gmi": "1970-01-01",
    "0000-01-01": "1970-01-01",
    "\u0662\u0660\u0662\u0666-11-26": "1970-01-01",
    "title-2026-11-26": "1970-01-01",
    "20261126": "1970-01-01",
}


@pytest.mark.parametrize(("name", "date"), DATES.items())
def test_the_date_is_that_of_the_name_or_else_the_file_s(name, date):
    assert find_date(name, NOON) == date


@pytest.mark.parametrize(
    ("modified", "date"),
    [(0.0, "1970-01-01"), (-86400.0, "1969-12-31"), (1e18, "1970-01-01"), (-60_000_000_000.0, "0068-09-03")],
)
def test_any_time_of_a_file_is_a_date(modified, date):
    assert find_date("a", modified) == date


def test_what_readers_may_take_for_a_date():
    assert all(map(looks_dated, ["2026-11-26", "2026-13-45 x", "2026-11-26x"]))
    assert not any(map(looks_dated, ["a", "2026", "2026-1-1", "12026-11-26", "2026-11-261"]))


LABELS = {
    "a title": (("Title", "name"), "Title"),
    "none": (("", "name"), "name"),
    "one with the date": (("2026-11-26 - Title",), "Title"),
    "one with another date": (("2025-01-01: Title",), "Title"),
    "a name": (("", "2026-11-26-my-post"), "my-post"),
    "a date alone": (("", "2026-11-26"), "2026-11-26"),
    "blanks": (("\u3000", "0001-01-01\u3000", "0001-01-01\u3000"), "0001-01-01"),
    "nothing to see": (("\u200b", "\u3164"), "2026-11-26"),
    "marks alone": (("-", ":", " \u2013 ", "name"), "name"),
    "control characters": (("a\nb\x00",), "a b\N{REPLACEMENT CHARACTER}"),
    "digits": (("3 things",), "3 things"),
    "only marks": (("2026-11-26 -- ",), "2026-11-26 --"),
}


@pytest.mark.parametrize(("titles", "label"), LABELS.values(), ids=LABELS)
def test_labels(titles, label):
    assert date_label("2026-11-26", *titles) == f"2026-11-26 {label}"


@given(
    st.lists(st.text() | st.text("-: ") | st.from_regex("[0-9]{4}-[0-9]{2}-[0-9]{2}[ -]*", fullmatch=True), max_size=3)
)
def test_any_label_is_an_entry(titles):
    label = date_label("2026-11-26", *titles, "a")
    assert re.fullmatch(r"2026-11-26 \S.*", label)
    (entry,) = read_feed("gemini://h/", f"# Title\n=> a {label}\n").entries
    assert entry.title
