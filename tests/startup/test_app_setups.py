import pytest

from gemd.config.app_settings import app_key, find_applications
from gemd.responders.app.load import AppLoadError
from gemd.startup.app_setups import build_app_setups
from gemd.system.level import Level
from gemd.system.privileges import Identity

GARDENER, GEMD = Identity("garden", 1001, 1001, ()), Identity("gemd", 1000, 1000, ())


def test_what_the_processes_are_told(configure, tmp_path):
    first = {"name": "localhost", "app": "m:app", "app-path": str(tmp_path / "a"), "app-user": "garden"}
    second = {"name": "b.example", "app": "n:app"}
    tables = {"log": {"level": "warning", "queries": "full"}, "timeouts": {"app": 7}, "max_requests": 9}
    root = {"user": "gemd", "master_user": "root", "chroot": str(tmp_path)}
    setups = build_app_setups(configure(host=[first, second], **tables, **root), {"garden": GARDENER}, GEMD, None)
    one, other = setups.values()
    assert (one.identity, other.identity) == (GARDENER, GEMD)
    assert (one.where, one.location.app_path, one.chroot) == ("host[1].app", "/a", str(tmp_path))
    assert (one.level, one.shows_queries, one.seconds, one.max_requests) == (Level.WARNING, True, 7.0, 9)


def mount_twice(configure, first, second):
    locations = [{"path": path, "app": "m:app", **keys} for path, keys in (("/a/", first), ("/b/", second))]
    config = configure(host=[{"name": "localhost", "root": "/", "location": locations}])
    return list(build_app_setups(config, {}, None, None).values())


def test_the_environment_of_one_that_is_mounted_twice_is_all_of_it(configure):
    (setup,) = mount_twice(configure, {"app-env": {"A": "b"}}, {"app-env": {"C": "d", "A": "b"}})
    assert setup.location.app_env == {"A": "b", "C": "d"}


@pytest.mark.parametrize("keys", [({}, {}), ({"preload": True}, {}), ({}, {"preload": True})])
def test_one_that_the_master_loads_for_one_location_is_preloaded(configure, keys):
    (setup,) = mount_twice(configure, *keys)
    assert setup.location.preload is any(keys)


def test_two_values_of_one_variable_are_refused(configure):
    with pytest.raises(AppLoadError) as caught:
        mount_twice(configure, {"app-env": {"X": "1"}}, {"app-env": {"X": "2"}})
    reason = "host[1].location[1].app-env has another value, and a process has one alone"
    assert str(caught.value) == f"host[1].location[2].app-env.X: {reason}"


def test_one_that_is_mounted_twice_has_one(configure):
    location = {"path": "/a/", "root": "/"}
    config = configure(host=[{"name": "localhost", "app": "m:app", "location": [location, {"path": "/b/"}]}])
    setups = build_app_setups(config, {}, None, None)
    assert list(setups) == [app_key(next(find_applications(config))[1])]
