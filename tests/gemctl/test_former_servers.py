"""What is said of other servers is in gemd's words."""

import re

import pytest

from gemd.config.host_settings import Host, Location
from gemd.config.keys import TABLES, TOP_KEYS
from gemd.config.pass_settings import PASS_KEYS
from gemd.config.tables import keys_of
from gemd.gemctl.former_servers import FORMER_SERVERS

# What stands beside the keys, for people.
ASIDES = re.compile(r" = .*|, with .*|, or a .*|, each .*|, or directories .*")
IN_A_LOCATION = re.compile(r" of a \[\[.*")
KEYS = set(TOP_KEYS) | set(keys_of(Host)) | set(keys_of(Location)) | set(PASS_KEYS)
KEYS |= {f"{table}.{key}" for table, settings in TABLES.items() for key in keys_of(settings)}


@pytest.mark.parametrize("name", FORMER_SERVERS)
def test_its_words_are_told_by_keys_that_there_are(name):
    server = FORMER_SERVERS[name]
    for _, said in server.called:
        plain = ASIDES.sub("", said)
        keys = {IN_A_LOCATION.sub("", word) for word in re.split(", (?:or )?| or | and ", plain)}
        keys -= {"[[host]]", "[[host.location]]"}
        assert keys <= KEYS, said
    assert {key for key, _ in server.settings} <= set(keys_of(Location))


@pytest.mark.parametrize("name", FORMER_SERVERS)
def test_each_certificate_has_its_key(name):
    for certificate, key in FORMER_SERVERS[name].certificates:
        assert certificate != key
        assert ("{name}" in certificate) == ("{name}" in key)
