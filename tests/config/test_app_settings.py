"""Which applications there are, and whether two are the same."""

import pytest

from gemd.config import ConfigError, parse_config
from gemd.config.app_settings import app_key, find_app_users, find_applications

APP = {"name": "a.example", "app": "m:app"}
ROOT = {"user": "gemd", "master-user": "root"}


def parse(tmp_path, *hosts, **tables):
    return parse_config({"host": list(hosts), **tables}, base=tmp_path, source=None, cpus=1)


def test_where_applications_are(tmp_path):
    other = {"name": "b.example", "root": "/", "location": [{"path": "/x", "app": "n:app"}, {"path": "/y"}]}
    found = list(find_applications(parse(tmp_path, APP, other)))
    assert [(where, location.app) for where, location in found] == [
        ("host[1].app", "m:app"),
        ("host[2].location[1].app", "n:app"),
    ]


@pytest.mark.parametrize(
    ("keys", "is_same"),
    [
        ({}, True),
        ({"app-env": {"A": "b"}}, True),  # of a process, not of an application
        ({"lang": "fr"}, True),
        ({"app-path": "/x"}, False),
        ({"app-threads": 2}, False),
        ({"app-process": True}, False),
        ({"app-directory": "/x"}, False),
        ({"app": "m:factory()", "app-options": {"a": 1}}, False),
    ],
)
def test_what_makes_two_the_same(tmp_path, keys, is_same):
    config = parse(tmp_path, APP, {**APP, "name": "b.example", **keys})
    first, second = (app_key(location) for _, location in find_applications(config))
    assert (first == second) == is_same


def test_whom_they_run_as(tmp_path):
    hosts = [{**APP, "app-user": "garden"}, {**APP, "name": "b.example", "app-user": "garden"}]
    assert find_app_users(parse(tmp_path, *hosts, **ROOT)) == {"garden": "host[1].app-user"}
    assert find_app_users(parse(tmp_path, APP)) == {}


def test_paths_are_taken_from_the_file(tmp_path):
    ((_, location),) = find_applications(parse(tmp_path, {**APP, "app-path": "a", "app-directory": "b"}))
    assert (location.app_path, location.app_directory) == (str(tmp_path / "a"), str(tmp_path / "b"))


@pytest.mark.parametrize(
    ("keys", "tables", "said"),
    [
        ({"app-user": "garden"}, {}, 'a.example: app-user: needs master-user = "root"'),
        (
            {"app-user": "garden", "app-process": False},
            ROOT,
            "a.example: app-user: needs a process for the application",
        ),
        ({"app-process": True, "preload": True}, {}, "a.example: preload: an application in a process of its own"),
    ],
)
def test_keys_that_do_not_go_together(tmp_path, keys, tables, said):
    with pytest.raises(ConfigError) as caught:
        parse(tmp_path, {**APP, **keys}, **tables)
    assert any(said in line for line in caught.value.lines())
