"""Where keys stand, in one file or in several, or in none."""

from pathlib import Path

import pytest

from gemd.config.origins import Origins
from gemd.config.tables import Problem

MAIN, OTHER = "/etc/gemd.conf", "/srv/d/b.conf"
MAIN_TEXT = """workers = 2

[[host]]
name = "a.org"
root = "x"
[[host.location]]
path = "/cgi"
cgi = "."
[[host.location]]
index = [
  "a",
  "b",
]
"""
OTHER_TEXT = '[tls]\nca-file = "ca"\n\n\n\n\n[[host]]\nname = "b.org"\nroot = "y"\nmime = { ".a" = "b" }\n'


def make_origins():
    """Three hosts of which the second one is in another file, with a key of a table; the third one is nowhere."""
    hosts = [
        {"name": "a.org", "location": [{"path": "/cgi"}, {}]},
        {"name": "b.org", "location": [{"path": "relative"}]},
        {"name": ""},
    ]
    origins = Origins(Path("/etc"), {"host": hosts}, main=MAIN, text=MAIN_TEXT)
    origins.add_file(OTHER, OTHER_TEXT)
    origins.record("host[2]", OTHER, "host[1]")
    origins.record("tls.ca-file", OTHER, "tls.ca-file")
    return origins


def tell(origins, path):
    return origins.origin_of(Problem(path, "x")).say("x")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("host[1].root", f"{MAIN}:5: a.org: root: x"),
        ("host[1]", f"{MAIN}:3: a.org: x"),
        ("host[1].location[1]", f"{MAIN}:6: a.org/cgi: x"),
        ("host[1].location[1].cgi", f"{MAIN}:8: a.org/cgi: cgi: x"),
        ("host[1].location[2]", f"{MAIN}:9: a.org: location[2]: x"),
        ("host[1].location[2].index[2]", f"{MAIN}:12: a.org: location[2].index[2]: x"),
        ("host[1].location[7].root", f"{MAIN}:6: a.org: location[7].root: x"),
        ("host[2].root", f"{OTHER}:9: b.org: root: x"),
        ("host[2].mime..a", f"{OTHER}:10: b.org: mime..a: x"),
        ("host[2].missing.deep[3]", f"{OTHER}:7: b.org: missing.deep[3]: x"),
        ("host[2].location[1].root", f"{OTHER}:7: b.org: location[1].root: x"),
        ("host[3].root", f"{MAIN}:3: host[3].root: x"),
        ("host[9].root", f"{MAIN}:3: host[9].root: x"),
        ("host", f"{MAIN}:3: host: x"),
        ("tls.ca-file", f"{OTHER}:2: tls.ca-file: x"),
        ("tls.ca-path", f"{MAIN}: tls.ca-path: x"),
        ("workers", f"{MAIN}:1: workers: x"),
        ("", f"{MAIN}: x"),
    ],
)
def test_a_problem_is_told_with_its_place(path, said):
    assert tell(make_origins(), path) == said


def test_what_knows_its_place_keeps_it():
    assert make_origins().origin_of(Problem("host[1]", "x", "y", 3)).say("z") == "y:3: a.org: z"
    assert make_origins().origin_of(Problem("host[1]", "x", "y")).say("z") == "y: a.org: z"


def test_paths_are_taken_from_the_directory_of_the_file():
    origins = make_origins()
    bases = [origins.base_of(path) for path in ("host[1]", "host[2].root", "tls.ca-file", "tls.ca-path", "control")]
    assert bases == [Path("/etc"), Path("/srv/d"), Path("/srv/d"), Path("/etc"), Path("/etc")]


def test_tables_and_lines_for_a_sentence():
    origins = make_origins()
    said = [origins.describe(f"host[{i}]", "host[1].location[1]") for i in (1, 2)]
    assert said == ["the host in line 3", f"the host in {OTHER}:7"]
    assert origins.line_of("host[2].root") == f"{OTHER}:9"
    assert Origins(Path("/")).describe("host[1]", "host[2]") == "host[1]"


def test_a_variable_takes_the_place_of_a_key():
    origins = make_origins()
    origins.replace("host[2].mime..a", "GEMD_X")
    origins.replace("host[2].mime", "GEMD_HOST_MIME")
    for path in ("mime", "mime..a"):
        assert tell(origins, f"host[2].{path}") == f"GEMD_HOST_MIME: b.org: {path}: x"
    assert tell(origins, "host[2].name") == f"{OTHER}:8: b.org: name: x"


def test_nothing_is_known_of_what_is_in_no_file():
    origins = Origins(Path("/etc"))
    assert (tell(origins, "host[1].root"), tell(origins, "")) == ("host[1].root: x", "x")


def test_lines_are_looked_for_once_there_is_something_to_tell(monkeypatch):
    asked = []
    monkeypatch.setattr("gemd.config.toml_lines.find_lines", lambda text: asked.append(text) or {})
    origins = make_origins()
    origins.replace("workers", "GEMD_WORKERS")
    origins.base_of("host[2].root")
    assert not asked
    tell(origins, "host[2].root")
    tell(origins, "host[2].root")
    assert asked == [OTHER_TEXT]
