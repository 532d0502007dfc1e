"""Who is checked."""

import msgspec
import pytest

from gemd.gemctl.check import subjects as module
from gemd.gemctl.check.subjects import find_subjects
from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.options import parse_arguments
from gemd.protocol.response import ResolveError
from tests.gemctl.conftest import STATUS

CONF = """
listen = ["[::]:1965", "127.0.0.1:1966", "unix:/run/x.sock", { address = "127.0.0.1:1967", tls = false },
          { address = "127.0.0.1:1968", proxy-protocol = true }]
control = "control0.sock"
[timeouts]
request = 3
[[host]]
name = "example.org"
aliases = ["*.example.org"]
[[host]]
name = "*.example.net"
check-port = false
[[host]]
name = "passed.example.org"
pass = "127.0.0.1:3000"
"""


@pytest.fixture
def subjects(tmp_path, master, monkeypatch):
    """Those that a command line stands for, with a configuration and a master that runs it."""
    path = tmp_path / "gemd.conf"
    monkeypatch.setattr(
        module, "look_up", lambda host, port: [(2, ("192.0.2.1", port)), (10, ("2001:db8::1", port, 0, 0))]
    )

    def subjects(*arguments, text=CONF, listeners=("[::]:1965", "127.0.0.1:1966")):
        path.write_text(text)
        status = STATUS | {"listeners": list(listeners), "configuration": str(path)}
        master(msgspec.json.encode({"ok": True, "status": status}) + b"\n")
        return find_subjects(parse_arguments(["-c", str(path), "check", *arguments]))

    return subjects


def test_each_host_where_it_listens(subjects):
    found = [(one.host, one.port, one.addresses) for one in subjects()]
    every, one = (("::1", 1965), ("127.0.0.1", 1965)), (("127.0.0.1", 1966),)
    assert found == [
        ("example.org", 1965, every),
        ("gemctl-check.example.net", 1965, every),
        ("example.org", 1966, one),
        ("gemctl-check.example.net", 1966, one),
    ]


def test_what_the_configuration_says_of_them(subjects):
    first, second = subjects(text=CONF.replace("127.0.0.1:1966", "0.0.0.0:1966"), listeners=["0.0.0.0:1966"])
    assert (first.patience, first.is_own, first.path, first.exempt) == (8.0, True, "/", {})
    assert (second.exempt, second.addresses) == ({"other-port": "check-port = false"}, (("127.0.0.1", 1966),))


def test_what_it_makes_pointless(subjects):
    text = CONF + '[[host]]\nname = "*"\n[tls]\nminimum-version = "1.3"\n'
    found = subjects(text=text)
    assert found[0].exempt == {
        "unknown-name": 'the host "*" answers for all others',
        "other-host": 'the host "*" answers for all others',
        "tls-1.2": 'tls.minimum-version = "1.3"',
    }
    assert "*" not in {one.host for one in found}


def test_an_application_for_all(subjects, tmp_path):
    host = '[[host]]\nname = "example.com"\napp = "a:b"\nschemes = ["gemini", "https"]\nhosts = "*"\n'
    assert subjects(text=CONF + host)[2].exempt == {
        "other-scheme": "an application takes other schemes (schemes)",
        "other-host": 'an application answers for all hosts (hosts = "*")',
    }


def test_nobody_takes_clients_with_tls(subjects):
    with pytest.raises(Failure, match="no listener takes clients with TLS"):
        subjects(listeners=["unix:/run/x.sock", "127.0.0.1:1967", "127.0.0.1:1968"])


def test_nobody_has_a_name(subjects):
    text = 'control = "control0.sock"\n[[host]]\nname = "*"\ncertificate = "a.crt"\nkey = "a.key"\n'
    with pytest.raises(Failure, match=r'each host is called "\*" or passed on: say by which name') as caught:
        subjects(text=text, listeners=["[::]:1965"])
    assert caught.value.code == ExitCode.UNCHECKED


def test_access_keeps_this_machine_out(subjects):
    with pytest.raises(Failure, match=r"access lets nobody in from ::1, 127.0.0.1: allow that, or check") as caught:
        subjects(text=CONF + '[access]\nallow = ["192.0.2.0/24"]\n')
    assert caught.value.code == ExitCode.UNCHECKED
    found = subjects(text=CONF + '[access]\ndeny = ["::1"]\n')
    assert {one.addresses for one in found} == {(("127.0.0.1", 1965),), (("127.0.0.1", 1966),)}


GONE = '[[host]]\nname = "example.com"\n'


@pytest.mark.parametrize(
    ("host", "reason"),
    {
        "gone = true\n": "gone = true",
        'root = "x"\naccess = { allow = ["192.0.2.0/24"] }\n': "access keeps this machine out",
        'root = "x"\n[[host.location]]\npath = "/"\nmatch = "exact"\ngone = true\n': "gone = true",
        'root = "x"\naccess = { deny = ["192.0.2.0/24"] }\n': None,
        'root = "x"\n[[host.location]]\npath = "/a"\ngone = true\n': None,
    }.items(),
)
def test_a_host_without_a_first_page_for_this_machine(subjects, monkeypatch, host, reason):
    assert subjects(text=CONF + GONE + host)[2].exempt.get("start-page") == reason
    monkeypatch.setattr(module, "look_up", lambda host, port: [(10, ("::1", port, 0, 0))])
    (one,) = subjects("example.com", text=CONF + GONE + host)
    assert one.exempt.get("start-page") == reason
    (one,) = subjects("example.com/a", text=CONF + GONE + host)
    assert "start-page" not in one.exempt


def test_by_the_socket_alone(subjects, tmp_path):
    subjects()
    options = parse_arguments(["-s", str(tmp_path / "control0.sock"), "check"])
    assert find_subjects(options)[0].host == "example.org"


@pytest.mark.parametrize("url", ["example.org", "gemini://a.example.org/x/y?q", "gemini://a.example.net:1965"])
def test_a_host_of_ones_own(subjects, url):
    (one,) = subjects(url)
    assert (one.is_own, one.patience) == (True, 8.0)
    assert one.addresses == (("2001:db8::1", 1965), ("192.0.2.1", 1965))
    assert one.path == ("/x/y" if "/x" in url else "/")


def test_somebody_elses(subjects):
    with pytest.raises(Failure, match=r"example.com is no host of .*, nor on this machine: --foreign says") as caught:
        subjects("example.com")
    assert caught.value.code == ExitCode.USAGE
    (one,) = subjects("--foreign", "example.com")
    assert (one.is_own, one.patience) == (False, 60.0)


def test_on_this_machine(subjects, monkeypatch):
    monkeypatch.setattr(module, "look_up", lambda host, port: [(10, ("::1", port, 0, 0))])
    (one,) = subjects("example.com", text="nonsense")
    assert (one.is_own, one.addresses) == (True, (("::1", 1965),))


def test_elsewhere_than_its_name_says(subjects):
    (one,) = subjects("--connect", "127.0.0.1:3000", "example.com")
    assert (one.is_own, one.addresses, one.port) == (True, (("127.0.0.1", 3000),), 1965)


def test_a_name_that_nobody_has(subjects, monkeypatch):
    def refuse(host, port):
        raise ResolveError("no such name")

    monkeypatch.setattr(module, "look_up", refuse)
    with pytest.raises(Failure, match=r"example.org: no such name") as caught:
        subjects("example.org")
    assert caught.value.code == ExitCode.UNCHECKED


def test_what_is_no_host(subjects):
    with pytest.raises(Failure, match="only gemini:// can be fetched"):
        subjects("https://example.org/")
