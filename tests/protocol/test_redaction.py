import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.redaction import hide_input, hide_input_in_meta, hide_secrets, hide_secrets_in_meta
from tests.support.tables import check_table

# What was sent, what is shown of it, and what with the query.
URLS = {
    "": ("", ""),
    "gemini://h/a": ("gemini://h/a", "gemini://h/a"),
    "gemini://h/a?hunter2": ("gemini://h/a?...", "gemini://h/a?hunter2"),
    "gemini://h/a?": ("gemini://h/a?...", "gemini://h/a?"),
    "gemini://h?a?b#c": ("gemini://h?...", "gemini://h?a?b#c"),
    "/password?hunter2": ("/password?...", "/password?hunter2"),
    "nonsense ?hunter2": ("nonsense ?...", "nonsense ?hunter2"),
    "gemini://h/a;b=c": ("gemini://h/a;b=c", "gemini://h/a;b=c"),
    "titan://h/a;token=hunter2": ("titan://h/a;token=...", "titan://h/a;token=..."),
    "TITAN://h/a;size=1;TOKEN=hunter2;mime=text/plain": (
        "TITAN://h/a;size=1;TOKEN=...;mime=text/plain",
        "TITAN://h/a;size=1;TOKEN=...;mime=text/plain",
    ),
    "titan://h/a;mime=text/plain;token=hun/ter2?b": (
        "titan://h/a;mime=text/plain;token=...?...",
        "titan://h/a;mime=text/plain;token=...?b",
    ),
    " titan://h/a;token=hunter2": (" titan://h/a;token=...", " titan://h/a;token=..."),
    "titan://h/a;mime=text/plain%3Bcharset=utf-8;size=0": ("titan://h/a;mime=text/plain%3Bcharset=utf-8;size=0",) * 2,
    "titan://h/a;edit": ("titan://h/a;edit",) * 2,
    "titan://h/a;%74oken=hunter2;size=3": ("titan://h/a;...",) * 2,
    "titan://h/a;tok%45N%3Dhunter2;size=3": ("titan://h/a;...",) * 2,
    "gemini://h/a;%54oken=hunter2": ("gemini://h/a;%54oken=...",) * 2,
    "titan://h/a%3Btoken=hunter2": ("titan://h/a%3Btoken=...",) * 2,
    "titan://h/a;mime=text/plain%3btoken=hunter2": ("titan://h/a;mime=text/plain%3btoken=...",) * 2,
    "titan://h/a;token=hunter1;token=hunter2;size=1": ("titan://h/a;token=...;token=...;size=1",) * 2,
    "titan://h/a;token=hun;ter2;size=1": ("titan://h/a;token=...;...",) * 2,
    "titan://h/a;size=1;hunter2": ("titan://h/a;size=1;...",) * 2,
    "titan://h/a;size=hunter2": ("titan://h/a;...",) * 2,
    "titan://h/a;mime=hunter2;size=1": ("titan://h/a;...",) * 2,
    "titan://h/a;size=1; token=hunter2": ("titan://h/a;size=1;...",) * 2,
    "titan://h/a;token=hun#ter2": ("titan://h/a;...",) * 2,
    "\ttitan:a;pass=hunter2": ("\ttitan:a;...",) * 2,
    "gemini://me:hunter2@h/a": ("gemini://...@h/a", "gemini://...@h/a"),
    "gemini://h/@me": ("gemini://h/@me", "gemini://h/@me"),
    "gemini://h//a@b/": ("gemini://h//a@b/", "gemini://h//a@b/"),
    "gemini://h/a?b@c": ("gemini://h/a?...", "gemini://h/a?b@c"),
}


@pytest.mark.parametrize(("url", "shown"), URLS.items())
def test_a_url(url, shown):
    assert (hide_input(url), hide_secrets(url)) == shown


@pytest.mark.parametrize("status", [10, 11, 20, 30, 31, 51])
def test_what_follows_the_status(status):
    is_url = status in (30, 31)
    meta = "/a;token=t?What is it"
    assert hide_input_in_meta(status, meta) == ("/a;token=...?..." if is_url else meta)
    assert hide_secrets_in_meta(status, meta) == ("/a;token=...?What is it" if is_url else meta)


@pytest.mark.parametrize("hide", [hide_input, hide_secrets])
def test_what_is_remembered_of_a_url_is_of_no_other(hide):
    check_table(hide, [(f"titan://h/{n // 2};token=hunter{n}{'?a' * (n % 2)}",) for n in range(400)])


@given(st.text())
def test_nothing_of_a_query_is_shown(text):
    assert hide_input(f"gemini://h/?{text}") == "gemini://h/?..."


KNOWN = st.sampled_from(["size=1", "mime=text/gemini", "edit", "token=x"])


@given(st.lists(KNOWN | st.text(), max_size=3), st.text().filter(lambda token: "?" not in token))
def test_nothing_of_a_token_is_shown(others, token):
    shown = hide_input(f"titan://h/;{';'.join(others)};token=hunter2{token}")
    assert "hunter2" not in shown


SPELLINGS = st.text(st.sampled_from("titan:/;?#=%3Btokenhiusz1."), max_size=40)


@given(SPELLINGS)
def test_hiding_twice_what_looks_like_an_upload_is_hiding_once(text):
    assert hide_input(hide_input(f"titan:{text}")) == hide_input(f"titan:{text}")


@given(st.text())
def test_hiding_twice_is_hiding_once(text):
    assert hide_input(hide_input(text)) == hide_input(text)
    assert hide_secrets(hide_secrets(text)) == hide_secrets(text)
