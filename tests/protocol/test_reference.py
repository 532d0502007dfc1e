"""Where a redirect leads: what is sent as it is, what is encoded, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.reference import add_query, check_target, clean_meta, clean_target, encode_reference
from gemd.protocol.response import MAX_META, encode_header

AS_IT_IS = [
    "", "/", "/a/b.gmi", "a", "../a", "./", "?q", "?a=%20&b", "/a?b?c/d", "#top", "/a#top", "//other.example/a", "gemini://h",
    "gemini://h:1966/a", "gemini://[2001:db8::1]:1965/a", "gemini://user@h/", "https://h/a?b=c&d#e", "mailto:a@h",
    "titan://h/a;size=3", "file:///a", "/a:b", "./a:b", "a?b:c", "a/b:c", "data:,x", "/%C3%A4", "/!$&'()*+,;=:@~-._",
    "gemini://H.Example./", "gemini://ex%61mple.org/", "gemini://xn--bcher-kva.example/", "gemini://h:/",
]  # fmt: skip


@pytest.mark.parametrize("target", AS_IT_IS)
def test_what_is_a_reference_stays(target):
    assert clean_target(target) == target


ENCODED = {
    "non-ASCII": ("/wiki/Über?ä#ö", "/wiki/%C3%9Cber?%C3%A4#%C3%B6"),
    "relative": ("日本", "%E6%97%A5%E6%9C%AC"),
    "host": ("gemini://Bücher.example:1965/ä", "gemini://xn--bcher-kva.example:1965/%C3%A4"),
    "host after two slashes": ("//bücher.example", "//xn--bcher-kva.example"),
    "what turns text around": ("/a\u202eb", "/a%E2%80%AEb"),
    "a blank that is none of ASCII": ("/a\u00a0b", "/a%C2%A0b"),
    "backslash": ("/\\evil.example", "/%5Cevil.example"),
    "two of them": ("\\\\evil.example", "%5C%5Cevil.example"),
    "quotes and brackets": ('/"<>[]^`{|}', "/%22%3C%3E%5B%5D%5E%60%7B%7C%7D"),
    "brackets in a query": ("?a[]=1", "?a%5B%5D=1"),
    "percent sign": ("/100%?50%&%zz", "/100%25?50%25&%25zz"),
    "user": ("gemini://ü@h/", "gemini://%C3%BC@h/"),
}


@pytest.mark.parametrize(("target", "cleaned"), ENCODED.values(), ids=ENCODED)
def test_what_has_one_reading_is_encoded(target, cleaned):
    assert clean_target(target) == cleaned


REFUSED = {
    "a blank": ("/a b", "a URL has no blank: it would be %20"),
    "a blank behind it": ("/a ", "no blank"),
    "a blank before it": (" /a", "no blank"),
    "a blank in the query": ("/a?b c", "no blank"),
    "a blank in the host": ("gemini://a b/", "no blank"),
    "only a blank": (" ", "no blank"),
    "TAB": ("/a\tb", "no control character"),
    "line end": ("/a\r\n20 text/gemini", "no"),
    "DEL": ("/a\x7f", "no control character"),
    "C1": ("/a\x85", "no control character"),
    "line separator": ("/a\u2028", "no control character"),
    "lone surrogate": ("/\udcff", "no control character"),
    "two fragments": ("/a#b#c", "one fragment at most"),
    "no scheme before the colon": ("10:30", "no scheme"),
    "nothing before the colon": (":a", "no scheme"),
    "non-ASCII before the colon": ("ä:b", "no scheme"),
    "no host": ("gemini:///a", "needs a host name"),
    "no host with a path": ("gemini:/a", "needs a host name"),
    "no host of an upload": ("TITAN:a", "needs a host name"),
    "two slashes": ("//", "needs a host name"),
    "three slashes": ("///a", "needs a host name"),
    "a port in letters": ("gemini://h:a/", "no host, or none with a port"),
    "a port too high": ("gemini://h:65536/", "no host, or none with a port"),
    "port 0": ("gemini://h:0/", "no host, or none with a port"),
    "a port of six digits": ("gemini://h:196500/", "no host, or none with a port"),
    "open bracket": ("gemini://[::1/", "no host, or none with a port"),
    "not IPv6": ("gemini://[1:2]/", "its host is none"),
    "what no name has": ("gemini://a|b/", "its host is none"),
    "no IDNA": ("gemini://\N{SNOWMAN}\N{COMBINING ACUTE ACCENT}/", "its host is none"),
    "too long": ("/" + "x" * MAX_META, "1025 bytes as a URL is encoded"),
    "too long when it is encoded": ("/" + "ä" * 200, "1201 bytes as a URL is encoded"),
}


@pytest.mark.parametrize(("target", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_has_none_or_two_is_refused(target, reason):
    with pytest.raises(ValueError, match=reason):
        clean_target(target)


def test_a_backslash_is_no_end_of_a_host():
    assert (
        clean_target("gemini://h\\@evil.example/") == "gemini://h%5C@evil.example/"
    )  # a user of evil.example, as told


@given(st.text(max_size=40) | st.text(st.sampled_from("a:/?#[]@%2e\\. ä\u2028"), max_size=20))
def test_any_text_is_a_header_that_stays_or_an_error(text):
    try:
        cleaned = clean_target(text)
    except ValueError:
        return
    assert cleaned.isascii()
    assert cleaned.isprintable()
    assert " " not in cleaned
    assert "\\" not in cleaned
    assert clean_target(cleaned) == cleaned
    assert encode_header(30, cleaned)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_encoding_twice_is_encoding_once(text):
    once = encode_reference(text)
    assert once.isascii()
    assert encode_reference(once) == once


def test_only_redirects_have_targets():
    assert clean_meta(20, "text/gemini; lang=en") == "text/gemini; lang=en"
    assert clean_meta(10, "Wie heißt du?") == "Wie heißt du?"
    assert clean_meta(51, "") == ""
    assert clean_meta(30, "") == ""  # the same page
    assert clean_meta(31, "/ä") == "/%C3%A4"
    for status, meta in ((31, "/a b"), (30, "/a\n"), (21, "x"), (20, ""), (10, "a\x1b")):
        with pytest.raises(ValueError):
            clean_meta(status, meta)


@pytest.mark.parametrize("target", [target for target in AS_IT_IS if "#" not in target])
def test_what_is_written_as_it_is_sent_is_in_order(target):
    check_target(target)


@pytest.mark.parametrize("target", ["#top", "/a#", *(target for target, _ in ENCODED.values())])
def test_what_is_written_otherwise_is_a_mistake(target):
    with pytest.raises(ValueError, match="percent-encoded"):
        check_target(target)


def test_a_query_goes_along():
    assert add_query("/a", None) == "/a"
    assert add_query("/a", "") == "/a?"
    assert add_query("/a", "b=ä%20%") == "/a?b=%C3%A4%20%25"
