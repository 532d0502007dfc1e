"""What the file says, and where."""

import pytest

from gemd.gemctl.failure import Failure
from gemd.gemctl.foreign.molly_file import MollyBrown
from gemd.gemctl.foreign.outline import Table

TEXT = """port = 1966
Odd = 1
CGIPaths = [
  "a",
  "b",
]
[TempRedirects]
"^/a.b$" = "/c"
"""


def test_values_and_places():
    molly = MollyBrown(TEXT, "molly.conf")
    assert (molly.values["Port"], molly.text("Hostname"), molly.unknown) == (1966, "localhost", ["Odd"])
    assert molly.table("TempRedirects") == {"^/a.b$": "/c"}
    assert (molly.is_given("Port"), molly.is_given("Hostname")) == (True, False)
    assert [molly.place(*names).line for names in (["Port"], ["TempRedirects", "^/a.b$"], ["Hostname"])] == [1, 8, 0]
    assert (molly.line("Port"), molly.line("Hostname")) == ("port = 1966", "Hostname")


def test_remarks():
    table, molly = Table(), MollyBrown(TEXT, "molly.conf")
    molly.remark(table, "why", "TempRedirects", "^/a.b$")
    molly.remark_entry(table, "why", "CGIPaths", "b")
    assert [(remark.place.line, remark.line) for remark in table.remarks] == [(8, '"^/a.b$" = "/c"'), (5, '  "b",')]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Port = 1.5", "molly.conf:1: Port: expected a whole number"),
        ("PORT = ''", "molly.conf:1: PORT: expected a whole number"),
        ("[CertificateZones]\na = 'x'", "CertificateZones: expected a table of lists"),
        ("=", "molly.conf:1: expected a key, or a heading in brackets, not ="),
        ("Port = 1\nPort = 2", "molly.conf:2: Port: is set in line 1 already"),
        (f"Port = {'9' * 5000}", "molly.conf: has a number of too many digits"),
        (f"Odd = {'[' * 5000}", "brackets that are nested too deeply"),
        ("Port = 65536", "molly.conf:1: Port: expected a port up to 65535, not 65536"),
        ("Port = 0", "molly.conf:1: Port: expected a port up to 65535, not 0"),
    ],
)
def test_what_it_cannot_say(text, fault):
    with pytest.raises(Failure, match=fault):
        MollyBrown(text, "molly.conf")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("\na" + ".a" * 5000 + " = 1", "molly.conf:2: has a key within too many others"),
        ("[a" + ' . "a"' * 5000 + "]", "molly.conf:1: has a key within too many others"),
        (
            "[PermRedirects]\n" + "".join(f'"^/{i}$" = "/"\n' for i in range(1001)),
            "molly.conf:1: PermRedirects: has more",
        ),
        ("CGIPaths = [" + '"a",' * 1001 + "]", "molly.conf:1: CGIPaths: has more than 1000 entries"),
    ],
)
def test_what_would_take_long(text, fault):
    with pytest.raises(Failure, match=fault):
        MollyBrown(text, "molly.conf")
