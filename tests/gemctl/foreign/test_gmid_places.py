"""What holds in a location, by gemd's keys."""

import pytest

from gemd.config.placement import Placement
from gemd.gemctl.foreign.gmid_answers import Names
from gemd.gemctl.foreign.gmid_grammar import parse_gmid
from gemd.gemctl.foreign.gmid_places import HOST, Describer, Machine
from gemd.gemctl.foreign.gmid_rules import place_locations, read_options
from gemd.gemctl.foreign.outline import Table


@pytest.fixture
def describe():
    def describe(text, placement, chroot="", types=()):
        (server,) = parse_gmid(f"server a {{\n{text}\n}}", "gmid.conf")
        rules = place_locations(server.inner)
        machine = Machine(chroot, Names("a", "1965"), dict(types))
        table = Table()
        found = Describer(rules, read_options(server.inner), machine).describe(table, placement)
        return {key: value for key, value in found.items() if value is not None}, table.remarks

    return describe


def test_a_host_with_nothing(describe):
    assert describe("", HOST)[0] == {
        "index": ["index.gmi"],
        "listing": False,
        "log": True,
        "client-certificate": "none",
    }


@pytest.mark.parametrize(
    ("pattern", "inner", "placement", "root"),
    [
        ("*", "", HOST, "/r"),
        ("/a/*", "", Placement(("a",)), "/r/a"),
        ("/a/*", "strip 1", Placement(("a",)), "/r"),
        ("/a/b/*", 'root "/m"', Placement(("a", "b")), "/m/a/b"),
        ("/a/b/*", 'root "/m" strip 1', Placement(("a", "b")), "/m/b"),
        ("/a/b/*", 'root "/m" strip 2', Placement(("a", "b")), "/m"),
        ("/a/*", 'root "/m" strip 2', Placement(("a",)), None),
        ("/a*", 'root "/m"', Placement(("a*",), "glob"), None),
        ("/a*", 'root "/m" strip 1', Placement(("a*",), "glob"), "/m"),
        ("/a", 'root "/m"', Placement(("a",), "exact"), None),
        ("/a/", 'root "/m"', Placement(("a",), "exact"), "/m/a"),
        ("/", 'root "/m"', Placement((), "exact"), "/m"),
    ],
)
def test_roots(pattern, inner, placement, root, describe):
    found, remarks = describe(f'root "/r"\nlocation "{pattern}" {{ {inner} }}', placement)
    assert found.get("root") == root
    assert bool(remarks) == (root is None)


def test_paths_in_a_chroot(describe):
    found, _ = describe('root "/r"\nfastcgi "/s"', HOST, chroot="/jail")
    assert (found["root"], found["fastcgi"]["to"]) == ("/jail/r", "unix:/jail/s")


@pytest.mark.parametrize(
    ("inner", "more"),
    [
        ('socket "/s"', {"strip": 0}),
        ('socket "/s"; strip 1', {"strip": 1, "params": {"SCRIPT_NAME": ""}}),
        ('socket "/s"; param "SCRIPT_NAME" = "/a/b"; param "X" = "y"', {"strip": 2, "params": {"X": "y"}}),
    ],
)
def test_applications(inner, more, describe):
    found, _ = describe(f"fastcgi {{ {inner} }}", HOST)
    assert found["fastcgi"] == {"to": "unix:/s", "dialect": "gmid", **more}


def test_what_is_blocked_has_no_application(describe):
    found, _ = describe('fastcgi "/s"\nblock return 51 "no"', HOST)
    assert found["answer"] == {"status": 51, "meta": "no"}
    assert "fastcgi" not in found


def test_types(describe):
    found, remarks = describe('default type "t/x"', HOST, types=[("gmi", "text/gemini"), ("a.b", "t/y"), ("C", "t/z")])
    assert found["mime"] == {".gmi": "text/gemini", ".c": "t/z", "*": "t/x"}
    assert not remarks
    assert [remark.reason for remark in describe('default type "x"', HOST)[1]] == ["This is no media type."]


def test_a_program_that_gmid_has_started(describe):
    found, remarks = describe('root "/r"\nfastcgi spawn "/bin/x"', HOST)
    assert "start it" in remarks[0].reason
    # The root has the program's files, which it alone has seen.
    assert found["answer"] == {"status": 40, "meta": "temporary failure"}
