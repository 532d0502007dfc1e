"""Molly Brown's keys, but for those of places."""

import pytest

from gemd.gemctl.failure import Failure

START = 'CertPath = "/c.pem"\nKeyPath = "/k.pem"\nAccessLog = ""\n'  # so that line 4 is the first of a test


@pytest.fixture
def molly(become):
    return lambda text: become("molly-brown", START + text)


def test_its_defaults(become):
    imported = become("molly-brown", "")
    assert imported.tables["listen"] == ["*:1965"]
    assert imported.tables["log"] == {"access": "access.log", "error": "stderr"}
    assert imported.host == {
        "name": "localhost", "certificate": "cert.pem", "key": "key.pem", "root": "/var/gemini",
        "index": ["index.gmi"], "listing": {"preamble": ".mollyhead"}, "cgi-dialect": "molly-brown",
    }  # fmt: skip
    assert len([reason for _, reason in imported.remarks if "complete it" in reason]) == 3


def test_keys_of_all_kinds(molly):
    imported = molly("""
        Port = 1966
        hostname = "Example.ORG"
        DocBase = "/srv/gem/"
        GeminiExt = "gemtext"
        DefaultLang = "fi"
        ErrorLog = "/var/log/molly/error.log"
        AllowTLS12 = false
        DirectorySort = "Size"
        DirectorySubdirsFirst = true
        DirectoryReverse = true
        DirectoryTitles = true
    """)
    assert imported.tables["listen"] == ["*:1966"]
    assert imported.tables["log"] == {"access": "off", "error": "/var/log/molly/error.log"}
    assert imported.tables["tls"] == {"minimum-version": "1.3"}
    assert imported.host == {
        "name": "example.org", "certificate": "/c.pem", "key": "/k.pem", "root": "/srv/gem",
        "index": ["index.gemtext"], "lang": "fi", "mime": {".gemtext": "text/gemini"},
        "listing": {"preamble": ".mollyhead", "sort": "size", "reverse": True, "titles": True},
        "cgi-dialect": "molly-brown",
    }  # fmt: skip
    assert not imported.remarks


def test_a_rate(molly):
    imported = molly("RateLimitEnable = true\nRateLimitAverage = 2\nRateLimitSoft = 20\nRateLimitHard = 60")
    assert imported.tables["limits"] == {"rate": {"limit": "2/1s", "burst": 20}}
    assert "shut out" in imported.reason(7)
    assert "limits" not in molly("RateLimitAverage = 2").tables


def test_no_listing(molly):
    assert molly("DirectoryListing = false").host["listing"] is False


def test_types(molly):
    imported = molly("""[MimeOverrides]
'\\.opml$' = "text/x-opml"
".XML$" = "text/xml"
".*\\\\.txt$" = "text/plain; charset=latin1"
'atom\\.xml$' = "application/atom+xml"
'^/srv/x\\.gmi$' = "text/plain"
'\\.c$' = "c"
'[' = "text/plain"
""")
    assert imported.host["mime"] == {".opml": "text/x-opml", ".txt": "text/plain; charset=latin1"}
    for line in (6, 8, 9, 11):
        assert "A type is for an extension" in imported.reason(line)
    assert "no media type" in imported.reason(10)


def test_directories_of_scripts(molly, tmp_path):
    root = tmp_path / "gem"
    (root / "cgi-bin").mkdir(parents=True)
    imported = molly(f"""DocBase = "{root}"
CGIPaths = [
  "{root}/cgi-bin", "users/*/cgi-bin/",
  "/opt/cgi",
  "none",
]""")
    assert imported.host["cgi"] == ["cgi-bin", "users/*/cgi-bin"]
    assert "not below the root" in imported.reason(7)
    assert "not there" in imported.reason(8)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Colour = 1", "Molly Brown has no such key"),
        ("ReadMollyFiles = true", "Files .molly are not read"),
        ("DirectorySubdirsFirst = false", "directories first"),
        ('DefaultEncoding = "latin1"', "gemtext alone"),
        ('DocBase = "gem"', "complete it"),
        ('"a\\u001b\\u2028b" = 1', "no such key"),
    ],
)
def test_what_is_told(text, reason, molly):
    assert reason in molly(text).reason(4)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Port = '1965'", "some.conf:4: Port: expected a whole number"),
        ("Port = true", "expected a whole number"),
        ("CGIPaths = [1]", "some.conf:4: CGIPaths: expected a list of texts"),
        ("[TempRedirects]\na = 1", "TempRedirects: expected a table of texts"),
        ("DirectorySort = 'Age'", 'some.conf:4: DirectorySort: expected "Name", "Size" or "Time"'),
        ("Hostname = 'a/b'", "some.conf:4: Hostname: a name is neither"),
        ("Hostname", "expected a = after the key"),
    ],
)
def test_mistakes(text, fault, molly):
    with pytest.raises(Failure, match=fault):
        molly(text)
