"""Statements, macros and files that are included."""

import os

import pytest

from gemd.gemctl.failure import Failure
from gemd.gemctl.foreign import gmid_grammar
from gemd.gemctl.foreign.gmid_grammar import parse_gmid


def show(statements):
    return [(each.keyword, *each.values, *([show(each.inner)] if each.inner else [])) for each in statements]


def parse(text, file="gmid.conf"):
    return show(parse_gmid(text, file))


SERVER = 'server "a" { %s }'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("prefork 3; user me\nprotocols \"tlsv1.3\"", [("prefork", "3"), ("user", "me"), ("protocols", "tlsv1.3")]),
        ('chroot "/a" "/b"', [("chroot", "/a/b")]),
        ('map "text/x" to-ext "x"\nmime "text/y" "y"', [("map", "text/x", "x"), ("mime", "text/y", "y")]),
        ("ipv6 on\nport 1966", [("ipv6", "on"), ("port", "1966")]),
        ('log access "/a"\nlog { style common; syslog off }', [
            ("log", "/a"), ("log", [("style", "common"), ("syslog",)]),
        ]),
        ("types {\ntext/a a b\ntext/c c;\n}", [("types", [("type", "text/a", "a", "b"), ("type", "text/c", "c")])]),
    ],
)  # fmt: skip
def test_what_is_for_all(text, found):
    assert parse(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('cert "/c" key "/k"', [("cert", "/c"), ("key", "/k")]),
        ("listen on *", [("listen", "*", "", "off")]),
        ("listen on ::1 port 1966 proxy-v1", [("listen", "::1", "1966", "on")]),
        ('listen on a.org port "gemini"', [("listen", "a.org", "gemini", "off")]),
        ("auto index on lang it", [("auto", "on"), ("lang", "it")]),
        ("block", [("block",)]),
        ("block return 40", [("block", "40")]),
        ('block return 40 temporary "-" failure', [("block", "40", "temporary-failure")]),
        ('fastcgi "/s"', [("fastcgi", "/s")]),
        ("fastcgi off", [("fastcgi",)]),
        ('fastcgi socket tcp "::1" port 9001', [("fastcgi", "::1", "9001")]),
        ('fastcgi { socket "/s"\nparam "A" = "b" }', [("fastcgi", [("socket", "/s"), ("param", "A", "b")])]),
        ('location "/a/*" {\nstrip 1\n}', [("location", "/a/*", [("strip", "1")])]),
        ("proxy { relay-to b.org port 1966 use-tls off }", [
            ("proxy", "", "", "", [("relay-to", "b.org", "1966"), ("use-tls", "off")]),
        ]),
        ("proxy proto http for-host a.org port 1 { proxy-v1 }", [("proxy", "http", "a.org", "1", [("proxy-v1",)])]),
    ],
)  # fmt: skip
def test_what_is_of_a_server(text, found):
    assert parse(SERVER % text) == [("server", "a", found)]


def test_macros():
    text = 'dir = "/var"\ncommon = "lang it; auto index on"\nserver a {\nroot $dir "/a"\n@common\n}'
    directives = parse_gmid(text, "gmid.conf")
    assert show(directives) == [("server", "a", [("root", "/var/a"), ("lang", "it"), ("auto", "on")])]
    assert [(each.spot.line, each.line) for each in directives[0].inner] == [
        (4, 'root $dir "/a"'), (5, "@common"), (5, "@common"),
    ]  # fmt: skip


def test_files_that_are_included(tmp_path):
    (tmp_path / "more.conf").write_text("prefork 2\nserver b { lang it }")
    (tmp_path / "types.conf").write_text("text/x x\ntext/y y z\n")
    text = 'include "more.conf"\ntypes {\ninclude "types.conf"\ninclude "/usr/share/misc/mime.types"\n}\n'
    directives = parse_gmid(text, str(tmp_path / "gmid.conf"))
    assert show(directives) == [
        ("prefork", "2"), ("server", "b", [("lang", "it")]),
        ("types", [("type", "text/x", "x"), ("type", "text/y", "y", "z"), ("include", "/usr/share/misc/mime.types")]),
    ]  # fmt: skip
    assert str(directives[1].spot) == f"{tmp_path}/more.conf:2"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("colour blue", "gmid.conf:1: expected one of chroot, include, ipv6"),
        ("\nprefork many", "gmid.conf:2: expected a number, not many"),
        ("user\n", "gmid.conf:1: expected a text, not the end of the line"),
        ("server a {\n", "gmid.conf:2: expected one of alias, auto"),
        ("server a\nroot b", "gmid.conf:2: expected {, not root"),
        (SERVER % "listen *", "expected on, not *"),
        (SERVER % "auto index yes", "expected on or off, not yes"),
        (SERVER % "location", "expected a text, not }"),
        (SERVER % "fastcgi { cgi x }", "expected one of param, socket, strip, not cgi"),
        ("user $me", "gmid.conf:1: there is no macro me"),
        ("x = {", "expected a text, not {"),
        ("types { text/x }", "expected a media type and extensions"),
        ('include "none.conf"', "gmid.conf:1: can't be included: none.conf: can't be read"),
        ("}", "not }"),
    ],
)
def test_mistakes(text, fault):
    with pytest.raises(Failure) as failed:
        parse(text)
    assert fault in failed.value.lines[0]


@pytest.mark.parametrize(
    "text",
    [
        'include "gmid.conf"',
        'a = "@a"\n@a',
        'a = "' + "b;" * 50_000 + '"\n' + "user @a\n" * 9,
        'a = "' + "b" * 500_000 + '"\nuser ' + "$a " * 20_000,
    ],
)
def test_what_would_never_end(text, tmp_path):
    (tmp_path / "gmid.conf").write_text(text)
    with pytest.raises(Failure):
        parse(text, str(tmp_path / "gmid.conf"))


def test_a_file_that_includes_itself_is_read_no_more_often_than_others(tmp_path, monkeypatch):
    path, read = tmp_path / "gmid.conf", []
    monkeypatch.setattr(gmid_grammar, "read_original", lambda path, **_: read.append(path) or 'include "gmid.conf"')
    with pytest.raises(Failure, match="more than 50 files are included"):
        parse('include "gmid.conf"', str(path))
    assert read == [str(path)] * 50


def test_what_is_included_is_a_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Failure, match="pipe: can't be read: it is no regular file"):
        parse('include "pipe"', str(tmp_path / "gmid.conf"))
