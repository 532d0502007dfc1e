"""What -t says of what does something else than is expected."""

import pytest

from gemd.startup import private_files
from gemd.startup.warnings import find_all_warnings


def said_of(config):
    return list(map(str, find_all_warnings(config)))


def test_a_star_that_stands_for_itself(configure, root):
    location = [{"path": "/a*"}, {"path": "/b*", "match": "glob"}, {"path": "/c"}]
    (line,) = said_of(configure(host=[{"name": "localhost", "root": str(root), "location": location}]))
    assert line.startswith("host[1].location[1].path: the * stands for itself alone")


@pytest.mark.parametrize(
    ("path", "said"), [("/a%20b/", "is not percent-encoded"), ("/u/{name}", "the braces stand for themselves")]
)
def test_a_sign_that_paths_do_not_have(configure, root, path, said):
    location = [{"path": path}, {"path": "/100%"}, {"path": "/{"}]
    (line,) = said_of(configure(host=[{"name": "localhost", "root": str(root), "location": location}]))
    assert line.startswith(f"host[1].location[1].path: {said}")


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ("/old/*", "the * stands for itself alone: {name}"),
        ("/search?q={words}", "no pattern is for a query"),
        ("/a%20b", "not percent-encoded"),
    ],
)
def test_a_sign_that_patterns_do_not_have(configure, root, match, said):
    to = "/{words}" if "{" in match else "/new/"
    redirect = [{"match": match, "to": to}, {"match": "/100%/{name}", "to": "/{name}"}]
    (line,) = said_of(configure(host=[{"name": "localhost", "root": str(root), "redirect": redirect}]))
    assert line.startswith("host[1].redirect: match: ")
    assert said in line


@pytest.fixture
def version(monkeypatch):
    """The version of Landlock of a kernel."""
    return lambda number: monkeypatch.setattr(private_files, "find_version", lambda: number)


def test_what_scripts_would_miss_is_said(configure, root, version):
    version(2)
    key = {"certificate": str(root / "keys/a.pem"), "key": str(root / "keys/a.pem")}
    config = configure(host=[{"name": "localhost", "root": str(root), "cgi": "bin", **key}])
    assert said_of(config) == []  # flags alone have a directory of scripts that need not exist
    (root / "bin").mkdir()
    missed = (
        f"until a reload, scripts will miss what is made or replaced in {root}, since {root}/keys is kept from them"
    )
    assert f"{missed} (cgi.confine)" in said_of(config)
