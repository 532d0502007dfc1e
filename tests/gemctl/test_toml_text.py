"""What is written is read again as it was, and shows nothing that could do harm."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.gemctl.toml_text import write_setting
from gemd.protocol.characters import escape

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@given(TEXTS, VALUES)
def test_what_is_written_is_read(key, value):
    assert tomllib.loads(write_setting(key, value)) == {key: value}


@given(TEXTS)
def test_nothing_that_harms_is_there_as_itself(text):
    line = write_setting("key", text)
    assert escape(line) == line


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (True, "k = true"),
        (0.5, "k = 0.5"),
        (["a", "b"], 'k = ["a", "b"]'),
        ({}, "k = {}"),
        ({".gmi": "text/gemini", "a": 1}, 'k = { ".gmi" = "text/gemini", a = 1 }'),
        ([{"a": 1}], "k = [{ a = 1 }]"),
        ([{"a": 1}, {"b": 2}], "k = [\n  { a = 1 },\n  { b = 2 },\n]"),
        ('"\\\x1b\u202e\U000e0001', 'k = "\\"\\\\\\u001b\\u202e\U000e0001"'),
    ],
)
def test_it_looks_as_people_write_it(value, line):
    assert write_setting("k", value) == line
