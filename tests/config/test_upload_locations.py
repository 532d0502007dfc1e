"""Which locations take uploads, by the configuration."""

import pytest

from gemd.config.host_settings import Location
from gemd.config.render import render_config
from gemd.config.titan_settings import TitanSettings
from gemd.config.upload_locations import (
    find_tables,
    find_upload_directories,
    find_uploads,
    is_for_files,
    is_for_program,
    takes_uploads,
)

from .reading import HOST, parse

ANY = "titan = { allow = 'any' }\n"
NAMED = '[[host]]\nname = "h"\n'


def at(path, keys=""):
    return f"[[host.location]]\npath = '{path}'\n{keys}\n"


# Which locations take uploads of those that are there.
INHERITED = {
    "all of a host": (HOST + ANY + at("/a") + at("/a/b"), {"/", "/a", "/a/b"}),
    "a part of it": (HOST + at("/a/b") + at("/a", ANY) + at("/c"), {"/a", "/a/b"}),
    "what is taken back": (HOST + ANY + at("/a", "titan = false") + at("/a/b") + at("/a/b/c", ANY), {"/", "/a/b/c"}),
    "another root": (HOST + ANY + at("/a", "root = '/mnt'") + at("/a/b"), {"/", "/a/b"}),
    "a program below": (HOST + ANY + at("/a", "script = '/s'") + at("/b", "cgi = 'bin'"), {"/"}),
    "a program": (HOST + at("/a", "script = '/s'\n" + ANY) + at("/a/b"), {"/a"}),
    "another root's are not the host's": (HOST + at("/a", "root = '/mnt'\n" + ANY) + at("/a/b"), {"/a"}),
    "a pattern": (HOST + ANY + "redirect = { match = '/a', to = '/b' }\n", {"/"}),
    "a move": (HOST + ANY + at("/a", "redirect = { to = '/b' }") + at("/b", "gone = true"), {"/"}),
    "what is taken back from another root": (
        HOST + ANY + at("/a", "root = '/mnt'\ntitan = false") + at("/a/b"),
        {"/"},
    ),
}


@pytest.mark.parametrize(("text", "paths"), INHERITED.values(), ids=INHERITED)
def test_who_may_upload_is_inherited_where_all_answer_alike(text, paths):
    config = parse(text)
    assert {location.path for _, location, _ in find_uploads(config)} == paths
    again = parse(render_config(config))
    assert {location.path for _, location, _ in find_uploads(again)} == paths


def test_equal_tables_side_by_side_are_all_found():
    config = parse(HOST + at("/b/c") + at("/b", ANY) + at("/bc", ANY) + at("/d", ANY))
    assert [location.path for _, location, _ in find_tables(config)] == ["/b", "/bc", "/d"]


def test_a_table_is_found_once_for_all_below():
    other = at("/b", "titan = { public = true }")
    config = parse(HOST + ANY + at("/a") + other + at("/b/c") + HOST.replace('"h"', '"g"') + ANY + at("/d"))
    assert [where for where, _, _ in find_tables(config)] == [
        "host[1].titan",
        "host[1].location[2].titan",
        "host[2].titan",
    ]


def test_each_is_found_with_its_key():
    found = list(find_uploads(parse(HOST + at("/a", ANY) + HOST.replace('"h"', '"g"') + ANY)))
    assert [where for where, _, _ in found] == ["host[1].location[1].titan", "host[2].titan"]


def test_whether_anybody_takes_uploads():
    assert takes_uploads(parse(HOST + at("/a", ANY)))
    assert not takes_uploads(parse(HOST))


# Locations, and whether files and programs may take what is uploaded there.
RECEIVERS = {
    "files": ({"root": "/srv"}, True, False),
    "a script": ({"script": "/s"}, False, True),
    "a script, and its host's root": ({"script": "/s", "root": "/srv"}, False, True),
    "an application, and its host's root": ({"app": "m:a", "root": "/srv"}, False, True),
    "files and scripts": ({"root": "/srv", "cgi": "bin"}, True, True),
}


@pytest.mark.parametrize(("keys", "files", "program"), RECEIVERS.values(), ids=RECEIVERS)
def test_who_may_take_them(keys, files, program):
    location = Location(**keys, titan=TitanSettings())
    assert (is_for_files(location), is_for_program(location)) == (files, program)
    assert not is_for_files(Location(**keys))
    assert not is_for_program(Location(**keys))


def test_where_uploads_become_files():
    text = HOST + at("/a", ANY) + at("/a/b", "titan = false") + at("/c", "root = '/mnt'\n" + ANY) + at("/c/d")
    assert list(find_upload_directories(parse(text))) == ["/srv/a", "/mnt"]
    assert list(find_upload_directories(parse(HOST + ANY))) == ["/srv"]
    assert list(find_upload_directories(parse(HOST))) == []
    assert list(find_upload_directories(parse(NAMED + "script = '/s'\n" + ANY))) == []
