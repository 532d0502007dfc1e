"""What robots.txt asks for."""

import pytest

from gemd.gemctl.check.robots import is_barred, parse_robots, read_robots


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        "": (),
        "User-agent: *\nDisallow: /cgi-bin/\nDisallow: /b\n": ("/cgi-bin/", "/b"),
        "user-AGENT:*\r\ndisallow:/a # why\r\n": ("/a",),
        "User-agent: archiver\nDisallow: /a\n": (),
        "User-agent: archiver\nUser-agent: researcher\nDisallow: /a\n": ("/a",),
        "User-agent: researcher\nUser-agent: archiver\nDisallow: /a\n": ("/a",),
        "User-agent: *\nDisallow: /a\nUser-agent: indexer\nDisallow: /b\n": ("/a",),
        "User-agent: gemctl\nDisallow: /\n": ("/",),
        "User-agent: *\nDisallow:\n": (),
        "Disallow: /a\n": (),
        "# a comment\n20 nothing\n": (),
    }.items(),
)
def test_what_is_barred(text, expected):
    assert parse_robots(text) == expected


def test_prefixes_count():
    assert is_barred("/cgi-bin/x", ("/b", "/cgi-bin/"))
    assert not is_barred("/a/cgi-bin/x", ("/b", "/cgi-bin/"))
    assert not is_barred("/a", ())


def test_a_large_file():
    assert len(parse_robots("User-agent: *\n" + "Disallow: /a\n" * 100_000)) == 4999


@pytest.mark.parametrize(
    ("answer", "expected"), [(b"20 text/plain\r\nUser-agent: *\nDisallow: /a\n", ("/a",)), (None, ())]
)
def test_what_a_server_has(checked, answer, expected):
    pages = {"/robots.txt": answer} if answer else {}
    assert read_robots(checked(pages=pages).visitor()) == expected
