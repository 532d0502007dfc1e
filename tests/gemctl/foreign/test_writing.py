"""The text of an outline."""

import tomllib

import pytest

from gemd.gemctl.foreign.original import Spot
from gemd.gemctl.foreign.outline import Outline, Table
from gemd.gemctl.foreign.writing import write_outline


@pytest.fixture
def outline():
    outline = Outline("Some", "/etc/some.conf", ["It is not the same."])
    outline.top.set("listen", ["[::]:1965"])
    outline.add_host().table.set("name", "example.org", "As it is called.")
    outline.hosts[0].locations.append(Table())
    outline.hosts[0].locations[0].set("path", "/a/")
    return outline


def test_the_whole_of_it(outline):
    outline.table("tls")
    outline.table("log").set("format", "legacy")
    outline.hosts[0].table.propose("symlinks", "any", "If need be:")
    outline.hosts[0].locations[0].remark(Spot("/etc/some.conf", 7), "  odd on", "There is nothing odd.")
    text = write_outline(outline)
    assert text[text.index("# What") :] == (
        "# What gemd does other than Some, whatever is set:\n# * It is not the same.\n\n"
        'listen = ["[::]:1965"]\n\n[log]\nformat = "legacy"\n\n'
        '[[host]]\n# As it is called.\nname = "example.org"\n# If need be:\n#symlinks = "any"\n\n'
        '  [[host.location]]\n  path = "/a/"\n  # some.conf:7: odd on\n  #   There is nothing odd.\n'
    )


@pytest.mark.parametrize(
    "line", ['x\n[[host]]\nname = "evil"', "\x1b]0;x\x07", "\u202eabc", "\r", "\u2028[log]", "a" * 10_000, "\x85[log]"]
)
def test_a_comment_stays_one(outline, line):
    before = tomllib.loads(write_outline(outline))
    for table in (outline.top, outline.hosts[0].table, outline.hosts[0].locations[0]):
        table.remark(Spot(f"so{line}me", 1), line, f"No {line}")
    text = write_outline(outline)
    assert tomllib.loads(text) == before
    assert all(each.isprintable() for each in text.split("\n"))
