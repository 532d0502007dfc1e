"""Locations that another Gemini server answers: what it is asked for, and how it is known."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from gemd.config.types import Address
from gemd.protocol.errors import BadRequest, NotFound, ProxyFailed
from gemd.protocol.proxy_v1 import encode_v1
from gemd.protocol.proxy_v2 import find_size, parse_v2
from gemd.responders.gateway import gemini_proxy
from gemd.responders.gateway.gemini_proxy import GeminiProxy
from gemd.responders.gateway.proxy_means import ProxyMeans
from gemd.system.authorities import read_authorities
from gemd.system.certificates import find_or_make
from gemd.system.known_servers import open_known_servers
from gemd.system.server_trust import Distrusted
from gemd.system.tls_client import ClientContext
from tests.responders.asking import peer, request
from tests.support.certificate_chains import Link

TO = "gemini://127.0.0.1:1966"


@pytest.fixture
def make(configure):
    """What passes the requests of a host on, whose `proxy` table has these keys."""

    def make_one(means=ProxyMeans(), aliases=(), **keys):  # noqa: B008, it is a constant
        config = configure(proxy={"to": TO, **keys}, aliases=list(aliases))
        host = config.hosts[0]
        return GeminiProxy(config, host, host.locations[0], means)

    return make_one


@pytest.fixture
def say(monkeypatch):
    """What is said to the upstream for a request: the line, the name that is asked for, and what goes before."""
    made = []
    monkeypatch.setattr(
        gemini_proxy, "GeminiCodec", lambda tls, check, line, first, upload: made.append((line, first, check)) or None
    )
    monkeypatch.setattr(ClientContext, "connect", lambda _, name: made.append(name))

    def say_it(proxy, asked, address=Address("127.0.0.1", 1966)):  # noqa: B008
        exchange = proxy(asked)
        exchange._make_codec(address)
        exchange.close()
        name, (line, first, check) = made[-2:]
        return SimpleNamespace(line=line.decode(), name=name, first=first, check=check)

    return say_it


# The URL


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("gemini://h", "gemini://h/"),
        ("gemini://H:1965/a/./b/../c%2fd?x=%20", "gemini://h:1965/a/c%2fd?x=%20"),
        ("gemini://h/?", "gemini://h/?"),
        ("gemini://h/a//b/", "gemini://h/a//b/"),
        ("titan://h/a/./b;size=1;token=a%20b?x", "titan://h/a/b;size=1;token=a%20b?x"),
        ("titan://h/a;edit", "titan://h/a;edit"),
    ],
)
def test_the_url_goes_out_as_it_came(make, say, url, line):
    said = say(make(), request(url))
    assert said.line == line + "\r\n"
    assert said.name == "h"
    assert said.first == b""


@pytest.mark.parametrize(
    ("keys", "address", "line", "name"),
    [
        ({"rewrite-host": True}, Address("127.0.0.1", 1966), "gemini://127.0.0.1:1966/x", None),
        ({"rewrite-host": True}, Address("::1", 1965), "gemini://[::1]/x", None),
        ({"rewrite-host": True}, Address("b.example", 1965), "gemini://b.example/x", "b.example"),
        ({"rewrite-host": True, "sni": "c.example"}, Address("b.example", 1965), "gemini://c.example/x", "c.example"),
        ({"sni": "c.example"}, Address("b.example", 1965), "gemini://h:1965/x", "c.example"),
    ],
)
def test_the_servers_own_name(make, say, keys, address, line, name):
    to = f"gemini://{address}"
    said = say(make(to=to, **keys), request("gemini://h:1965/x"), address)
    assert (said.line, said.name) == (line + "\r\n", name)


def test_an_address_is_no_name_to_ask_for(make, say):
    assert say(make(), request("gemini://192.0.2.9/")).name is None


def test_a_url_that_gets_too_long(make, say):
    proxy = make(to="gemini://a-long-name.example", **{"rewrite-host": True})
    say(proxy, request("gemini://h/" + "x" * 990), Address("a-long-name.example", 1965))
    with pytest.raises(BadRequest, match="too long"):
        proxy(request("gemini://h/" + "x" * 1000))


def test_a_path_that_can_not_be_cut(make):
    with pytest.raises(NotFound):
        make(strip=1)(request("/a%2Fb"))


# The PROXY header


def test_the_client_is_named(make, say):
    asked = request("/", peer(server_name="h"))
    first = say(make(**{"send-proxy": "v2"}), asked).first
    assert find_size(first, 536) == len(first)
    header = parse_v2(first)
    assert (header.source.address, header.source.port, header.hops) == ("192.0.2.1", 50000, 1)
    assert (header.destination.address, header.destination.port) == ("192.0.2.9", 1965)
    assert header.server_name == "h"
    assert say(make(**{"send-proxy": "v1"}), asked).first == encode_v1(header.source, header.destination)


@pytest.mark.parametrize("hops", [3, 7])
def test_hops_are_counted(make, say, hops):
    asked = request("/", replace(peer(), hops=hops))
    assert parse_v2(say(make(**{"send-proxy": "v2"}), asked).first).hops == hops + 1


def test_what_was_passed_on_too_often_is_a_loop(make, monkeypatch):
    lines = []
    monkeypatch.setattr(gemini_proxy.error_log, "error", lambda text, *rest: lines.append(text % rest))
    with pytest.raises(ProxyFailed):
        make()(request("/", replace(peer(), hops=8)))
    assert lines == ["the proxy at h/: this is a loop: 8 gemd have passed it on already"]


# Whom it is


@pytest.fixture
def known(tmp_path):
    opened = open_known_servers(tmp_path / "known")
    yield opened
    opened.close()


def servers_in(known):
    return re.findall(r"^(\S+ \S+) SPKI", Path(known.path).read_text(), re.M)


def test_what_is_remembered_goes_by_names_of_the_configuration(make, say, known):
    proxy = make(ProxyMeans(known=known), aliases=["a.h", "*.h"])
    server = Link("b")
    for name in ("h", "a.h", "b.h", "c.h"):
        say(proxy, request(f"gemini://{name}/")).check((server.der,))
    say(proxy, request("gemini://192.0.2.9/")).check((server.der,))
    assert servers_in(known) == [f"127.0.0.1:1966 {name}" for name in ("h", "a.h", "*.h", "-")]
    with pytest.raises(Distrusted, match="another key"):
        say(proxy, request("gemini://d.h/")).check((Link("b").der,))


def test_a_name_of_the_configuration_is_remembered_as_it_is(make, say, known):
    server = Link("b")
    say(make(ProxyMeans(known=known), sni="c.example"), request("/")).check((server.der,))
    assert servers_in(known) == ["127.0.0.1:1966 c.example"]


def test_fingerprints_and_authorities_need_no_memory(make, say, tmp_path, known):
    server = Link("h")
    means = ProxyMeans(known=known)
    with pytest.raises(Distrusted, match="than fingerprint says"):
        say(make(means, fingerprint="ab" * 32), request("/")).check((server.der,))
    (tmp_path / "ca.pem").write_bytes(Link().pem)
    with pytest.raises(Distrusted, match="ca does not vouch for"):
        say(make(ProxyMeans(read=read_authorities), ca=str(tmp_path / "ca.pem")), request("/")).check((server.der,))
    assert servers_in(known) == []


def test_nobody_is_trusted_without_a_memory(make, say):
    with pytest.raises(Distrusted):
        say(make(), request("/")).check((Link("h").der,))


def test_the_certificate_that_the_server_knows_gemd_by(make, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(gemini_proxy, "ClientContext", seen.append)
    ours = find_or_make(tmp_path, ("gemd",))
    path = str(ours.path)
    make(ProxyMeans(certificates={path: ours}), certificate=path, key=path.replace(".crt", ".key"))
    make()
    assert seen == [ours, None]
