"""Each kind of gateway by the word for it, and what is said to all of them."""

import subprocess
import sys
import time

import pytest

from gemd.config.host_settings import GATEWAY_KINDS
from gemd.protocol.figures import GATEWAYS
from gemd.responders.gateway.gateways import Gateways
from gemd.responders.gateway.proxy_means import ProxyMeans
from tests.config.reading import parse
from tests.responders.asking import request, settle

TABLES = {
    "fastcgi": 'fastcgi = { to = "unix:/run/none" }',
    "scgi": 'scgi = { to = "unix:/run/none" }',
    "gemini": 'proxy = { to = "gemini+unix:/run/none" }',
    "http": 'proxy = { to = "http+unix:/run/none" }',
}


@pytest.fixture
def config():
    """Each kind at a path of this name; nobody listens."""
    return parse(
        '[[host]]\nname = "h"\nroot = "/srv"\n'
        + "".join(f'[[host.location]]\npath = "/{name}"\n{table}\n' for name, table in TABLES.items())
    )


@pytest.fixture
def gateways(config):
    return Gateways(config, None, ProxyMeans())


def ask(gateways, config, name):
    location = next(location for location in config.hosts[0].locations if location.path == f"/{name}")
    gateway = gateways.by_answer[location.answers[0]]
    return settle(lambda: gateway(request(f"/{name}/x"), location))


def test_there_is_one_for_each_word(gateways):
    assert gateways.by_answer.keys() == GATEWAY_KINDS


def test_each_answers_where_it_is_configured(gateways, config):
    assert {name: ask(gateways, config, name).status for name in TABLES} == dict.fromkeys(TABLES, 43)


def test_answers_are_counted_by_the_protocol(gateways, config):
    counted = []
    gateways.count_answers(lambda kind, status: counted.append((kind, status)))
    for name in TABLES:
        ask(gateways, config, name)
    assert counted == [(name, 43) for name in TABLES]
    assert TABLES.keys() == set(GATEWAYS)  # of which there are figures


def test_all_end_with_the_worker(gateways):
    moment = time.monotonic() + 5
    gateways.end_by(moment)
    ends = [upstreams.last_moment for gateway in gateways.by_answer.values() for upstreams in gateway.upstreams]
    assert ends == [moment] * len(TABLES)
    gateways.end_by(moment + 1)  # the first word holds
    assert {one.last_moment for gateway in gateways.by_answer.values() for one in gateway.upstreams} == {moment}


LOOK = """
import sys
import gemd.worker.main, gemd.startup.command, gemd.startup.serve
from gemd.responders.gateway.gateways import Gateways
from gemd.responders.gateway.proxy_means import ProxyMeans
from tests.config.reading import parse

Gateways(parse(sys.argv[1]), None, ProxyMeans())
prefix = "gemd.responders.gateway."
print(*sorted(name.removeprefix(prefix) for name in sys.modules if name.startswith(prefix)), "h11" in sys.modules)
"""
BASE = ["exchange", "link", "route", "upstreams", "codec", "gateways", "proxy_means"]
LOADED = {
    "": ["gateways", "proxy_means"],
    TABLES["scgi"]: [*BASE, "applications", "scgi", "upload_body"],
    TABLES["gemini"]: [*BASE, "proxies", "gemini", "gemini_proxy", "upload_body"],
    TABLES["http"]: [*BASE, "proxies", "http", "http_proxy"],
}


@pytest.mark.parametrize("table", LOADED)
def test_nobody_pays_for_a_kind_that_is_not_configured(table):
    text = f'[[host]]\nname = "h"\nroot = "/srv"\n[[host.location]]\npath = "/x"\n{table}\n'
    run = subprocess.run([sys.executable, "-c", LOOK, text], capture_output=True, text=True, check=True)
    *loaded, has_h11 = run.stdout.split()
    assert (loaded, has_h11) == (sorted(LOADED[table]), str("http" in table))
