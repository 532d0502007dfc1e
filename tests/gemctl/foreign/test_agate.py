"""Agate's flags, its certificates, and the directories that may be listed."""

import pytest

from gemd.gemctl.failure import Failure


@pytest.fixture
def agate(become, tmp_path):
    return lambda flags: become("agate", f"cd {tmp_path}\nagate {flags}\n")


def test_its_defaults(agate, tmp_path):
    imported = agate("--hostname example.org")
    assert imported.tables["listen"] == ["[::]:1965", "0.0.0.0:1965"]
    assert imported.tables["log"] == {"addresses": "none"}
    assert imported.host == {
        "name": "example.org", "root": f"{tmp_path}/content", "index": ["index.gmi"], "listing": False,
        "meta-files": True, "dot-files": False,
    }  # fmt: skip
    assert "No certificate of Agate's is here" in imported.reason(2)


def test_every_flag(agate, tmp_path):
    imported = agate(
        "--content /c --certs /k --addr [::]:1966 --addr 127.0.0.1:1966 --socket a.sock --hostname example.org"
        " --lang en-GB -3 --serve-secret --log-ip --central-conf --ed25519 --skip-port-check"
    )
    assert imported.tables["listen"] == ["[::]:1966", "127.0.0.1:1966", f"unix:{tmp_path}/a.sock"]
    assert imported.tables["tls"] == {"minimum-version": "1.3"}
    assert "log" not in imported.tables
    assert imported.host == {
        "name": "example.org", "root": "/c", "index": ["index.gmi"], "listing": False, "meta-files": True,
        "dot-files": True, "lang": "en-GB", "check-port": False,
    }  # fmt: skip
    assert "ECDSA" in imported.reason(2)
    assert "/c/.meta is read, and so are" in imported.reason(2)


def test_several_hosts(agate, tmp_path):
    imported = agate("--hostname a.org --hostname b.org -C")
    roots = [(host["name"], host["root"]) for host in imported.tables["host"]]
    assert roots == [("a.org", f"{tmp_path}/content/a.org"), ("b.org", f"{tmp_path}/content/b.org")]
    assert "move its lines that begin with b.org/" in imported.reason(2)


def test_any_host(agate):
    imported = agate("")
    assert (imported.host["name"], imported.host["aliases"]) == ("localhost", ["*"])
    assert "Agate answers for any name" in imported.reason(2)


@pytest.mark.parametrize("directory", ["a.b.org", "b.org", "org", "."])
def test_the_certificate_that_fits_best(directory, agate, tmp_path):
    for place in {".", directory}:
        (tmp_path / ".certificates" / place).mkdir(parents=True, exist_ok=True)
        for name in ("cert.der", "key.der"):
            (tmp_path / ".certificates" / place / name).touch()
    host = agate("--hostname a.b.org").host
    place = tmp_path / ".certificates" / directory
    assert (host["certificate"], host["key"]) == (str(place / "cert.der"), str(place / "key.der"))


def test_directories_that_may_be_listed(agate, tmp_path):
    for path in ("b/c", 'a "x"', ".hidden", "d"):
        (tmp_path / "content" / path).mkdir(parents=True)
    for path in ("", "b/c", 'a "x"', ".hidden"):
        (tmp_path / "content" / path / ".directory-listing-ok").touch()
    imported = agate("--hostname example.org")
    assert [location["path"] for location in imported.host["location"]] == ["/", '/a "x"/', "/b/c/"]
    assert imported.location("/b/c/", "exact") == {"listing": {"preamble": ".directory-listing-ok"}}
    # ... and not what is below.
    assert [each.listing is False for each in imported.config.hosts[0].locations].count(True) == 1


@pytest.mark.parametrize(
    ("flags", "fault"),
    [("--addr 1965", "some.conf:2: 1965: a port needs"), ("--hostname a_/", "--hostname a_/: a name")],
)
def test_mistakes(flags, fault, agate):
    with pytest.raises(Failure, match=fault):
        agate(flags)


def test_flags_of_before(agate, tmp_path):
    host = agate("--key /k.der --cert c.der --hostname a.org").host
    assert (host["certificate"], host["key"]) == (f"{tmp_path}/c.der", "/k.der")
    # ... which is no beginning of --certs.
    assert agate("--cert c.pem").host["key"] == f"{tmp_path}/key.rsa"
