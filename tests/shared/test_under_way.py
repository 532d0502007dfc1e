"""What a worker shows of its work, and what is read of it."""

import os

import pytest

from gemd.protocol.url import parse_url
from gemd.shared import under_way as module
from gemd.shared.under_way import MAX_SHOWN, SIZE, UnderWay
from tests.support.tables import check_table


@pytest.fixture
def memory():
    return memoryview(bytearray(SIZE))


@pytest.fixture
def under_way(memory):
    return UnderWay(memory)


def url(text):
    return parse_url(text.encode())


def test_it_is_shown_from_the_beginning_to_the_end(under_way, memory):
    assert UnderWay(memory).read() == []
    first, second = under_way.begin(url("gemini://localhost/a")), under_way.begin(url("gemini://example.org/"))
    assert UnderWay(memory).read() == ["localhost/a", "example.org/"]
    under_way.end(first)
    assert UnderWay(memory).read() == ["example.org/"]
    under_way.end(second)
    assert UnderWay(memory).read() == []


def test_it_is_shown_inside_however_that_ends(under_way):
    def fail():
        with under_way.showing(url("gemini://localhost/a")):
            assert under_way.read() == ["localhost/a"]
            raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        fail()
    assert under_way.read() == []


# What is asked for, and what is shown.
SHOWN = {
    "a query": ("gemini://localhost/search?what+I+want", "localhost/search"),
    "a port": ("gemini://localhost:1965/a", "localhost/a"),
    "not ASCII": ("gemini://localhost/\u00e9", "localhost/\u00e9"),
    "encoded": ("gemini://localhost/%C3%A9%20", "localhost/%C3%A9%20"),
    "dot segments": ("gemini://localhost/a/../b", "localhost/b"),
    "no path": ("gemini://localhost", "localhost/"),
    "long": ("gemini://localhost/" + "x" * 500, "localhost/" + "x" * 245),
    "long, and cut within a character": ("gemini://localhost/x" + "\u00e9" * 200, "localhost/x" + "\u00e9" * 122),
}


@pytest.mark.parametrize(("asked", "shown"), SHOWN.values(), ids=SHOWN)
def test_what_is_shown(under_way, asked, shown):
    under_way.begin(url(asked))
    assert under_way.read() == [shown]


def test_a_shorter_one_after_a_longer_one_is_shown_alone(under_way):
    under_way.end(under_way.begin(url("gemini://localhost/long/path")))
    under_way.begin(url("gemini://a/"))
    assert under_way.read() == ["a/"]


def test_what_begins_beyond_those_is_not_shown_and_takes_no_entry(under_way):
    entries = [under_way.begin(url(f"gemini://localhost/{number}")) for number in range(MAX_SHOWN + 2)]
    assert len(set(entries[:MAX_SHOWN])) == MAX_SHOWN
    assert entries[MAX_SHOWN:] == [None, None]
    for entry in reversed(entries):
        under_way.end(entry)
    assert under_way.read() == []
    assert all(under_way.begin(url("gemini://localhost/")) is not None for _ in range(MAX_SHOWN))


def test_what_is_remembered_of_a_place_is_of_no_other():
    check_table(module._encode, [(f"h{n // 2}", f"/{'x' * 300 * (n % 2)}{n}") for n in range(400)])


def test_the_former_workers_is_forgotten(under_way, memory):
    under_way.begin(url("gemini://localhost/"))
    UnderWay(memory).clear()
    assert under_way.read() == []


def test_whatever_stands_there_can_be_read(under_way, memory):
    for octets in [*(bytes([octet]) * SIZE for octet in range(256)), *(os.urandom(SIZE) for _ in range(200))]:
        memory[:] = octets
        texts = under_way.read()
        assert len(texts) <= MAX_SHOWN
        assert all(0 < len(text) <= 4 * 255 for text in texts)
