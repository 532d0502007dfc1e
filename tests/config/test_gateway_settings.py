"""Programs that are asked in another process, as the configuration names them."""

import pytest

from gemd.config.host_settings import AnswerKind
from gemd.config.render import render_config

from .reading import HOST, first, parse, problems_of


def gateway(text, key="fastcgi"):
    return f'[[host]]\nname = "h"\n{key} = {{ {text} }}\n'


@pytest.mark.parametrize("key", ["fastcgi", "scgi"])
def test_one_upstream(key):
    location = first(gateway('to = "unix:/run/app.sock"', key))
    table = getattr(location, key)
    assert list(map(str, table.addresses)) == ["unix:/run/app.sock"]
    assert (table.params, table.strip, table.timeout, table.connections) == ({}, None, 30.0, 64)
    assert [answer.value for answer in location.answers] == [key]
    assert location.source == "unix:/run/app.sock"


def test_several_and_all_else():
    text = 'to = ["10.0.0.1:9000", "[::1]:9000"], params = { A = "b" }, strip = 0, timeout = 1.5, connections = 5'
    table = first(gateway(text)).fastcgi
    assert list(map(str, table.addresses)) == ["10.0.0.1:9000", "[::1]:9000"]
    assert (table.params, table.strip, table.timeout, table.connections) == ({"A": "b"}, 0, 1.5, 5)


@pytest.mark.parametrize("to", ['"unix:/run/app.sock"', '["10.0.0.1:9000", "[::1]:9000"]'])
def test_it_is_printed_as_it_is_read(to):
    config = parse(gateway(f'to = {to}, params = {{ A = "b" }}, strip = 1'))
    assert parse(render_config(config)) == config


LOCATIONS = """
[[host.location]]
path = "/own"
scgi = { to = "unix:/run/own.sock" }

[[host.location]]
path = "/files"
root = "/srv"

[[host.location]]
path = "/below"
"""


def test_what_a_host_asks_all_its_locations_ask_but_those_with_another_answer():
    locations = parse(gateway('to = "unix:/run/app.sock"') + LOCATIONS).hosts[0].locations
    assert [[answer.value for answer in location.answers] for location in locations] == [
        ["fastcgi"],
        ["scgi"],
        ["root"],
        ["fastcgi"],
    ]


MISTAKES = {
    "no upstream": (gateway("strip = 1"), "host[1].fastcgi", "needs the key to"),
    "an empty list": (gateway("to = []"), "host[1].fastcgi.to", "expected at least one upstream"),
    "an empty text": (gateway('to = ""'), "host[1].fastcgi.to", "a text that is not empty"),
    "a port alone": (gateway('to = "9000"'), "host[1].fastcgi.to", 'expected "localhost:9000"'),
    "no port": (gateway('to = "127.0.0.1"'), "host[1].fastcgi.to", 'expected a port too, as in "127.0.0.1:9000"'),
    "a relative path": (gateway('to = "unix:app.sock"', "scgi"), "host[1].scgi.to", "expected an absolute path"),
    "a path": (gateway('to = "/run/app.sock"'), "host[1].fastcgi.to", 'expected "unix:/run/app.sock" for a socket'),
    "a URL": (gateway('to = "http://localhost:8000"'), "host[1].fastcgi.to", "expected"),
    "one of two": (gateway('to = ["unix:/run/a", "b"]'), "host[1].fastcgi.to", 'expected a port too, as in "b:9000"'),
    "twice": (gateway('to = ["b:1", "b:1"]'), "host[1].fastcgi.to", "b:1 is listed twice"),
    "an unknown key": (gateway('to = "b:1", time-out = 1'), "host[1].fastcgi.time-out", "did you mean 'timeout'?"),
    "a text": ('[[host]]\nname = "h"\nfastcgi = "b:1"\n', "host[1].fastcgi", "expected a table with to, timeout"),
    "strip": (gateway('to = "b:1", strip = -1'), "host[1].fastcgi.strip", "a whole number from 0 to 64, not -1"),
    "timeout": (
        gateway('to = "b:1", timeout = 0'),
        "host[1].fastcgi.timeout",
        "seconds above 0 and at most 31536000, not 0",
    ),
    "a name": (gateway('to = "b:1", params = { "A-B" = "c" }'), "host[1].fastcgi.params.A-B", "a variable name"),
    "a number": (gateway('to = "b:1", params = { A = 1 }'), "host[1].fastcgi.params.A", "expected a text, not 1"),
    "an address": (
        gateway('to = "b:1", params = { REMOTE_ADDR = "c" }'),
        "host[1].fastcgi.params.REMOTE_ADDR",
        "gemd's",
    ),
    "a certificate": (
        gateway('to = "b:1", params = { TLS_CLIENT_HASH = "c" }', "scgi"),
        "host[1].scgi.params.TLS_CLIENT_HASH",
        "says who asks, which is gemd's to say",
    ),
    "a body": (
        gateway('to = "b:1", params = { CONTENT_LENGTH = "5" }', "scgi"),
        "host[1].scgi.params.CONTENT_LENGTH",
        "there is no body",
    ),
    "two answers": (
        gateway('to = "b:1"') + 'scgi = { to = "b:2" }\n',
        "host[1].scgi",
        "would never be asked, since fastcgi answers everything here",
    ),
    "an application": (
        gateway('to = "b:1"') + 'app = "m:app"\n',
        "host[1].fastcgi",
        "would never be asked, since app answers everything here",
    ),
}


@pytest.mark.parametrize(("text", "path", "said"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_told_with_what_to_write(text, path, said):
    problems = problems_of(text)
    assert list(problems) == [path]
    assert said in problems[path]


@pytest.mark.parametrize("length", ["", "0"])
def test_no_body_may_be_said(length):
    config = parse(gateway(f'to = "b:1", params = {{ CONTENT_LENGTH = "{length}" }}'))
    assert config.hosts[0].locations[0].fastcgi.params == {"CONTENT_LENGTH": length}


def test_all_of_them_at_once():
    text = gateway('to = ["b", "c"], params = { REMOTE_USER = "x", AUTH_TYPE = "y" }')
    assert set(problems_of(text)) == {
        "host[1].fastcgi.to",
        "host[1].fastcgi.params.REMOTE_USER",
        "host[1].fastcgi.params.AUTH_TYPE",
    }


def test_files_beside_it_are_never_asked_for():
    location = first(HOST + 'fastcgi = { to = "b:1" }\n')
    assert location.answers == (AnswerKind.FASTCGI, AnswerKind.FILES)
