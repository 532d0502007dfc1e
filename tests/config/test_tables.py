import pytest

from gemd.config.host_settings import Location
from gemd.config.settings import TLS, Timeouts
from gemd.config.tables import Problem, describe, key_path, keys_of, read_settings, show, suggest
from gemd.config.types import Settings


class Table(Settings, frozen=True):
    number: int = 1
    two_words: str = "default"


def test_keys_are_spelled_with_hyphens():
    assert keys_of(Table) == {"number": int, "two-words": str}


def test_what_is_right_is_kept_beside_what_is_wrong():
    problems = []
    assert read_settings({"number": "x", "two-words": "kept"}, Table, "t", problems) == Table(two_words="kept")
    assert problems == [Problem("t.number", 'expected a whole number, not "x"')]


@pytest.mark.parametrize("value", [None, 1, "x", []])
def test_what_is_no_table(value):
    problems = []
    assert read_settings(value, Table, "t", problems) == Table()
    assert str(problems[0]).startswith("t: expected a table, not ")


PATHS = {
    ("host", 2, "location", 1, "root"): "host[2].location[1].root",
    ("", "workers"): "workers",
    ("host[1]", "app"): "host[1].app",
    ("host[1]", ""): "host[1]",
    ("listen", 3): "listen[3]",
    (): "",
}


@pytest.mark.parametrize(("parts", "path"), PATHS.items())
def test_the_path_of_a_key(parts, path):
    assert key_path(*parts) == path


def test_a_value_ends_no_line_of_the_report():
    assert show("a\n\x1b[2J") == '"a\\x0a\\x1b[2J"'


def test_suggests_the_nearest_or_all():
    assert suggest("nubmer", ["number", "word"]) == "; did you mean 'number'?"
    assert suggest("zzz", ["b", "a"]) == "; known here: a, b"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (1.5, "1.5"), ("a", '"a"'), ({"a": 1}, "a table"), ("x" * 99, '"' + "x" * 56 + "...")],
)
def test_shows_a_value_as_the_file_has_it(value, text):
    assert show(value) == text


@pytest.mark.parametrize("settings", [Location, TLS, Timeouts])
def test_describes_every_type_in_an_operators_words(settings):
    for kind in keys_of(settings).values():
        text = describe(kind)
        assert "typing." not in text
        assert "<class" not in text
        assert "None" not in text
