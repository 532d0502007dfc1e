"""Unix sockets that a location names, and that they have to be within reach."""

import pytest

from gemd.config.host_settings import Location
from gemd.config.upstream_sockets import list_sockets

from .reading import HOST, first, parse, problems_of

SHUT_IN = 'chroot = "/srv"\nuser = "gemd"\nmaster-user = "root"\n'


def test_those_of_all_tables():
    location = first(HOST + 'fastcgi = { to = ["unix:/a", "127.0.0.1:9000", "unix:/b"] }\n')
    assert list(list_sockets(location)) == [("fastcgi", "/a"), ("fastcgi", "/b")]
    assert list(list_sockets(first(HOST + 'scgi = { to = "unix:/c" }\n'))) == [("scgi", "/c")]
    location = first(HOST + 'proxy = { to = ["http+unix:/d", "http://127.0.0.1"] }\n')
    assert list(list_sockets(location)) == [("proxy", "/d")]
    assert list(list_sockets(Location(root="/srv"))) == []


@pytest.mark.parametrize("table", ['fastcgi = { to = "unix:/run/b" }', 'proxy = { to = "gemini+unix:/run/b" }'])
def test_one_outside_of_the_chroot_is_a_mistake(table):
    key = table.partition(" ")[0]
    text = HOST + f'{table}\n[[host.location]]\npath = "/below"\n[[host.location]]\npath = "/own"\n{table}\n'
    assert problems_of(SHUT_IN + text) == {f"host[1].{key}.to": "/run/b is not below the chroot /srv"}
    assert parse(text)
    assert parse(SHUT_IN + text.replace("/run/b", "/srv/run/b"))


def test_what_is_no_address_is_told_for_that_alone():
    problems = problems_of(SHUT_IN + HOST + 'scgi = { to = ["9000", "unix:/run/b"] }\nproxy = { to = "x" }\n')
    assert sorted(problems) == ["host[1].proxy", "host[1].proxy.to", "host[1].scgi.to"]
