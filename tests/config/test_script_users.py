"""Whose scripts are whose."""

from pathlib import Path

import pytest

from gemd.config import ConfigError, parse_config
from gemd.config.script_users import find_script_user, find_script_users

TOP = {"user": "gemd", "master-user": "root"}


def parse(*locations, cgi=None, top=TOP, **host):
    tables = {"name": "localhost", "root": "/srv", "cgi": "cgi-bin", "location": list(locations), **host}
    return parse_config({**top, "host": [tables], "cgi": cgi or {}}, base=Path("/"), source=None, cpus=2)


def users(config):
    return {location.path: find_script_user(config, location) for location in config.hosts[0].locations}


def test_scripts_are_the_workers_unless_somebody_else_is_named():
    config = parse({"path": "/a"})
    assert users(config) == {"/": None, "/a": None}
    assert find_script_users(config) == {}


def test_the_location_comes_before_its_host_and_that_before_all():
    config = parse({"path": "/a", "cgi-user": "alice"}, {"path": "/b"}, cgi={"user": "nobody"}, **{"cgi-user": "bob"})
    assert users(config) == {"/": "bob", "/a": "alice", "/b": "bob"}
    assert find_script_users(config) == {"bob": "host[1].cgi-user", "alice": "host[1].location[1].cgi-user"}


def test_a_user_of_all_is_that_of_locations_with_scripts():
    assert find_script_users(parse(cgi={"user": "nobody"})) == {"nobody": "cgi.user"}
    no_scripts = {"name": "localhost", "root": "/srv"}
    config = parse_config({**TOP, "host": [no_scripts], "cgi": {"user": "nobody"}}, base=Path("/"), source=None, cpus=2)
    assert find_script_users(config) == {}


@pytest.mark.parametrize(
    ("given", "key"),
    [({"cgi": {"user": "nobody"}}, "cgi.user"), ({"cgi-user": "nobody"}, "host[1].cgi-user")],
)
def test_a_master_that_gives_root_up_can_have_no_script_run_as_another_user(given, key):
    with pytest.raises(ConfigError) as caught:
        parse(top={"user": "gemd"}, **given)
    assert caught.value.lines() == [f'{key}: needs master-user = "root": nobody else may run a script as another user']


def test_an_empty_name_is_nobody():
    with pytest.raises(ConfigError):
        parse(cgi={"user": ""})
