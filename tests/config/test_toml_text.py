"""What is wrong with a text that is no TOML, in words of our own."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.config.toml_text import parse_text


def said(text):
    return [f"{problem.line}: {problem.path}: {problem.text}" for problem in parse_text(text).problems]


BRACES = "; a table in braces is in one line, and has no comma at its end"
UNSEEN = "which can't be seen and is no blank in TOML: remove it, or write a blank"

# What stands in a line, or in several, and what is said of it.
WRONG = {
    "workers 2": "1: : expected a = after the key, and then its value, not 2",
    "workers: 2": "1: : expected a = after the key, and then its value, not : 2",
    "= 2": "1: : expected a key, or a heading in brackets, not = 2",
    "a = ": "1: : expected a value, not the end of the file: put a text in quotes",
    "\n\na = example.org": "3: : expected a value, not example.org: put a text in quotes",
    "a = yes": "1: : expected a value, not yes: put a text in quotes",
    "a = 2 3": "1: : expected the end of the line, not 3: each key has a line of its own",
    'a = "x" b = "y"': '1: : expected the end of the line, not b = "y": each key has a line of its own',
    "a = \u201cx\u201d": '1: : \u201c is no quote in TOML: write " before the text and behind it',
    "a = `x`": '1: : ` is no quote in TOML: write " before the text and behind it',
    "a\u00a0= 2": f"1: : has a U+00A0, {UNSEEN}",
    "a = 2\u2003": f"1: : has a U+2003, {UNSEEN}",
    "\u200ba = 2": f"1: : has a U+200B, {UNSEEN}",
    "[a": "1: : expected a ] at the end of the heading, not the end of the file",
    "[[a]": "1: : expected ]] at the end of the heading, not ]",
    "[a b]": "1: : expected a ] at the end of the heading, not b]",
    "[]": "1: : expected a key here, of letters, digits, - and _, not ]" + BRACES,
    "a = [1 2]": "1: : expected a comma or the ] of the list here, not 2]",
    "b = 1\na = [\n1,\n2": "2: : expected a comma or the ] of the list here, not the end of the file",
    "a = { b = 1\n}": "1: : expected a comma or the } of the table, in one line with its {, not the end of the line",
    "a = { b = 1, }": "1: : expected a key here, of letters, digits, - and _, not }" + BRACES,
    'b = 1\na = "x\n': "2: : the text that begins here has no closing quote",
    "a = 'x\n": "1: : the text that begins here has no closing quote",
    'a = """x\ny\n': "1: : the text that begins here has no closing quote",
    "a = '''x\ny\n": "1: : the text that begins here has no closing quote",
    r'a = "C:\pages"': "1: : a backslash is no character in double quotes: write two, or put the text in single quotes",
    r'a = "\u12"': r"1: : \u takes four hexadecimal digits, and \U eight: write two backslashes for one",
    r'a = "\ud800"': r"1: : \u takes the number of a character, which this is not",
    'a = "x\x07"': r"1: : has the control character \x07, which no text has: remove it",
    "# x\x07": r"1: : has the control character \x07, which no text has: remove it",
    "a = 2020-13-01": "1: : expected the end of the line, not -13-01: each key has a line of its own",
    "a = 2020-02-30": "1: : 2020-02-30 is no date that there is: put a text in quotes",
    "a = " + "[" * 9999: "0: : has a number of too many digits, or brackets that are nested too deeply",
    "a = " + "x" * 99: "1: : expected a value, not " + "x" * 57 + "...: put a text in quotes",
    "a = 1\n\ufeffb = 2": f"2: : has a U+FEFF, {UNSEEN}",
}

# What is said twice, or in two forms, and is left out then.
REPEATED = {
    "workers = 1\n# x\nworkers = 2\n": ("3: workers: is set in line 1 already: leave one of them", {"workers": 1}),
    "[a]\nb = 1\nc.d = 1\nb = 2": (
        "4: a.b: is set in line 2 already: leave one of them",
        {"a": {"b": 1, "c": {"d": 1}}},
    ),
    "[a]\nb = 1\n[a]\nc = 2\n[d]\n": (
        "3: a: is a heading in line 1 already: put all of its keys below that one",
        {"a": {"b": 1}, "d": {}},
    ),
    "[[h]]\nn = 1\n[h]\nn = 2": (
        "3: h: is a list in line 1, and has to be one here: put each entry under [[h]]",
        {"h": [{"n": 1}]},
    ),
    "[h]\nn = 1\n[[h]]\nn = 2": (
        "3: h: is one table in line 1: put each entry under a heading of its own, [[h]]",
        {"h": {"n": 1}},
    ),
    "a = [1]\n[[a]]\nb = 1": (
        "2: a: has its value in line 1 already, and can't go on under a heading: put all of it in one form",
        {"a": [1]},
    ),
    "a = 1\na.b = 2": ("2: a.b: is set in line 1 already, or what it is in: put all of it in one form", {"a": 1}),
    "a = { b = 1, b = 2 }": ("1: a: is said twice, or in two forms: leave it once", {}),
    "[[h]]\n[[h.l]]\np = 1\np = 2\n[[h.l]]\np = 3": (
        "4: h[1].l[1].p: is set in line 3 already: leave one of them",
        {"h": [{"l": [{"p": 1}, {"p": 3}]}]},
    ),
}


@pytest.mark.parametrize(("text", "line"), WRONG.items())
def test_what_is_no_toml(text, line):
    assert said(text) == [line]
    assert parse_text(text).tables is None


@pytest.mark.parametrize(("text", "line", "tables"), [(text, *found) for text, found in REPEATED.items()])
def test_what_is_said_twice_is_left_out(text, line, tables):
    assert said(text) == [line]
    parsed = parse_text(text)
    assert parsed.tables == tables == tomllib.loads(parsed.text)
    assert parsed.text.count("\n") == text.count("\n")


def test_what_follows_is_looked_at_too():
    text = "a = 1\na = 2\na = 3\n[b]\n[b]\n[c\n"
    assert [line.partition(":")[0] for line in said(text)] == ["2", "3", "5", "6"]


def test_there_is_an_end_to_it():
    assert len(said("a = 1\n" * 500)) == 101


@given(st.text(alphabet="a=[]{}\"'\\\n,.1# ", max_size=40))
def test_every_text_is_parsed_or_told(text):
    parsed = parse_text(text)
    assert parsed.tables is not None or parsed.problems
    assert all("(at " not in problem.text for problem in parsed.problems)
