"""Jetforce's flags, and what it has without them."""

import pytest

from gemd.gemctl.failure import Failure


@pytest.fixture
def jetforce(become):
    return lambda flags, start="": become("jetforce", f"{start}\njetforce {flags}\n")


def test_its_defaults(jetforce):
    imported = jetforce("", "cd /nowhere/srv")
    assert imported.tables["listen"] == ["127.0.0.1:1965"]
    assert imported.host == {"name": "localhost", "root": "/nowhere/srv", "index": ["index.gmi"], "cgi": "cgi-bin"}
    assert imported.tables["log"] == {"format": "jetforce", "queries": "full"}
    assert "/tmp/localhost.crt" in imported.reason(2)


def test_every_flag(jetforce):
    imported = jetforce(
        '--host "" --port 1966 --hostname Example.org --tls-certfile c.pem --tls-keyfile /k.pem --tls-cafile ca.pem'
        " --tls-capath /ca --dir pages --cgi-dir bin/ --index-file i.gmi --default-lang en --rate-limit 60/5m",
        "cd /nowhere/srv",
    )
    assert imported.tables["listen"] == ["[::]:1966"]
    assert imported.tables["tls"] == {"ca-file": "/nowhere/srv/ca.pem", "ca-path": "/ca"}
    assert imported.tables["limits"] == {"rate": "60/5m"}
    assert imported.host == {
        "name": "Example.org", "certificate": "/nowhere/srv/c.pem", "key": "/k.pem", "root": "/nowhere/srv/pages",
        "index": ["i.gmi"], "cgi": "bin", "lang": "en",
    }  # fmt: skip
    assert not imported.remarks


def test_a_certificate_with_its_key(jetforce):
    host = jetforce("--tls-certfile /c.pem --dir /srv").host
    assert (host["certificate"], host["key"]) == ("/c.pem", "/c.pem")


@pytest.mark.parametrize(
    ("flags", "entry"),
    [
        ("--no-tls", {"tls": False}),
        ("--no-tls --host 0.0.0.0", {"address": "0.0.0.0:1965", "tls": False, "force": True}),
        ("--proxy-protocol", {"proxy-protocol": True}),
        (
            "--proxy-protocol --host ::",
            {"address": "[::]:1965", "proxy-protocol": True, "from": ["127.0.0.0/8", "::1"]},
        ),
    ],
)
def test_listeners_with_more(flags, entry, jetforce):
    imported = jetforce(f"{flags} --dir /srv --tls-certfile /c.pem")
    assert imported.tables["listen"] == [{"address": "127.0.0.1:1965"} | entry]
    assert bool(imported.remarks) == ("force" in entry or "from" in entry)


def test_whom_a_unit_names(become):
    imported = become("jetforce", "[Service]\nUser=gem\nGroup=caps\nWorkingDirectory=/srv\nExecStart=jetforce --no-tls")
    assert (imported.tables["user"], imported.tables["group"], imported.host["root"]) == ("gem", "caps", "/srv")


def test_a_directory_of_scripts_that_is_not_there(jetforce, tmp_path):
    imported = jetforce(f"--dir {tmp_path} --cgi-dir bin")
    assert "cgi" not in imported.host
    assert '#cgi = "bin"' in imported.text
    (tmp_path / "bin").mkdir()
    assert jetforce(f"--dir {tmp_path} --cgi-dir bin").host["cgi"] == "bin"


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ("--odd 7", "Jetforce has no such flag"),
        ("--rate-limit often", "This is no rate: expected a rate such as"),
        ("--dir pages", "complete them"),
        ("--odd \x1b[2J", "no such flag"),
    ],
)
def test_what_is_told(flags, reason, jetforce):
    assert reason in jetforce(flags).reason(2)


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        ("--port gemini", "some.conf:2: --port gemini: expected a number"),
        ("--port ١٩٦٥", "--port ١٩٦٥: expected a number"),
        (f"--port {'9' * 5000}", "expected a number up to 65535"),
        ("--port 65536", "a port is at most 65535"),
        ("--host a]", r"a\]:1965: expected"),
    ],
)
def test_mistakes(flags, fault, jetforce):
    with pytest.raises(Failure, match=fault):
        jetforce(flags)
