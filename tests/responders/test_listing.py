import os
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.errors import NotFound
from gemd.responders import listing
from gemd.responders.listing import choose_first, list_directory, natural_order

from .asking import request
from .conftest import MAX_LISTING


@pytest.fixture
def directory(capsule):
    """An empty directory of the capsule."""
    (capsule / "d").mkdir()
    return capsule / "d"


@pytest.fixture
def listed(ask_static):
    """The names in the listing of /d/, and the links that they have."""

    def listed(**keys):
        answer = ask_static("/d/", **keys)
        assert (answer.status, answer.meta.partition(";")[0]) == (20, "text/gemini")
        links = [line.split(" ", 2)[1:] for line in answer.body.decode().splitlines() if line.startswith("=> ")]
        assert links[0] == ["../", ".. (up)"]
        return {label.rpartition(" (")[0] or label: reference for reference, label in links[1:]}

    return listed


def test_a_whole_page(ask_static, directory):
    (directory / "a.gmi").write_text("12345")
    (directory / "sub").mkdir()
    os.utime(directory / "a.gmi", (0, 86400))
    page = "# /d\n\n=> ../ .. (up)\n=> sub/ sub/\n=> a.gmi a.gmi (5 B, 1970-01-02)\n"
    assert ask_static("/d/").body.decode() == page


def test_the_top_has_no_way_up(ask_static, capsule):
    (capsule / "index.gmi").unlink()
    assert ask_static("/").body.decode().startswith("# /\n\n=> .well-known/ .well-known/\n=> dir/ dir/\n")


def test_directories_first_then_natural_order(listed, directory):
    for name in ("page 10", "page 9", "Page 2", "b", "A", "100", "20"):
        (directory / name).touch()
    for name in ("z", "Y"):
        (directory / name).mkdir()
    assert list(listed()) == ["Y/", "z/", "20", "100", "A", "b", "Page 2", "page 9", "page 10"]


@pytest.mark.parametrize("name", ["²", "①", "٣", "x²y10", "1" * 250, "\u0661a", "½"])
def test_any_digit_in_a_name_can_be_listed(listed, directory, name):
    (directory / name).touch()
    assert list(listed()) == [name]


NAMES = {
    "a b": "a%20b",
    "a?b#c": "a%3Fb%23c",
    "100%": "100%25",
    "mailto:a": "./mailto:a",
    "gemini:": "./gemini:",
    "ä": "%C3%A4",
    "a\\b": "a%5Cb",
    "<a>": "%3Ca%3E",
    "=> b": "=%3E%20b",
    "x\ny": "x%0Ay",
    "\ttab": "%09tab",
    "x\r": "x%0D",
}


@pytest.mark.parametrize(("name", "reference"), NAMES.items())
def test_names_are_escaped(ask_static, directory, name, reference):
    (directory / name).write_text("x")
    lines = ask_static("/d/").body.decode().split("\n")
    assert lines[3].startswith(f"=> {reference} ")
    assert lines[3].count("(1 B, ") == 1
    assert lines[4:] == [""]


def test_an_octet_that_is_not_utf_8(ask_static, directory):
    with open(os.fsencode(directory) + b"/\xff", "w"):  # noqa: PTH123
        pass
    assert "=> %FF \N{REPLACEMENT CHARACTER} (0 B, " in ask_static("/d/").body.decode()


FILE_NAMES = st.binary(min_size=1, max_size=20).filter(lambda raw: not set(raw) & {0, 47} and raw not in (b".", b".."))


@given(st.lists(FILE_NAMES.map(os.fsdecode), max_size=5))
def test_natural_order_is_total(names):
    backwards = names[::-1]
    assert sorted(names, key=natural_order) == sorted(backwards, key=natural_order)


PARTS = st.lists(st.sampled_from(["a", "B", "\x01", "ß", "0", "1", "01", "9", "10", " "]), max_size=6).map("".join)


@given(PARTS, PARTS)
def test_numbers_in_natural_order_are_compared_as_such(one, other):
    def key(name):
        parts = enumerate(re.split("([0-9]+)", name.casefold()))  # every second part is digits
        return [(not i % 2, int(part) if i % 2 else 0, part) for i, part in parts if part], name

    assert (natural_order(one) < natural_order(other)) == (key(one) < key(other))


def test_natural_order_is_a_text_as_a_sort_of_anything_else_stops_all_threads():
    assert isinstance(natural_order("page 9"), str)


@given(st.text(max_size=20), st.text(max_size=20))
def test_only_the_same_name_has_the_same_place(one, other):
    assert (natural_order(one) == natural_order(other)) == (one == other)


def test_hidden_names_are_left_out(listed, directory):
    for name in (".git", ".well-known"):
        (directory / name).mkdir()
    (directory / ".hidden").touch()
    assert list(listed()) == [".well-known/"]
    assert list(listed(dot_files=False)) == []
    assert list(listed(dot_files=True)) == [".git/", ".well-known/", ".hidden"]


def test_scripts_are_run_and_not_shown(listed, directory):
    for name in ("cgi-bin", "other"):
        (directory / name).mkdir()
    assert list(listed(cgi="d/cgi-bin")) == ["other/"]
    assert list(listed(cgi="cgi-bin")) == ["cgi-bin/", "other/"]


def test_only_links_that_would_be_served_are_shown(listed, directory):
    (directory / "file").touch()
    targets = {
        "in": "file",
        "up": "../page.gmi",
        "to-dir": "../dir",
        "out": "../../secret.gmi",
        "out-dir": "../../other",
        "absolute": directory / "file",
        "dangling": "nothing",
        "loop": "loop",
        "magic": "/proc/self/root",
        "device": "/dev/null",
    }
    for name, target in targets.items():
        (directory / name).symlink_to(target)
    assert set(listed()) == {"file", "in", "up", "to-dir/"}
    assert set(listed(symlinks="none")) == {"file"}
    assert set(listed(symlinks="any")) == {"file", "in", "up", "to-dir/", "out", "out-dir/", "absolute"}


@pytest.mark.timeout(10)
def test_only_files_and_directories_are_shown(listed, directory):
    os.mkfifo(directory / "fifo")
    (directory / "to-fifo").symlink_to("fifo")
    assert listed() == {}


def test_the_page_is_bounded_and_says_so(ask_static, directory):
    for i in range(MAX_LISTING):
        (directory / f"file {i}").touch()
    assert "others are left out" not in ask_static("/d/").body.decode()
    (directory / "one more").touch()
    page = ask_static("/d/").body.decode()
    assert page.count("\n=> ") == MAX_LISTING + 1
    assert page.endswith(f"There are more than {MAX_LISTING} entries; the others are left out.\n")


def test_what_is_cut_is_what_comes_last(listed, directory):
    """However many there are, and in whichever order the file system has them."""
    for i in range(3 * MAX_LISTING):
        (directory / f"file {i}").touch()
    for name in ("a", "z"):
        (directory / name).mkdir()
    assert list(listed()) == ["a/", "z/", *(f"file {i}" for i in range(MAX_LISTING - 2))]


def test_there_is_a_time_for_it(ask_static, directory, monkeypatch):
    for name in "abc":
        (directory / name).touch()
    moments = iter([0.0, 0.5, 1.0])  # when it begins, and of two entries
    monkeypatch.setattr(listing, "time", SimpleNamespace(monotonic=lambda: next(moments, 100.0)))
    page = ask_static("/d/").body.decode()
    assert page.count("\n=> ") == 3
    assert page.endswith("There was no time for more; some entries are left out.\n")


@given(st.lists(st.integers()), st.integers(1, 20))
def test_the_first_of_many(items, limit):
    assert choose_first(iter(items), limit, sorted) == (sorted(items)[:limit], len(items) > limit)


def test_no_more_is_held_than_what_is_shown_and_a_part_of_it():
    sizes = []

    def sort(items):
        sizes.append(len(items))
        return sorted(items)

    assert choose_first(iter(range(10_000, 0, -1)), 100, sort) == (list(range(1, 101)), True)
    assert max(sizes) <= 126


def test_no_listing_where_it_is_off(ask_static, directory):
    assert ask_static("/d/", listing=False).status == 51


def test_the_language_of_the_page(ask_static, directory):
    assert ask_static("/d/", lang="de").meta == "text/gemini; lang=de"


def test_a_mounted_directory(ask_static, directory):
    (directory / "a").touch()
    page = ask_static("/m/", location=[{"path": "/m/", "root": str(directory)}]).body.decode()
    assert page.startswith("# /m\n\n=> ../ .. (up)\n=> a a (0 B")


def test_a_heading_is_one_line(ask_static, capsule):
    (capsule / "a\nb").mkdir()
    assert ask_static("/a%0Ab/").body.decode().splitlines()[0] == "# /a\N{REPLACEMENT CHARACTER}b"


def test_a_directory_that_goes_meanwhile(configure, directory):
    location = configure().hosts[0].locations[0]
    directory.rmdir()
    with pytest.raises(NotFound):
        list_directory(request("/d/").url, location, 10)


def test_no_descriptor_is_left_open(listed, directory):
    (directory / "link").symlink_to("../page.gmi")
    before = len(os.listdir("/proc/self/fd"))
    listed()
    assert len(os.listdir("/proc/self/fd")) == before
