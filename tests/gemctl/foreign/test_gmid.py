"""What is for all servers of gmid's."""

import getpass
import os
from pathlib import Path

import pytest

from gemd.gemctl.failure import Failure

SERVER = 'server "a.org" { cert "/c.pem" key "/k.pem" root "/srv/a" %s }'


@pytest.fixture
def gmid(become):
    return lambda text, inner="": become("gmid", f"{text}\n{SERVER % inner}\n")


def test_its_defaults(gmid):
    imported = gmid("")
    assert imported.tables["listen"] == ["[::]:1965"]
    assert imported.tables["log"] == {"access": "syslog", "error": "syslog", "format": "legacy", "queries": "full"}
    assert '#user = "gemd"' in imported.text
    assert imported.host == {
        "name": "a.org", "certificate": "/c.pem", "key": "/k.pem", "check-port": False, "index": ["index.gmi"],
        "listing": False, "root": "/srv/a",
    }  # fmt: skip
    assert not imported.remarks


@pytest.mark.parametrize(
    ("text", "inner", "listen"),
    [
        ("ipv6 off\nport 1966", "", ["0.0.0.0:1966"]),
        ("ipv6 on", "", ["[::]:1965"]),
        ("", "listen on * port 1966\nlisten on 127.0.0.1", ["[::]:1966", "127.0.0.1:1965"]),
        ("", "listen on ::1 proxy-v1", [{"address": "[::1]:1965", "proxy-protocol": True}]),
        ("", "listen on b.org proxy-v1",
         [{"address": "b.org:1965", "proxy-protocol": True, "from": ["127.0.0.0/8", "::1"]}]),
        ("", 'listen on * port "domain"', ["[::]:53"]),
    ],
)  # fmt: skip
def test_listeners(text, inner, listen, gmid):
    assert gmid(text, inner).tables["listen"] == listen


def test_servers_that_listen_elsewhere(gmid):
    imported = gmid('server b.org { cert "/b" key "/b" listen on 127.0.0.1 }')
    assert imported.tables["listen"] == ["127.0.0.1:1965", "[::]:1965"]
    assert "on different addresses" in imported.reason(2)


def test_a_user_with_a_chroot(gmid):
    imported = gmid('user "www"\nchroot "/var/gem/"\nlog access "/logs/a.log"', 'fastcgi "/run/a.sock"')
    assert (imported.tables["user"], imported.tables["chroot"]) == ("www", "/var/gem")
    assert imported.tables["master-user"] == "root"
    assert imported.tables["log"]["access"] == "/var/gem/logs/a.log"
    assert imported.host["root"] == "/var/gem/srv/a"
    assert imported.host["fastcgi"]["to"] == "unix:/var/gem/run/a.sock"
    assert imported.host["certificate"] == "/c.pem"


def test_a_users_home_is_its_chroot(gmid, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "expanduser", lambda self: tmp_path)
    imported = gmid("user gem")
    assert (imported.tables["chroot"], imported.host["root"]) == (str(tmp_path), f"{tmp_path}/srv/a")
    assert "home for chroot" in imported.reason(1)
    # ... but not where gmid 1 was meant.
    assert "chroot" not in gmid("user gem\nipv6 on").tables


def test_a_user_who_is_not_here(gmid):
    imported = gmid('user "nobody-has-this-name"')
    assert "chroot" not in imported.tables
    assert [line for line, reason in imported.remarks if "no such user here" in reason] == [1]


@pytest.mark.skipif(os.environ.get("HOME") == "/", reason="whose home is no directory of its own")
def test_who_runs_this_has_a_home(gmid):
    home = str(Path(f"~{getpass.getuser()}").expanduser())
    if os.path.isdir(home) and home != "/":
        assert gmid(f'user "{getpass.getuser()}"').host["root"] == f"{home}/srv/a"


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("log syslog off", {"access": "off"}),
        ("log { style combined; syslog facility LOG_LOCAL3 }", {"format": "combined", "facility": "local3"}),
        ('log { access "/a.log"\nsyslog off }', {"access": "/a.log"}),
    ],
)
def test_logs(text, table, gmid):
    imported = gmid(text)
    assert table.items() <= imported.tables["log"].items()
    assert not imported.remarks


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('log access "/a.log"', "in syslog as well"),
        ("log syslog facility kern", "no such facility"),
        ("log style common", "begins with the host"),
        ('protocols "tlsv1.2"', "TLS 1.2 and 1.3"),
        ('types { include "/usr/share/misc/mime.types" }', "known already"),
    ],
)
def test_what_is_told(text, reason, gmid):
    assert reason in gmid(text).reason(1)


def test_the_rest(gmid):
    imported = gmid('prefork 4\nprotocols "tlsv1.3"\ntypes { text/x x; text/y Y z.gz }\nmap "a/b" to-ext "c"')
    assert imported.tables["workers"] == 4
    assert imported.tables["tls"] == {"minimum-version": "1.3"}
    assert imported.host["mime"] == {".x": "text/x", ".y": "text/y", ".c": "a/b"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("log style fancy", "gmid.conf:1: expected one of common, combined, condensed, legacy, not fancy"),
        ("", "gmid.conf: has no server"),
    ],
)
def test_mistakes(text, fault, become):
    with pytest.raises(Failure, match=fault):
        become("gmid", f"{text}\n{SERVER % ''}" if text else "", file="gmid.conf")


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_that_is_none(port, gmid):
    with pytest.raises(Failure, match=r"some\.conf:2: expected a port"):
        gmid("", f"listen on * port {port}")


def test_a_service_that_nobody_knows(gmid):
    with pytest.raises(Failure, match="no service is called no-such here"):
        gmid("", 'listen on * port "no-such"')
