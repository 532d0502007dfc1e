"""A library that only a few configurations need."""

import sys

import pytest

from gemd.startup.libraries import find_missing_libraries

HTTP = [{"path": "/app/", "proxy": {"to": "http://127.0.0.1:8000"}}]
GEMINI = [{"path": "/app/", "proxy": {"to": "gemini://127.0.0.1:1966"}}]


@pytest.fixture
def without_h11(monkeypatch):
    monkeypatch.setitem(sys.modules, "h11", None)
    for name in ("http", "http_proxy"):
        monkeypatch.delitem(sys.modules, f"gemd.responders.gateway.{name}", raising=False)


@pytest.fixture
def find(configure, root):
    def find_them(location):
        return find_missing_libraries(configure(host=[{"name": "localhost", "root": str(root), "location": location}]))

    return find_them


def test_it_is_there(find):
    assert find(HTTP) == []


def test_it_is_missing(find, without_h11):
    (problem,) = find(HTTP)
    assert problem.path == "host[1].location[1].proxy.to"
    assert problem.text.startswith("http:// needs the library h11, which can't be loaded (")
    assert problem.text.endswith("by pip")


@pytest.mark.parametrize("location", [GEMINI, [], [{"path": "/app/"}]])
def test_nobody_else_needs_it(find, without_h11, location):
    assert find(location) == []
