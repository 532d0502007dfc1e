"""Keys that the environment sets."""

import copy
from pathlib import Path

import msgspec
import pytest

from gemd.config import ConfigError, parse_config
from gemd.config.cgi_settings import CGISettings
from gemd.config.host_settings import DERIVED, Host, Location
from gemd.config.origins import Origins
from gemd.config.settings import TLS, Limits, Log, Service, Timeouts
from gemd.config.tables import keys_of
from gemd.config.types import AccessList
from gemd.config.variables import apply_variables, list_variables, parse_value


def load(variables, **tables):
    tables = copy.deepcopy(tables)
    origins = Origins(Path("/etc"), tables)
    apply_variables(variables, tables, origins)
    return parse_config(tables, base=Path("/etc"), source="gemd.conf", cpus=1, origins=origins)


def lines_of(variables, **tables):
    with pytest.raises(ConfigError) as caught:
        load(variables, **tables)
    return caught.value.lines()


HOST = {"name": "a", "root": "/srv"}


def test_every_key_has_a_variable_but_those_of_locations():
    keys = {("workers",), ("listen",)} | {(key,) for key in keys_of(Service)}
    tables = {"tls": TLS, "timeouts": Timeouts, "limits": Limits, "cgi": CGISettings, "log": Log, "access": AccessList}
    keys |= {(name, key) for name, table in tables.items() for key in keys_of(table)}
    keys |= {
        ("host", key) for key in (keys_of(Host) | keys_of(Location)).keys() - DERIVED - {"locations", "path", "match"}
    }
    variables = list_variables()
    assert {names for names, _ in variables.values()} == keys
    assert len(variables) == len(keys)
    assert all(name.isidentifier() and name == name.upper() for name in variables)


def test_they_are_over_the_file():
    variables = {
        "GEMD_WORKERS": "3",
        "GEMD_LISTEN": "[::]:1965",
        "GEMD_LIMITS_CONNECTIONS": "9",
        "GEMD_LOG_ACCESS": "off",
        "GEMD_TLS_CERTIFICATES": "certs",
        "GEMD_CGI_ENVIRONMENT": '{ A = "b" }',
        "GEMD_HOST_NAME": "b.example",
        "GEMD_HOST_ALIASES": '["c", "d"]',
        "GEMD_HOST_SYMLINKS": "none",
        "PATH": "/bin",
        "GEMD_HOST_LANG": "",
    }
    config = load(variables, workers=2, listen=["localhost"], log={"access": "x", "error": "off"}, host=[HOST])
    host = config.hosts[0]
    assert (config.workers, [str(entry.address) for entry in config.listen]) == (3, ["[::]:1965"])
    assert (config.limits.connections, config.log.access, config.log.error) == (9, "off", "off")
    assert (config.tls.certificates, config.cgi.environment) == ("/etc/certs", {"A": "b"})
    assert (host.names, host.locations[0].root) == (("b.example", "c", "d"), "/srv")
    assert (host.locations[0].symlinks, host.locations[0].lang) == ("none", None)


def test_they_are_the_first_hosts():
    config = load({"GEMD_HOST_ROOT": "/x"}, host=[HOST, HOST | {"name": "b"}])
    assert [host.locations[0].root for host in config.hosts] == ["/x", "/srv"]


def test_they_make_a_host_where_there_is_none():
    assert load({"GEMD_HOST_ROOT": "/x"}).hosts[0].name == "localhost"


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("5", int, 5),
        ("5", str, "5"),
        ('"5"', str, "5"),
        ("a b", str, "a b"),
        ("a # b", str, "a # b"),
        ("true", bool | str, True),
        ("yes", bool, "yes"),
        ("a", tuple[str, ...], ["a"]),
        ('["a", "b"]', tuple[str, ...], ["a", "b"]),
        ("a, b", tuple[str, ...], ["a, b"]),
        ("1\nother = 2", str, "1\nother = 2"),
        ("2026-01-01", str, "2026-01-01"),
        ("x", int, "x"),
        ("1.5", int, 1.5),
    ],
)
def test_a_value_is_toml_or_a_text(text, kind, value):
    assert parse_value(text, kind) == value


def test_what_is_no_key_is_an_error_that_names_the_nearest():
    assert lines_of(
        {"GEMD_WORKRES": "3", "GEMD_TLS": "x", "GEMD_HOST_PATH": "/", "GEMD_QQQQQQQQQQQ": "x"}, host=[HOST]
    ) == [
        "GEMD_WORKRES: no key has this variable; did you mean 'GEMD_WORKERS'?",
        "GEMD_TLS: no key has this variable; gemd(8), ENVIRONMENT, says how they are called",
        "GEMD_HOST_PATH: no key has this variable; did you mean 'GEMD_HOST_APP_PATH'?",
        "GEMD_QQQQQQQQQQQ: no key has this variable; gemd(8), ENVIRONMENT, says how they are called",
    ]


def test_what_is_wrong_names_the_variable():
    assert lines_of(
        {"GEMD_WORKERS": "0", "GEMD_HOST_CHECK_PORT": "maybe", "GEMD_HOST_NAME": "a b", "GEMD_LIMITS_CGI": "x"},
        host=[HOST],
    ) == [
        'GEMD_LIMITS_CGI: limits.cgi: expected a whole number from 1 to 1000000, not "x"',
        'GEMD_HOST_CHECK_PORT: a b: check-port: expected true or false, not "maybe"',
        'GEMD_HOST_NAME: a b: name: "a b" can\'t be a host: a host name is made of letters, digits, hyphens and dots',
        'GEMD_WORKERS: workers: expected "auto" or a whole number from 1 to 512, not 0',
    ]


def test_secrets_are_not_shown():
    said = lines_of({"GEMD_HOST_TITAN": '{ allow = "any", tokens = ["s3cret", ""], x = 1 }'}, host=[HOST])
    assert all(line.startswith("GEMD_HOST_TITAN: a: titan") for line in said)
    assert said
    assert "s3cret" not in "".join(said)


def test_what_is_no_utf_8_is_an_error():
    assert lines_of({"GEMD_HOST_ROOT": "/\udcff"}, host=[HOST]) == ["GEMD_HOST_ROOT: is not UTF-8 text"]


def test_what_others_tell_of_a_service_with_this_name_is_not_meant():
    others = {
        "GEMD_PORT": "tcp://10.0.0.1:1965",
        "GEMD_PORT_1965_TCP": "tcp://10.0.0.1:1965",
        "GEMD_PORT_1965_TCP_PROTO": "tcp",
        "GEMD_SERVICE_HOST": "10.0.0.1",
        "GEMD_SERVICE_PORT": "1965",
        "GEMD_SERVICE_PORT_GEMINI": "1965",
        "GEMD_BLOG_PORT": "tcp://10.0.0.1:1965",
        "GEMD_BLOG_SERVICE_HOST": "10.0.0.1",
    }
    load(others, host=[HOST])
    assert lines_of({"GEMD_PORT": "1966"}, host=[HOST])[0].startswith("GEMD_PORT: no key has this variable")


@pytest.mark.parametrize("tables", [{"host": 3}, {"host": []}, {"host": [3]}, {"log": 3}])
def test_a_file_that_is_wrong_is_left_to_its_check(tables):
    assert lines_of({"GEMD_HOST_ROOT": "/x", "GEMD_LOG_ACCESS": "off"}, **tables)


def test_a_whole_table_can_be_set():
    config = load({"GEMD_HOST_REDIRECT": '{ to = "gemini://b/" }', "GEMD_LIMITS_RATE": "9/1m"}, host=[HOST])
    redirect = config.hosts[0].locations[0].redirect
    assert redirect is not None
    assert (redirect.to, config.limits.rate) == ("gemini://b/", "9/1m")
    assert msgspec.to_builtins(config.budget)["count"] == 9


@pytest.mark.parametrize("value", ["[" * 5000, "9" * 5000, "0x" + "f" * 5000, f"[0x{'f' * 5000}]"])
def test_what_the_standard_library_can_not_read(value):
    assert "workers: expected" in lines_of({"GEMD_WORKERS": value}, host=[HOST])[0]
