"""What holds for the scripts of a location."""

from pathlib import Path

import pytest

from gemd.config import ConfigError, parse_config
from gemd.config.cgi_settings import CGISettings
from gemd.config.host_settings import Location
from gemd.config.script_settings import find_script_settings, find_script_users
from gemd.config.tables import keys_of

TOP = {"user": "gemd", "master-user": "root"}


def parse(*locations, cgi=None, top=TOP, **host):
    tables = {"name": "localhost", "root": "/srv", "cgi": "cgi-bin", "location": list(locations), **host}
    return parse_config({**top, "host": [tables], "cgi": cgi or {}}, base=Path("/"), source=None, cpus=2)


def users(config):
    return {location.path: find_script_settings(config, location).cgi.user for location in config.hosts[0].locations}


def test_scripts_are_the_workers_unless_somebody_else_is_named():
    config = parse({"path": "/a"})
    assert users(config) == {"/": None, "/a": None}
    assert find_script_users(config) == {}


def test_the_location_comes_before_its_host_and_that_before_all():
    config = parse({"path": "/a", "cgi-user": "alice"}, {"path": "/b"}, cgi={"user": "nobody"}, **{"cgi-user": "bob"})
    assert users(config) == {"/": "bob", "/a": "alice", "/b": "bob"}
    assert find_script_users(config) == {"bob": "host[1].cgi-user", "alice": "host[1].location[1].cgi-user"}


def test_a_location_below_has_the_keys_of_the_one_above():
    """Else a rule of its own for a part of somebody's scripts would have it run as the workers, and without limits."""
    own = {"cgi-user": "alice", "cgi-memory": 1 << 24, "cgi-timeout": 5}
    config = parse({"path": "/a", **own}, {"path": "/a/b", "client-certificate": "any"}, {"path": "/c"})
    found = [find_script_settings(config, location) for location in config.hosts[0].locations]
    assert [(one.cgi.user, one.cgi.memory, one.timeout) for one in found] == [
        (None, None, 30),
        ("alice", 1 << 24, 5),
        ("alice", 1 << 24, 5),
        (None, None, 30),
    ]


def test_a_user_of_all_is_that_of_locations_with_scripts():
    assert find_script_users(parse(cgi={"user": "nobody"})) == {"nobody": "cgi.user"}
    no_scripts = {"name": "localhost", "root": "/srv"}
    config = parse_config({**TOP, "host": [no_scripts], "cgi": {"user": "nobody"}}, base=Path("/"), source=None, cpus=2)
    assert find_script_users(config) == {}


@pytest.mark.parametrize(
    ("given", "key"),
    [({"cgi": {"user": "nobody"}}, "cgi.user"), ({"cgi-user": "nobody"}, "localhost: cgi-user")],
)
def test_a_master_that_gives_root_up_can_have_no_script_run_as_another_user(given, key):
    with pytest.raises(ConfigError) as caught:
        parse(top={"user": "gemd"}, **given)
    assert caught.value.lines() == [f'{key}: needs master-user = "root": nobody else may run a script as another user']


def test_an_empty_name_is_nobody():
    with pytest.raises(ConfigError):
        parse(cgi={"user": ""})


def test_a_location_s_own_keys_come_before_those_of_all():
    own = {"cgi-dialect": "gmid", "cgi-exit-status": "strict", "cgi-nice": 5, "cgi-memory": 1 << 24, "cgi-file-size": 0}
    config = parse({"path": "/a", **own}, cgi={"nice": 3, "memory": 1 << 25, "cpu-seconds": 7, "dialect": "gemserv"})
    first, second = (find_script_settings(config, location).cgi for location in config.hosts[0].locations)
    assert (first.dialect, first.exit_status, first.nice, first.memory) == ("gemserv", "lenient", 3, 1 << 25)
    assert (second.dialect, second.exit_status, second.nice, second.memory) == ("gmid", "strict", 5, 1 << 24)
    assert (second.file_size, second.cpu_seconds) == (0, 7)


def test_a_location_s_variables_are_added_to_those_of_all():
    config = parse({"path": "/a", "cgi-environment": {"A": "2", "B": "3"}}, cgi={"environment": {"A": "1", "C": "4"}})
    found = [find_script_settings(config, location).cgi.environment for location in config.hosts[0].locations]
    assert found == [{"A": "1", "C": "4"}, {"A": "2", "B": "3", "C": "4"}]


def test_a_location_has_time_limits_of_its_own():
    config = parse({"path": "/a", "cgi-timeout": 5, "cgi-header-timeout": 2})
    found = [find_script_settings(config, location) for location in config.hosts[0].locations]
    assert [(one.timeout, one.header_timeout) for one in found] == [(30, 10), (5, 2)]
    keys = [(one.timeout_key, one.header_timeout_key) for one in found]
    assert keys == [("timeouts.cgi", "timeouts.cgi-header"), ("cgi-timeout", "cgi-header-timeout")]


def test_what_goes_on_after_an_answer_has_no_time_by_default():
    config = parse({"path": "/a", "cgi-after": 5}, {"path": "/b"}, {"path": "/c", "cgi-after": 0}, cgi={"after": 2})
    found = [find_script_settings(config, location) for location in config.hosts[0].locations]
    assert [one.cgi.after for one in found] == [2, 5, 2, 0]
    assert [one.after_key for one in found] == ["cgi.after", "cgi-after", "cgi.after", "cgi-after"]
    assert find_script_settings(parse(), parse().hosts[0].locations[0]).cgi.after == 0


def test_every_key_of_all_scripts_but_these_may_be_a_location_s():
    of_all = {"path", "lang", "client-hash", "confine", "read", "write"}
    keys = {key.removeprefix("cgi-") for key in keys_of(Location) if key.startswith("cgi-")}
    assert keys == (set(keys_of(CGISettings)) - of_all) | {"timeout", "header-timeout"}


@pytest.mark.parametrize("where", ["cgi", "host"])
def test_variables_have_names(where):
    given = {"cgi": {"environment": {"a b": ""}}} if where == "cgi" else {"cgi-environment": {"a b": ""}}
    with pytest.raises(ConfigError, match="expected a variable name"):
        parse(**given)


def test_a_location_s_script_has_its_user():
    config = parse({"path": "/a", "script": "/srv/x.py", "cgi-user": "alice"}, cgi=[])
    assert find_script_users(config) == {"alice": "host[1].location[1].cgi-user"}


def test_users_scripts_and_converters_have_theirs():
    host = {"name": "h", "user-directories": {"cgi": "cgi-bin"}}

    def users_of(**keys):
        tables = {**TOP, "host": [{**host, **keys}], "cgi": {"user": "all"}}
        return find_script_users(parse_config(tables, base=Path("/"), source=None, cpus=2))

    assert users_of() == {"all": "cgi.user"}
    assert users_of(**{"cgi-user": "own"}) == {"own": "host[1].cgi-user"}
    assert users_of(**{"user-directories": {}}) == {}
    assert users_of(**{"user-directories": {}, "convert": {".md": ["cat"]}}) == {"all": "cgi.user"}
