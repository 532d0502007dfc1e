"""Hosts that are passed on: what stands in their table, and what can't stand there."""

import pytest

from gemd.config.render import render_config
from gemd.config.types import Address

from .reading import HOST, parse, problems_of

PASS = '[[host]]\nname = "B.Example"\naliases = ["*.b.example"]\npass = "10.0.0.3"\n'


def test_a_host_that_is_passed_on_is_none_that_is_served():
    config = parse(HOST + PASS + 'send-proxy = "v2"\n')
    assert [host.name for host in config.hosts] == ["h"]
    (passed,) = config.passes
    assert passed.names == ("b.example", "*.b.example")
    assert passed.address == Address("10.0.0.3", 1965)
    assert (passed.send_proxy, passed.where) == ("v2", "host[2]")


def test_it_is_printed_as_it_is_read():
    config = parse(HOST + PASS + 'send-proxy = "v1"\n')
    assert parse(render_config(config)) == config


MISTAKES = {
    "first": (PASS, "host[1].pass", "has to be served here"),
    "root": (HOST + PASS + 'root = "/srv"\n', "host[2].root", "answers nothing itself"),
    "location": (HOST + PASS + '[[host.location]]\npath = "/a"\n', "host[2].location", "answers nothing itself"),
    "certificate": (HOST + PASS + 'certificate = "c"\n', "host[2].certificate", "answers nothing itself"),
    "unknown": (HOST + PASS + 'send_proxy = "v1"\n', "host[2].send_proxy", "did you mean 'send-proxy'?"),
    "derived": (HOST + PASS + 'where = "x"\n', "host[2].where", "there is no such key"),
    "version": (HOST + PASS + 'send-proxy = "v3"\n', "host[2].send-proxy", 'expected "v1" or "v2", not "v3"'),
    "no pass": (HOST + '[[host]]\nname = "b"\nsend-proxy = "v1"\n', "host[2].send-proxy", 'needs the key "pass"'),
    "port": (HOST + '[[host]]\nname = "b"\npass = "1966"\n', "host[2].pass", 'expected "localhost:1966"'),
    "no name": (HOST + '[[host]]\npass = "b"\n', "host[2]", 'needs the key "name"'),
    "no upstream": (HOST + '[[host]]\nname = "b"\npass = "*"\n', "host[2].pass", 'address of one server, not "*"'),
    "no text": (HOST + '[[host]]\nname = "b"\npass = 1965\n', "host[2].pass", "a text that is not empty, not 1965"),
    "no host": (HOST + '[[host]]\nname = "b c"\npass = "b"\n', "host[2].name", '"b c" can\'t be a host'),
    "address": (
        HOST + '[[host]]\nname = "::1"\npass = "b"\n',
        "host[2]",
        "::1 is an address, which no client can name",
    ),
    "taken": (HOST + '[[host]]\nname = "h"\npass = "b"\n', "host[2]", "h belongs to host[1] already"),
    "taken by a pass": (HOST + PASS + '[[host]]\nname = "b.example"\nroot = "/b"\n', "host[3]", "belongs to host[2]"),
    "outside": (
        'chroot = "/srv"\nuser = "gemd"\nmaster-user = "root"\n'
        + HOST
        + '[[host]]\nname = "b"\npass = "unix:/run/b"\n',
        "host[2].pass",
        "/run/b is not below the chroot /srv",
    ),
}


def test_what_lacks_pass_is_told_once():
    assert list(problems_of(HOST + 'send-proxy = "v1"\n')) == ["host[1].send-proxy"]


@pytest.mark.parametrize(("text", "path", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(text, path, expected):
    assert expected in problems_of(text)[path]
