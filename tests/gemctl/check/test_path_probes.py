"""Checks that no path leads out of the root."""

from urllib.parse import unquote

import pytest

from gemd.gemctl.check.path_probes import PROBES

from .conftest import CONFUSED

ACCOUNTS = b"20 text/plain\r\nroot:x:0:0:root:/root:/bin/sh\n"
HOW = {
    "..": b"/../../",
    "an encoded ..": b"/%2e%2e/",
    "half of it encoded": b".%2E/",
    "an encoded slash": b"/..%2f",
    "all of it encoded": b"%2e%2e%2f",
    "encoded twice": b"%252e",
    "a backslash": b"\\",
    "an encoded backslash": b"%5c",
    "an overlong slash": b"%c0%af",
    "two slashes": b"..//",
    "more dots": b"....//",
    "a parameter": b"..;/",
    "a second slash": b"//etc",
    "an encoded root": b"/%2fetc",
    "a home": b"/~root/",
}


def test_a_server_that_is_right(said_by):
    assert said_by(PROBES, "climbing-path") == said_by(PROBES, "path-above") == (None, "")


@pytest.mark.parametrize("how", HOW)
def test_each_way_out_of_the_root(said_by, how):
    kind, found = said_by(PROBES, "climbing-path", wrong=lambda line: ACCOUNTS if HOW[how] in line[12:] else None)
    assert kind == "fault"
    assert found.startswith("/")
    assert found.endswith(") got the machine's list of accounts")


def test_whatever_climbs_is_a_page(said_by):
    kind, found = said_by(PROBES, "climbing-path", wrong=lambda line: CONFUSED if b"etc" in line else None)
    assert (kind, found.endswith('got "20 text/gemini": see that this is one of the capsule\'s pages')) == (
        "note",
        True,
    )


def test_above_the_root_is_the_root(said_by):
    assert said_by(PROBES, "path-above", wrong=lambda line: CONFUSED) == (None, "")


def test_above_the_root_is_another_page(said_by):
    kind, found = said_by(PROBES, "path-above", wrong=lambda line: CONFUSED if b".." in line else None)
    assert (kind, found) == ("fault", '/../ got "20 text/gemini", and other content than /')


def test_the_root_is_another_page_each_time(said_by):
    numbers = iter(range(9))
    kind, found = said_by(PROBES, "path-above", wrong=lambda line: CONFUSED + b"%d" % next(numbers))
    assert (kind, found) == (
        "note",
        '/../ got "20 text/gemini", which can\'t be compared with /: that is another page each time',
    )


def test_each_leads_to_the_list_of_accounts(checked, outcome_of):
    server = checked()
    outcome_of(PROBES, "climbing-path", server.visitor())
    assert len(server.requests) == len(HOW)
    assert all("etc/passwd" in unquote(request.decode()) for request in server.requests)
