import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gemd.config import parse_config
from gemd.config.render import render_config

PLAIN = {"name": "h", "root": "/srv"}

CONFIGS = {
    "least": {"host": [PLAIN]},
    "addresses": {"listen": ["[::]:1965", "a:1", "unix:/run/s"], "workers": 7, "host": [PLAIN]},
    "listeners": {
        "listen": [
            "a:1",
            {"address": "[::]:2", "proxy-protocol": True, "from": ["192.0.2.0/24", "unix"]},
            {"address": "unix:/run/s", "mode": "0660", "owner": "a:b", "tls": False},
            {"address": "b:1", "tls": False, "force": True},
            {"address": "localhost:7", "proxy-protocol": True},
        ],
        "host": [PLAIN],
    },
    "listeners in tables": {
        "listen": [{"address": "unix:/s", "mode": "600"}, {"address": "b:1", "tls": False, "force": True}],
        "host": [PLAIN],
    },
    "a listener without TLS": {"listen": [{"address": "unix:/s", "tls": False}], "workers": 3, "host": [PLAIN]},
    "tables": {
        "tls": {"certificates": "c", "minimum-version": "1.3", "ca-path": "/ca"},
        "timeouts": {"request": 1.5},
        "limits": {"rate": {"limit": "5/2m", "exempt": ["unix"]}, "ipv6-prefix": 56},
        "access": {"allow": ["192.0.2.0/24", "unix"]},
        "log": {"access": "off", "format": "json", "addresses": "hashed"},
        "cgi": {"environment": {"A": 'quo"te\\\n'}, "memory": 1 << 20, "read": [], "write": ["db"]},
        "host": [PLAIN],
    },
    "every kind of location": {
        "host": [
            {
                **PLAIN,
                "aliases": ["*.h", "::1"],
                "lang": "en,fr",
                "mime": {".a b": "text/x; a=b", "*": "text/plain"},
                "location": [
                    {"path": "/a/", "root": "other"},
                    {"path": "/b/", "redirect": {"to": "/c/", "status": 30}},
                    {"path": "/g/", "answer": {"status": 41, "meta": "Noon"}},
                    {"path": "/h/", "answer": {"status": 52}},
                    {"path": "/i/", "redirect": [{"match": "/i/{a}", "to": "/{a}"}, {"to": "/i"}]},
                    {"path": "/", "match": "exact", "lang": "de"},
                    {"path": "/a", "match": "exact", "rate": "1/s"},
                    {"path": "/x*/?", "match": "glob", "client-certificate": "any"},
                    {"path": "/x*/m/", "match": "glob", "root": "/x"},
                    {"path": "/c d/", "gone": True, "dot-files": True},
                    {"path": "/e/", "client-certificate": {"ca": "ca.pem"}},
                    {"path": "/f/", "client-certificate": ["ab" * 32]},
                ],
            },
            {"name": "g", "redirect": {"to": "gemini://h/"}, "location": [{"path": "/a/", "root": "/a"}]},
        ]
    },
    "a location of everything": {
        "host": [{**PLAIN, "location": [{"path": "/", "client-certificate": "any"}, {"path": "/a/"}]}]
    },
    "what is lifted again": {
        "host": [
            {
                **PLAIN,
                "location": [
                    {"path": "/a/b/", "client-certificate": "none", "dot-files": True},
                    {"path": "/a/", "client-certificate": "any", "symlinks": "none", "dot-files": False},
                ],
            }
        ]
    },
    "uploads": {
        "limits": {"uploads": 100_000_000},
        "upload-spool": "spool",
        "host": [
            {
                **PLAIN,
                "titan": {"allow": {"ca": "ca.pem"}, "tokens": ["a;b"], "types": ["*/*"], "max-size": 1, "edit": False},
                "location": [
                    {"path": "/a/", "titan": {"public": True, "delete": True, "mkdir": True}},
                    {"path": "/a/b/", "titan": False},
                    {"path": "/c/", "root": "/x"},
                    {"path": "/d/"},
                ],
            }
        ],
    },
    "what its host has, and is never asked": {
        "host": [
            {
                **PLAIN,
                "cgi": "cgi-bin",
                "location": [
                    {"path": "/", "cgi": []},
                    {"path": "/a/", "gone": True},
                    {"path": "/b/", "gone": True, "cgi": []},
                    {"path": "/c/", "redirect": {"match": "/c/{x}", "to": "/{x}"}, "root": "/x"},
                ],
            },
            {**PLAIN, "name": "g", "cgi": ".", "gone": True, "location": [{"path": "/a/", "root": "/y"}]},
            {**PLAIN, "name": "i", "cgi": ".", "gone": True},
        ]
    },
    "a root of everything": {"host": [{**PLAIN, "location": [{"path": "/", "root": "/x"}, {"path": "/a/"}]}]},
}

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=8)
SETTINGS = {
    "root": TEXT,
    "listing": st.booleans()
    | st.fixed_dictionaries(
        {},
        optional={
            "preamble": st.just(".head.gmi"),
            "reverse": st.booleans(),
            "titles": st.booleans(),
            "recursive": st.integers(0, 16),
            "feed": st.booleans(),
        },
    ),
    "lang": st.sampled_from(["en", "en,fr", "zh-Hant"]),
    "charset": st.sampled_from(["utf-8", "ISO_8859-1:1987", "koi8-r", "x-user-defined"]),
    "symlinks": st.sampled_from(["beneath", "none", "any"]),
    "dot-files": st.booleans() | st.lists(TEXT),
    "index": st.lists(st.sampled_from(["index.gmi", "a/b"])),
    "cgi": st.sampled_from(["cgi-bin", ".", ["cgi-bin", "tools/*.py"], []]),
    "redirect": st.fixed_dictionaries({"to": st.just("/x/")}, optional={"status": st.sampled_from([30, 31])}),
    "gone": st.booleans(),
    "answer": st.fixed_dictionaries({"status": st.sampled_from([41, 51])}, optional={"meta": st.just("Noon")}),
    "client-certificate": st.just("any") | st.lists(st.just("cd" * 32)) | st.fixed_dictionaries({"ca": TEXT}),
    "titan": st.just(False),
    "access": st.sampled_from(["any", {"deny": ["unix"]}, {"allow": ["::/64"], "deny": ["::"], "status": 51}]),
    "rate": st.sampled_from(["none", "5/s", {"limit": "9/2h", "by": "certificate", "burst": 3, "exempt": ["::/64"]}]),
}
PATHS = st.lists(st.sampled_from(["/", "/a/", "/a/b", "/c d/", "/ä"]), unique=True, max_size=3)
LOCATIONS = PATHS.flatmap(
    lambda paths: st.tuples(*[st.fixed_dictionaries({"path": st.just(path)}, optional=SETTINGS) for path in paths])
)
HOSTS = st.fixed_dictionaries(
    {"name": st.just("h")}, optional={**SETTINGS, "check-port": st.booleans(), "location": LOCATIONS.map(list)}
)


def assert_reads_back(tables):
    config = parse_config(tables, base=Path("/etc"), source=None, cpus=4)
    rendered = tomllib.loads(render_config(config))
    assert without_places(parse_config(rendered, base=Path("/elsewhere"), source=None, cpus=1)) == without_places(
        config
    )


def without_places(config):
    """The configuration without where in its file each location was."""

    def forget(host):
        return replace(host, locations=tuple(replace(location, where="") for location in host.locations))

    return replace(config, hosts=tuple(map(forget, config.hosts)))


@pytest.mark.parametrize("tables", CONFIGS.values(), ids=CONFIGS)
def test_reads_back_as_the_same(tables):
    assert_reads_back(tables)


@given(HOSTS)
def test_any_host_reads_back_as_the_same(host):
    assert_reads_back({"host": [without_contradictions(host)]})


def without_contradictions(table):
    """With one answer alone that leaves nothing to others, and in a location nothing beside it that is never asked."""
    first = next((key for key in ("answer", "redirect") if key in table), None)
    first = "gone" if table.get("gone") else first
    dropped = {"gone", "answer", "redirect"} - {first} if first is not None else set()
    dropped |= {"root", "cgi"} if first is not None and "path" in table else set()
    kept = {key: value for key, value in table.items() if key not in dropped}
    return {**kept, "location": list(map(without_contradictions, kept["location"]))} if "location" in kept else kept


def test_every_default_is_spelled_out():
    rendered = tomllib.loads(render_config(parse_config({"host": [PLAIN]}, base=Path("/"), source=None, cpus=4)))
    assert rendered["listen"] == ["localhost:1965"]
    assert rendered["workers"] == 4
    assert rendered["timeouts"]["request"] == 10.0
    assert rendered["host"][0]["index"] == ["index.gmi", "index.gemini"]
    assert "mount" not in rendered["host"][0]
