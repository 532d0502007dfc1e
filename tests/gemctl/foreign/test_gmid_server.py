"""Servers of gmid's, and their locations."""

import pytest

from gemd.gemctl.failure import Failure

SERVER = 'server "a.org" {\ncert "/c.pem" key "/k.pem" root "/srv/a"\n%s\n}\n'
CA = {"ca": "/ca.pem"}


@pytest.fixture
def gmid(become):
    return lambda text, more="": become("gmid", SERVER % text + more)


def test_locations_that_lie_in_others(gmid):
    imported = gmid("""location "/a/b/*" { auto index on }
        location "/a/*" { index "a.gmi" require client ca "/ca.pem" lang de }
        location "/a/b/c/*" { lang it; auto index off }
        lang en
    """)
    assert imported.host["lang"] == "en"
    assert imported.location("/a/") == {"index": ["a.gmi"], "client-certificate": CA, "lang": "de"}
    # The first one that matches has a word for listings, and none of those above all else.
    assert imported.location("/a/b/") == {"index": ["a.gmi"], "client-certificate": CA, "lang": "de", "listing": True}
    assert imported.location("/a/b/c/") == {"index": ["a.gmi"], "client-certificate": CA, "lang": "de", "listing": True}


def test_a_location_for_all_is_the_host(gmid):
    imported = gmid('lang en\nlocation "*" { lang it; default type "text/plain" }')
    assert (imported.host["lang"], imported.host["mime"]) == ("it", {"*": "text/plain"})
    assert "location" not in imported.host


def test_what_answers(gmid):
    imported = gmid("""
        location "/old/*" { strip 1; block return 31 "/new%p" }
        location "/app/*" { fastcgi "/s" }
        location "/files/*" { root "/mnt"; strip 1 }
        location "/here" { block }
        location "/old/but/*" { lang it }
        fastcgi socket tcp "127.0.0.1" port 9001
        location "/plain/*" { fastcgi off }
    """)
    host = {"to": "127.0.0.1:9001", "strip": 0, "dialect": "gmid"}
    assert imported.host["fastcgi"] == host
    assert imported.location("/old/") == {"redirect": {"to": "/new/", "status": 31}}
    assert imported.location("/old/but/")["redirect"] == {"to": "/new/but/", "status": 31}
    assert imported.location("/app/") == {"fastcgi": {**host, "to": "unix:/s"}}
    assert imported.location("/here", "exact") == {"answer": {"status": 40, "meta": "temporary failure"}}
    assert imported.location("/plain/") == {"root": "/srv/a/plain"}
    # An application that holds for all goes before files, in gmid too.
    assert "/files/" not in [entry["path"] for entry in imported.host["location"]]


def test_a_server_without_root(become):
    imported = become("gmid", 'server a.org { cert "/c" key "/k" location "/a/*" { root "/r" } }')
    assert imported.host["answer"] == {"status": 51, "meta": "not found"}
    assert imported.location("/a/") == {"root": "/r/a"}


def test_a_whole_server_that_has_moved(become):
    text = 'server a.org { cert "/c" key "/k" block return 31 "gemini://b.org%p?%q" }'
    assert become("gmid", text).host["redirect"] == {"to": "gemini://b.org/", "status": 31}


def test_names(gmid):
    imported = gmid('alias "b.org"\nalias "*.c.org"\nalias "d?.org"', 'server "*" { cert "/d" key "/d" root "/d" }')
    assert (imported.host["name"], imported.host["aliases"]) == ("a.org", ["b.org", "*.c.org"])
    assert imported.tables["host"][1]["name"] == "*"
    assert "one label" in imported.reason(4)
    assert "can't be a host" in imported.reason(5)


def test_a_first_server_for_all_names(become):
    imported = become("gmid", 'server "*" { cert "/d" key "/d" root "/d" }')
    assert (imported.host["name"], imported.host["aliases"]) == ("localhost", ["*"])
    assert "needs a name" in imported.reason(1)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [("*.secret", "/"), ("/a/*/b/*", "/a/"), ("/a/b[cd]/*", "/a/"), ("/a/b*c", "/a/"), ("/a/?", "/a/")],
)
@pytest.mark.parametrize(
    ("option", "key", "value", "what"),
    [
        ('require client ca "/ca.pem"', "client-certificate", CA, "protected"),
        ('block return 51 "no"', "answer", {"status": 51, "meta": "no"}, "refused"),
        ("block", "answer", {"status": 40, "meta": "temporary failure"}, "refused"),
        ('fastcgi "/s"', "answer", {"status": 40, "meta": "temporary failure"}, "refused"),
        ('fastcgi spawn "/s"', "answer", {"status": 40, "meta": "temporary failure"}, "refused"),
    ],
)
def test_what_cannot_be_told_is_wider(pattern, path, option, key, value, what, gmid):
    imported = gmid(f'location "{pattern}" {{\n{option}\nlang it\n}}')
    table = imported.host if path == "/" else imported.location(path)
    assert table[key] == value
    assert f"all of {path} is {what}" in imported.reason(3)
    assert imported.reason(5) == "See above."


def test_what_cannot_be_told_and_keeps_nobody_out(gmid):
    imported = gmid('location "*.old" { block return 31 "/new" }\nlocation "*.x" { auto index on; fastcgi off }')
    assert "answer" not in imported.host
    assert "location" not in imported.host
    assert imported.host["listing"] is False
    assert "nobody sees" not in imported.reason(3) + imported.reason(4)


def test_a_pattern_with_wildcards_says_who_may(gmid):
    imported = gmid('require client ca "/ca.pem"\nlocation "/a*" { lang it }')
    assert imported.location("/a*", "glob") == {"listing": False, "client-certificate": CA, "lang": "it"}


def test_scripts_of_gmid_1(gmid):
    imported = gmid('cgi "/cgi-bin/*"\nenv "A" = "b"\nenv "C" = "d"')
    assert imported.host["cgi"] == "cgi-bin"
    assert imported.host["cgi-dialect"] == "gmid"
    assert imported.host["cgi-environment"] == {"A": "b", "C": "d"}
    assert gmid('cgi "*.cgi"').host["cgi"] == "**/*.cgi"
    assert gmid('cgi "*"').host["cgi"] == "."
    assert gmid('entrypoint "/main.cgi"').host["script"] == "/srv/a/main.cgi"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('ocsp "/o.der"', "OCSP"),
        ('cgi "/[ab]/*"', "can't be told by cgi"),
        ('entrypoint "/m" fastcgi "/s"', "answers before it"),
        ('location "*.gmi" { lang it }', "can't be told by a location"),
        ('location "/a/*" { block return 31 "/%q" }', "refused instead"),
        ('location "/a/*" { block return 51 "\x1b]0;x" }', "none that a header may have"),
    ],
)
def test_what_is_told(text, reason, gmid):
    assert reason in gmid(text).reason(3)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('server a.org { cert "/c" }', "some.conf:1: this server has no key"),
        ('server "a*.org" { cert "/c" key "/k" }', "can't be a host of gemd, and it has no alias"),
    ],
)
def test_mistakes(text, fault, become):
    with pytest.raises(Failure, match=fault):
        become("gmid", text)
