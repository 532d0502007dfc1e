"""Roots that are none, by themselves; see test_checks for those of a whole configuration."""

import pytest

from gemd.startup.root_checks import find_missing_roots, why_no_root


def test_why_something_is_no_root(tmp_path):
    (tmp_path / "file").touch()
    assert why_no_root(str(tmp_path)) is None
    assert why_no_root(str(tmp_path / "file")) == "can't be opened: Not a directory"
    assert why_no_root(str(tmp_path / "none")) == "can't be opened: No such file or directory"


@pytest.mark.parametrize("match", ["prefix", "exact", "glob"])
def test_a_location_with_a_root_of_its_own_needs_one(configure, root, match):
    location = {"path": "/" if match == "exact" else "/a*", "match": match, "root": "/none"}
    config = configure(host=[{"name": "localhost", "root": str(root), "location": [location]}])
    assert [problem.path for problem in find_missing_roots(config)] == ["host[1].location[1].root"]


def test_there_has_to_be_something_to_serve(configure):
    assert [problem.path for problem in find_missing_roots(configure(host=[{"name": "localhost"}]))] == ["host[1].root"]
    assert find_missing_roots(configure(host=[{"name": "localhost", "answer": {"status": 41}}])) == []
