"""Which server is behind which name, and its addresses."""

import socket

import pytest

from gemd.config.host_settings import Host
from gemd.config.pass_settings import PassHost
from gemd.worker.lookups import Lookups
from gemd.worker.thread_pool import ThreadPool
from gemd.worker.upstream import Upstream, find_upstreams


@pytest.fixture
def lookups():
    return Lookups(ThreadPool(1))


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("192.0.2.7:1966", [(int(socket.AF_INET), ("192.0.2.7", 1966))]),
        ("[2001:db8::7]", [(int(socket.AF_INET6), ("2001:db8::7", 1965, 0, 0))]),
        ("unix:/run/b.sock", [(int(socket.AF_UNIX), "/run/b.sock")]),
    ],
)
def test_an_address_is_not_looked_up(lookups, text, targets):
    upstream = Upstream(PassHost(name="b.example", pass_to=text), lookups)
    assert upstream.resolve("key", lambda: None) == targets
    upstream.forget("key")


def test_two_hosts_behind_one_name_ask_once(lookups):
    hosts = [PassHost(name=name, pass_to="b.internal") for name in ("a.example", "b.example")]
    first, second = (Upstream(host, lookups) for host in hosts)
    assert first._lookup is second._lookup


def test_each_name_has_its_own_upstream_and_a_name_of_its_own_wins(lookups):
    served = [Host(name="h"), Host(name="*.example")]
    passes = [
        PassHost(name="b.example", pass_to="192.0.2.1"),
        PassHost(name="*.h", aliases=("c.example",), pass_to="192.0.2.2"),
        PassHost(name="*.wild", pass_to="192.0.2.3"),
    ]
    find = find_upstreams([*served, Host(name="a.wild")], passes, lookups)
    names = [
        b"h",
        b"a.example",
        b"b.example",
        b"B.Example.",
        b"c.example",
        b"x.h",
        b"x.y.h",
        b"a.wild",
        b"b.wild",
        b"z",
        b"",
    ]
    found = [find(name) for name in names]
    assert [upstream and str(upstream) for upstream in found] == [
        *(None, None, "192.0.2.1:1965", "192.0.2.1:1965", "192.0.2.2:1965", "192.0.2.2:1965"),
        *(None, None, "192.0.2.3:1965", None, None),
    ]
    assert found[4] is found[5]  # what one has found holds for the other


def test_what_is_no_host_s_name_is_nobody_s(lookups):
    """Logs and PROXY headers have these names."""
    find = find_upstreams([], [PassHost(name="*", aliases=("*.h",), pass_to="192.0.2.1")], lookups)
    assert all(map(find, (b"h", b"x.h", b"_x.H.", b"z")))
    for name in (
        b"a b.h",
        b"a\n.h",
        b"\x1b[31m.h",
        b'"\\%s.h',
        b".h",
        b"",
        b"*.h",
        b"h..",
        b"x" * 252 + b".h",
        b"192.0.2.1",
    ):
        assert find(name) is None
