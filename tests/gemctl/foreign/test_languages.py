"""What other servers take for a language."""

import pytest

from gemd.gemctl.foreign.languages import judge_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("en", "en"),
        ("en-GB,fr", "en-GB,fr"),
        ("it_IT", "it-IT"),
        ("de_DE.UTF-8", "de-DE"),
        ("C", None),
        ("x\x1b", None),
    ],
)
def test_languages(text, language):
    found, reason = judge_language(text)
    assert (found, bool(reason)) == (language, text != language)


@pytest.mark.parametrize(
    ("server", "text"),
    [
        ("agate", "agate --hostname a.org --lang it_IT"),
        ("jetforce", "jetforce --default-lang it_IT"),
        ("molly-brown", 'Hostname = "a.org"\nDefaultLang = "it_IT"'),
        ("gmid", 'server a.org { cert "/c" key "/k" root "/r" lang "it_IT" }'),
    ],
)
def test_where_they_are_told(server, text, become):
    imported = become(server, text)
    assert imported.host["lang"] == "it-IT"
    assert any("hyphens" in reason for _, reason in imported.remarks)
    assert "lang" not in become(server, text.replace("it_IT", "!")).host
