"""Who may upload what, as the configuration says it."""

import pytest

from gemd.config.titan_settings import TitanSettings
from gemd.config.types import CAFile

from .reading import DIGEST, HOST, first, problems_of


def titan(keys):
    return HOST + f"titan = {{ {keys} }}\n"


def test_what_holds_by_default():
    found = first(titan("allow = 'any'")).titan
    assert found == TitanSettings(allow="any")
    assert (found.max_size, found.types, found.tokens) == (10 * 1024**2, ("text/gemini", "text/plain"), ())
    assert (found.delete, found.edit, found.mkdir, found.public) == (False, True, False, False)


def test_nobody_uploads_where_nothing_is_said():
    assert first(HOST).titan is False
    assert first(HOST + "titan = false\n").titan is False


ALLOWED = {
    "any": ("allow = 'any'", "any"),
    "fingerprints": (
        f"allow = ['SHA256:{DIGEST}', 'SPKI-SHA256:{DIGEST}']",
        ("SHA256:" + DIGEST, "SPKI-SHA256:" + DIGEST),
    ),
    "authorities": ("allow = { ca = 'ca.pem' }", CAFile("/etc/ca.pem")),
    "anybody": ("public = true", None),
}


@pytest.mark.parametrize(("keys", "allow"), ALLOWED.values(), ids=ALLOWED)
def test_who_may_write(keys, allow):
    assert first(titan(keys)).titan.allow == allow


WRONG = {
    "nobody": ("", "allow", "needs those who may write"),
    "an empty list": ("allow = []", "allow", "public = true is for anybody"),
    "everybody twice": ("allow = 'any', public = true", "allow", "remove one of the two keys"),
    "no fingerprint": ("allow = ['me']", "allow[1]", 'not "me"'),
    "a fingerprint alone": (f"allow = '{DIGEST}'", "allow", 'expected "any" or a list of texts or a table with ca'),
    "no size": ("allow = 'any', max-size = 0", "max-size", "a whole number of bytes, at least 1"),
    "no type": ("allow = 'any', types = []", "types", 'as in "text/gemini"'),
    "half a type": ("allow = 'any', types = ['text/gemini', 'text']", "types[2]", 'not "text"'),
    "capitals": ("allow = 'any', types = ['Text/Gemini']", "types[1]", "in lower case"),
    "parameters": ("allow = 'any', types = ['text/plain; charset=utf-8']", "types[1]", "without parameters"),
    "a star before": ("allow = 'any', types = ['*/plain']", "types[1]", "a star stands for all of a kind"),
    "a star within": ("allow = 'any', types = ['text/x-*']", "types[1]", "a star stands for all of a kind"),
    "the same token": ("allow = 'any', tokens = ['a', 'b', 'a']", "tokens[3]", "is there twice"),
    "a long token": (f"allow = 'any', tokens = ['{'ä' * 86}']", "tokens[1]", "longer than 512 octets"),
    "a line end": (r'allow = "any", tokens = ["a\n"]', "tokens[1]", "a character that can't be sent"),
    "dot segments": ("allow = 'any', tokens = ['a/../b']", "tokens[1]", "or a dot segment"),
    "no token": ("allow = 'any', tokens = ['']", "tokens[1]", "is an empty text"),
    "one token": ("allow = 'any', tokens = 'hunter2'", "tokens", "expected a list of texts"),
    "a number": ("allow = 'any', tokens = [4711]", "tokens", "expected a list of texts"),
    "no such key": ("allow = 'any', token = ['hunter2']", "token", "did you mean 'tokens'?"),
}


@pytest.mark.parametrize(("keys", "key", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_with_its_key(keys, key, said):
    problems = problems_of(titan(keys))
    assert list(problems) == [f"host[1].titan.{key}"]
    assert said in problems[f"host[1].titan.{key}"]


@pytest.mark.parametrize("tokens", ["'hunter2'", "['hunter2', 4711]", "['hunter2', 'hunter2']", "{ hunter2 = 4711 }"])
def test_no_mistake_shows_a_token(tokens):
    (said,) = problems_of(titan(f"allow = 'any', tokens = {tokens}")).values()
    assert "hunter2" not in said
    assert "4711" not in said


@pytest.mark.parametrize("value", ["'hunter2'", "['hunter2']", "[{ tokens = ['hunter2'] }]"])
def test_what_is_no_table_is_not_shown(value):
    (said,) = problems_of(HOST + f"titan = {value}\n").values()
    assert said.startswith("expected false or a table with allow, max-size")
    assert "hunter2" not in said


TOKENS = ["hunter2", "a;b=c d", "ä/ö?#%25", "..", "x" * 512]


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_may_be_whatever_can_be_sent(token):
    assert first(titan(f"allow = 'any', tokens = ['{token}']")).titan.tokens == (token,)


TYPES = {
    ("text/gemini",): {"text/gemini", "Text/Gemini", "text/gemini; lang=en", "text/gemini;charset=utf-8"},
    ("text/*",): {"text/gemini", "Text/Gemini", "text/gemini; lang=en", "text/gemini;charset=utf-8", "text/plain"},
    ("image/png", "text/plain"): {"text/plain", "image/png"},
    ("*/*",): {
        *("text/gemini", "Text/Gemini", "text/gemini; lang=en", "text/gemini;charset=utf-8", "text/plain", "image/png")
    },
}


@pytest.mark.parametrize(("types", "allowed"), TYPES.items())
def test_which_types_may_be_uploaded(types, allowed):
    settings = TitanSettings(types=types)
    assert {each for each in TYPES[("*/*",)] if settings.allows_type(each)} == allowed
    assert not TitanSettings(types=("text/*",)).allows_type("textual/x")
