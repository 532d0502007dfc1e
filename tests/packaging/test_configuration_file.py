"""etc/gemd.conf: every key is in it, and what it says of defaults is so."""

import os
import pwd
import re
import subprocess
import sys
import tomllib

import msgspec
import pytest

from gemd.config import parse_config
from gemd.config.cgi_settings import CGISettings
from gemd.config.host_settings import DERIVED, Host, Location
from gemd.config.listing_settings import ListingSettings
from gemd.config.pass_settings import PASS_KEYS
from gemd.config.settings import TLS, Limits, Log, Service, Timeouts
from gemd.config.tables import keys_of
from gemd.config.types import AccessList
from tests.packaging.installing import PROJECT
from tests.serve.succession import public_folder

SHIPPED = (PROJECT / "etc/gemd.conf").read_text()
FULL = re.sub(r"^#(?=[^\s#])", "", SHIPPED, flags=re.MULTILINE)  # with the settings that stand there as comments
TABLES = {"tls": TLS, "timeouts": Timeouts, "limits": Limits, "cgi": CGISettings, "log": Log, "access": AccessList}
LOCATION = set(keys_of(Location)) - DERIVED
HOST = (set(keys_of(Host)) | LOCATION) - {"locations", "path"}


def parse(text):
    return parse_config(tomllib.loads(text), base=PROJECT / "etc", source=None, cpus=4)


def test_has_every_key():
    full = tomllib.loads(FULL)
    host, passed = full.pop("host")
    locations = host.pop("location")
    for name, table in TABLES.items():
        assert full.pop(name).keys() == set(keys_of(table)), name
    assert passed.keys() == set(PASS_KEYS)
    assert full.keys() == {"include", "listen", "workers"} | set(keys_of(Service))
    assert host.keys() | {key for location in locations for key in location} == HOST | LOCATION


def test_has_every_key_of_a_listing():
    host = tomllib.loads(FULL)["host"][0]
    (table,) = [location["listing"] for location in host["location"] if "listing" in location]
    assert table.keys() == set(keys_of(ListingSettings))


@pytest.mark.parametrize("text", [SHIPPED, FULL], ids=["as shipped", "with every setting"])
def test_is_in_order(text):
    parse(text.replace('chroot = "/srv"\n', ""))  # in which there are neither users nor sockets of other programs


def defaults(settings):
    """The keys that have a value by default, which is neither nothing nor empty."""
    fields = msgspec.structs.fields(settings)
    values = {field.encode_name: field.default for field in fields if field.default is not msgspec.NODEFAULT}
    return {key: value for key, value in values.items() if value not in (None, "", ())}


def settings_in(tables, name):
    """A table by its name; "" for the top of the file, "host" for the host with what only its locations have."""
    if name != "host":
        return tables[name] if name else tables
    host = tables["host"][0]
    return {key: value for table in (*host.get("location", ()), host) for key, value in table.items()}


@pytest.mark.parametrize(
    ("name", "settings"), [*TABLES.items(), ("", Service), ("host", Host), ("host", Location)], ids=str
)
def test_a_commented_setting_that_is_no_example_is_the_default(name, settings):
    full, live = (settings_in(tomllib.loads(text), name) for text in (FULL, SHIPPED))
    for key, default in defaults(settings).items():
        if key not in live and key not in {"gone", "path", "match"}:
            assert full[key] == (list(default) if isinstance(default, tuple) else default), key


def test_gemd_would_start_with_it():
    """With its user, its root and its own directories replaced by some that this machine has."""
    me = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    with public_folder() as folder:
        own = folder / "own"
        own.mkdir()
        os.chown(own, me.pw_uid, me.pw_gid)
        text = SHIPPED.replace('"gemd"', f'"{me.pw_name}"').replace('"/srv/gemini"', f'"{folder}/capsule"')
        for directory in ("/var/log/gemd", "/run/gemd", "/var/lib/gemd"):
            text = text.replace(f'"{directory}', f'"{own}')
        (folder / "gemd.conf").write_text(text)
        command = [sys.executable, "-m", "gemd", "-t", "-c", folder / "gemd.conf"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
