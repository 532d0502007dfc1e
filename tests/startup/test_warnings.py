"""What -t says of what does something else than is expected."""

import pytest

from gemd.startup import private_files
from gemd.startup.telling import Teller
from gemd.startup.warnings import print_confinement, print_warnings

TELLER = Teller(lambda: None, is_json=False)


def test_a_star_that_stands_for_itself(configure, root, capsys):
    location = [{"path": "/a*"}, {"path": "/b*", "match": "glob"}, {"path": "/c"}]
    print_warnings(configure(host=[{"name": "localhost", "root": str(root), "location": location}]), TELLER.warn)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gemd: warning: host[1].location[1].path: the * stands for itself alone")


@pytest.mark.parametrize(
    ("path", "said"), [("/a%20b/", "is not percent-encoded"), ("/u/{name}", "the braces stand for themselves")]
)
def test_a_sign_that_paths_do_not_have(configure, root, capsys, path, said):
    location = [{"path": path}, {"path": "/100%"}, {"path": "/{"}]
    print_warnings(configure(host=[{"name": "localhost", "root": str(root), "location": location}]), TELLER.warn)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"gemd: warning: host[1].location[1].path: {said}")


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ("/old/*", "the * stands for itself alone: {name}"),
        ("/search?q={words}", "no pattern is for a query"),
        ("/a%20b", "not percent-encoded"),
    ],
)
def test_a_sign_that_patterns_do_not_have(configure, root, capsys, match, said):
    to = "/{words}" if "{" in match else "/new/"
    redirect = [{"match": match, "to": to}, {"match": "/100%/{name}", "to": "/{name}"}]
    print_warnings(configure(host=[{"name": "localhost", "root": str(root), "redirect": redirect}]), TELLER.warn)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gemd: warning: host[1].redirect: match: ")
    assert said in line


@pytest.fixture
def version(monkeypatch):
    """The version of Landlock of a kernel."""
    return lambda number: monkeypatch.setattr(private_files, "find_version", lambda: number)


def test_what_scripts_would_miss_is_said(configure, root, version, capsys):
    version(2)
    key = {"certificate": str(root / "keys/a.pem"), "key": str(root / "keys/a.pem")}
    config = configure(host=[{"name": "localhost", "root": str(root), "cgi": "bin", **key}])
    print_confinement(config, TELLER.warn)
    assert capsys.readouterr().err == ""  # flags alone have a directory of scripts that need not exist
    (root / "bin").mkdir()
    print_confinement(config, TELLER.warn)
    missed = (
        f"until a reload, scripts will miss what is made or replaced in {root}, since {root}/keys is kept from them"
    )
    assert f"gemd: warning: {missed} (cgi.confine)\n" in capsys.readouterr().err
