"""Where keys stand that are in several files."""

from pathlib import Path

import pytest

from gemd.config.origins import Origin, Origins
from gemd.config.tables import Problem

MAIN, OTHER = "/etc/gemd.conf", "/srv/d/b.conf"


@pytest.fixture
def origins():
    """Two hosts of which the second one is in another file, with a key of a table."""
    origins = Origins(Path("/etc"))
    host = {"name": "a", "root": "x"}
    origins.record("host", [host], Origin(MAIN, 3, "host"), {"host[1]": 3, "host[1].root": 5})
    origins.files.append(OTHER)
    lines = {"host[1]": 7, "host[1].root": 9, "tls": 1, "tls.ca-file": 2}
    origins.record("host[2]", {"name": "b", "root": "y", "mime": {".a": "b"}}, Origin(OTHER, 7, "host[1]"), lines)
    origins.record("tls.ca-file", "ca", Origin(OTHER, 2, "tls.ca-file"), lines)
    return origins


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("host[1].root", f"{MAIN}:5: host[1].root: x"),
        ("host[2].root", f"{OTHER}:9: host[1].root: x"),
        ("host[2].mime..a", f"{OTHER}:7: host[1].mime..a: x"),
        ("host[2].missing.deep[3]", f"{OTHER}:7: host[1].missing.deep[3]: x"),
        (f"{OTHER}: host[1].root", f"{OTHER}:9: host[1].root: x"),
        ("tls.ca-file", f"{OTHER}:2: tls.ca-file: x"),
        ("tls.ca-path", "tls.ca-path: x"),
        ("workers", "workers: x"),
        ("", "x"),
    ],
)
def test_a_problem_is_told_with_its_place(origins, path, said):
    assert str(origins.place(Problem(path, "x"))) == said


def test_what_knows_its_place_keeps_it(origins):
    assert str(origins.place(Problem("host[1]", "x", "y"))) == "y: host[1]: x"


def test_paths_are_taken_from_the_directory_of_the_file(origins):
    bases = [origins.base_of(path) for path in ("host[1]", "host[2].root", "tls.ca-file", "tls.ca-path", "control")]
    assert bases == [Path("/etc"), Path("/srv/d"), Path("/srv/d"), Path("/etc"), Path("/etc")]


def test_names_have_the_file_where_it_is_another(origins):
    assert [origins.name("host[1]"), origins.name("host[2]")] == ["host[1]", f"{OTHER}: host[1]"]
    assert [origins.describe(f"host[{i}]") for i in (1, 2, 3)] == [
        f"{MAIN}:3: host[1]",
        f"{OTHER}:7: host[1]",
        f"{MAIN}:3: host",
    ]
    assert origins.place_of("host[2].root") == f"{OTHER}:9"


def test_a_variable_takes_the_place_of_a_key(origins):
    origins.replace("host[2].root", "GEMD_HOST_ROOT")
    for path in ("host[2].root", f"{OTHER}: host[1].root"):
        assert str(origins.place(Problem(path, "x"))) == "GEMD_HOST_ROOT: host[2].root: x"
    assert str(origins.place(Problem("host[2].name", "x"))) == f"{OTHER}:7: host[1].name: x"


def test_what_flags_replace_is_in_no_file(origins):
    origins.replace("host", None)
    assert str(origins.place(Problem("host[2].root", "x"))) == "host[2].root: x"


def test_nothing_is_known_of_one_file():
    origins = Origins(Path("/etc"))
    assert origins.place(Problem("host[1]", "x")) == Problem("host[1]", "x")
    assert (origins.name("host[1]"), origins.describe("host[1]")) == ("host[1]", "host[1]")
