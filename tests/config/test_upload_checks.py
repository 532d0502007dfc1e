"""What is said of tables of uploads, and of locations that can take none."""

import pytest

from gemd.config.titan_settings import TitanSettings

from .reading import HOST, parse, problems_of

ANY = "titan = { allow = 'any' }\n"
NAMED = '[[host]]\nname = "h"\n'


def at(path, keys=""):
    return f"[[host.location]]\npath = '{path}'\n{keys}\n"


WRONG = {
    "true": (HOST + "titan = true\n", "titan", "expected a table that says who may write"),
    "a number": (HOST + "titan = 1\n", "titan", "expected false or a table with allow, max-size"),
    "nobody answers": (NAMED + ANY + at("/a", "root = '/srv'"), "titan", "needs who takes uploads beside it"),
    "an answer": (NAMED + "answer = { status = 41 }\n" + ANY, "titan", "answer answers everything here"),
    "patterns alone": (NAMED + "redirect = { match = '/a', to = '/x' }\n" + ANY, "titan", "needs who takes uploads"),
    "a redirect": (NAMED + "redirect = { to = '/x' }\n" + ANY, "titan", "redirect answers everything here"),
    "gone": (HOST + "gone = true\n" + ANY, "titan", "gone answers everything here"),
    "HTTP": (NAMED + "proxy = { to = 'http://[::1]' }\n" + ANY, "titan", "a server of HTTP takes no uploads"),
    "directories of a program": (
        NAMED + "scgi = { to = 'unix:/s' }\ntitan = { allow = 'any', mkdir = true }\n",
        "titan.mkdir",
        "is for files, and a program answers here",
    ),
    "directories of a script": (
        HOST + at("/s", "script = '/s'\ntitan = { allow = 'any', mkdir = true }"),
        "location[1].titan.mkdir",
        "is for files, and a program answers here",
    ),
}


@pytest.mark.parametrize(("text", "key", "said"), WRONG.values(), ids=WRONG)
def test_what_takes_no_uploads_is_told(text, key, said):
    problems = problems_of(text)
    assert list(problems) == [f"host[1].{key}"]
    assert said in problems[f"host[1].{key}"]


def test_what_is_inherited_is_told_once():
    assert list(problems_of(HOST + "titan = {}\n" + at("/a") + at("/b"))) == ["host[1].titan.allow"]


@pytest.mark.parametrize(
    "keys",
    ["root = '/srv'", "script = '/s'", "app = 'm:a'", "scgi = { to = 'unix:/s' }", "proxy = { to = 'gemini://[::1]' }"],
)
def test_who_takes_uploads(keys):
    assert parse(NAMED + keys + "\n" + ANY).hosts[0].locations[0].titan == TitanSettings(allow="any")


SIZES = {
    "for one client": ("", 64 * 1024**2 + 1, "uploads-per-address (67108864)"),
    "for all": ("[limits]\nuploads = 1000\n", 1001, "uploads (1000)"),
    "a lower limit": ("[limits]\nuploads-per-address = 1000\n", 1001, "uploads-per-address (1000)"),
}


@pytest.mark.parametrize(("limits", "size", "said"), SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("allow", ["'any'", "{ ca = 'ca.pem' }"])
def test_what_would_never_have_room_is_told_once(limits, size, said, allow):
    titan = f"titan = {{ allow = {allow}, max-size = {size} }}\n"
    problems = problems_of(limits + HOST + titan + at("/a"))
    assert list(problems) == ["host[1].titan.max-size"]
    assert f"{size} is more than limits.{said}" in problems["host[1].titan.max-size"]
    assert parse(limits + HOST + titan.replace(str(size), str(size - 1)))
