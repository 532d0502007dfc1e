"""Who passes the requests of a location on follows from its URL."""

import pytest

from gemd.config.proxy_checks import Scheme
from gemd.responders.gateway import proxies
from gemd.responders.gateway.proxies import KINDS, Proxies
from gemd.responders.gateway.proxy_means import ProxyMeans
from gemd.responders.router import Router
from tests.responders.asking import request


@pytest.fixture
def built(monkeypatch):
    """What was made for which location, in the place of all kinds."""
    made = []

    def make(config, host, location, means):
        made.append((host.name, location.path, location.proxy.to))
        return lambda asked: (location.path, asked.url.path)

    monkeypatch.setattr(proxies, "KINDS", dict.fromkeys(KINDS, make))
    return made


def test_each_location_has_its_own(configure, built):
    location = [{"path": "/b", "proxy": {"to": "gemini://b.example"}}, {"path": "/c"}]
    config = configure(location=location)
    answer = Proxies(config, ProxyMeans())
    assert built == [("h", "/b", "gemini://b.example")]
    assert answer(request("/b/x"), config.hosts[0].locations[1]) == ("/b", "/b/x")


def test_a_whole_host(configure, built):
    router = Router(configure(proxy={"to": "gemini://b.example"}, location=[{"path": "/x"}]), {}, None)
    assert router.respond(request("/")) == ("/", "/")
    assert router.respond(request("/x/y")) == ("/x", "/x/y")
    assert built == [("h", "/", "gemini://b.example"), ("h", "/x", "gemini://b.example")]


def test_every_scheme_of_the_configuration_has_a_kind():
    assert set(KINDS) == set(Scheme.__args__)
