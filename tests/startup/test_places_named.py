"""Which key names a place."""

import pytest

from gemd.config.mistake import Mistake, about
from gemd.startup.places_named import about_places, find_place_key

PLACES = {
    "127.0.0.1:7": "listen[1]",
    "unix:/run/s": "listen[2]",
    "/var/a.log": "log.access",
    "stderr": "log.error",
    "/var/l.log": "host[1].location[1].log",
    "127.0.0.1:8": "",
}


@pytest.fixture
def config(configure, root):
    host = {"name": "localhost", "root": str(root), "location": [{"path": "/l/", "log": "/var/l.log"}]}
    log = {"access": "/var/a.log", "error": "stderr"}
    return configure(listen=["127.0.0.1:7", "unix:/run/s"], log=log, host=[host])


@pytest.mark.parametrize(("place", "key"), PLACES.items())
def test_the_first_that_names_it(config, place, key):
    assert find_place_key(config, place) == key
    mistake = Mistake("is wrong")
    mistake.place = place
    with pytest.raises(Mistake), about_places(config):
        raise mistake
    assert mistake.key == (key or None)


def test_a_mistake_that_has_a_key_keeps_it(config):
    mistake = Mistake("is wrong")
    mistake.place = "stderr"
    with pytest.raises(Mistake), about_places(config), about("control"):
        raise mistake
    assert mistake.key == "control"


def test_one_without_a_place_has_none(config):
    with pytest.raises(Mistake) as caught, about_places(config):
        raise Mistake("is wrong")
    assert caught.value.key is None
