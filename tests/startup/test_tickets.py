"""What is known of session tickets before OpenSSL is loaded, and what is made of that."""

import os
import subprocess
import sys

import pytest

from gemd.config import parse_config
from gemd.options import parse_arguments
from gemd.startup import tickets
from gemd.startup.tickets import IDLE, TOO_LATE, find_idle_tickets, gives_tickets, keep_to_loaded, wants_tickets

ON = "[tls]\nsession-tickets = true\n"


@pytest.fixture
def file(tmp_path):
    """A configuration that wants tickets."""
    path = tmp_path / "gemd.conf"
    path.write_text(ON)
    return path


COMMANDS = [
    "-c {}",
    "-c{}",
    "--config {}",
    "--config={}",
    "-dc {}",
    "-d --config {} --workers 2",
    "--dir x -c {}",
    "-tc{}",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_file_is_found_as_the_command_line_has_it(file, command):
    arguments = command.format(file).split()
    assert parse_arguments(arguments).config == file
    assert wants_tickets(arguments)


TEXTS = {
    "": False,
    ON: True,
    "tls = { session-tickets = true }": True,
    "[tls]\nsession-tickets = false": False,
    "[tls]\nsession-tickets = 1": False,
    "[tls]\n# session-tickets = true": False,
    "session-tickets = true": False,
    "tls = ['session-tickets']": False,
    "[[tls]]\nsession-tickets = true": False,
    "[tls\nsession-tickets = true": False,
}


@pytest.mark.parametrize(("text", "is_wanted"), TEXTS.items())
def test_what_the_file_says(file, text, is_wanted):
    file.write_text(text)
    assert wants_tickets(["-c", str(file)]) is is_wanted


def test_whatever_is_wrong_is_left_to_others(file, tmp_path, capsys):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "binary").write_bytes(b"\xff session-tickets")
    for name in ("missing", "fifo", "binary", "", "gemd.conf/x", "a" * 300):
        assert not wants_tickets(["-c", str(tmp_path / name)])
    for arguments in ([], ["-c"], ["--config"], ["--nothing"], ["-h"], ["-V"], ["-d=x"]):
        assert not wants_tickets(arguments)
    assert capsys.readouterr() == ("", "")


def test_a_look_loads_no_openssl(file):
    """Nor does what it imports: it would be too late then."""
    code = "import sys; from gemd.startup.tickets import wants_tickets as wants; wanted = wants(['-c', sys.argv[1]])"
    code += "; print(wanted, 'cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "False"], done.stderr


def test_it_is_off_where_openssl_does_not_go_along(configure, tmp_path, monkeypatch):
    on, off = configure(tls={"session-tickets": True}), configure(tls={"session-tickets": False})
    monkeypatch.setattr(tickets, "has_tickets", lambda: False)
    assert keep_to_loaded(on) == (off, [TOO_LATE])
    assert keep_to_loaded(off) == (off, [])
    monkeypatch.setattr(tickets, "has_tickets", lambda: True)
    assert keep_to_loaded(on) == (on, [])
    assert keep_to_loaded(off) == (off, [])


@pytest.mark.parametrize("keys", [{"client-certificate": "any"}, {"titan": {"allow": "any"}}])
def test_hosts_that_may_ask_for_a_certificate_give_none(root, tmp_path, keys):
    location = {"path": "/m/", **keys}
    members = {"name": "m", "root": str(root), "location": [location]}
    others = {"name": "o", "root": str(root), "titan": {"public": True}}

    def configure(*hosts, is_on=True):
        tables = {"host": [*hosts], "tls": {"session-tickets": is_on}}
        return parse_config(tables, base=tmp_path, source=None, cpus=1)

    assert [gives_tickets(host) for host in configure(members, others).hosts] == [False, True]
    assert find_idle_tickets(configure(members, others)) == []
    assert find_idle_tickets(configure(members)) == [IDLE]
    assert find_idle_tickets(configure(members, is_on=False)) == []
