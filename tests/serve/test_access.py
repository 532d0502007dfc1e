"""Who may connect, how often at once, and from where to a location."""

import os
import signal
import ssl
import subprocess
import sys
from contextlib import ExitStack, suppress

import pytest

from tests.support.tls_client import make_context

from .conftest import AS_ROOT, read_answer, wait_for
from .scripts import script  # noqa: F401, a fixture
from .succession import tell

CONFIG = """
workers = {workers}
control = "{{tmp}}/control.sock"
{top}
[[host]]
name = "localhost"
root = "{{root}}"
cgi = "cgi-bin"
"""
ACCESS = '[access]\nallow = ["127.0.0.0/8"]\ndeny = ["127.0.2.0/24", "127.0.3.7"]\n'
INSIDE = """
  [[host.location]]
  path = "/inside/"
  access = { deny = ["127.0.0.0/8"], allow = ["127.0.5.0/24"], status = 51 }
  [[host.location]]
  path = "/inside/lobby/"
  access = "any"
  [[host.location]]
  path = "/cgi-bin/tools/"
  access = { allow = ["127.0.5.1"] }
"""


def start(configure, top, more="", workers=2):
    return configure(CONFIG.format(workers=workers, top=top) + more)


def is_let_in(daemon, source):
    with suppress(OSError):
        return daemon.ask("/", source=source).complete
    return False


def make_hello():
    """The first bytes of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = make_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def read_after(daemon, source, data):
    """What comes back to these first bytes; they may be unread when the socket is closed, which is a reset then."""
    with daemon.connect(source=source) as sock:
        sock.sendall(data)
        with suppress(ConnectionResetError):
            return sock.recv(100)
    return b""


@pytest.mark.parametrize("workers", [1, 3])
def test_who_may_not_connect_is_closed_without_a_byte(configure, tmp_path, workers):
    daemon = start(configure, ACCESS, workers=workers)
    found = {source: is_let_in(daemon, source) for source in ("127.0.0.2", "127.0.2.1", "127.0.3.7", "127.0.3.8")}
    assert found == {"127.0.0.2": True, "127.0.2.1": False, "127.0.3.7": False, "127.0.3.8": True}
    assert read_after(daemon, "127.0.2.1", make_hello()) == b""
    assert read_after(daemon, "127.0.3.8", make_hello()) != b""
    assert ": closed before TLS: not for its network (access)" in daemon.errors
    wait_for(lambda: tell(tmp_path / "control.sock", "status")["status"]["refused"] == 3, "the count")


def test_a_reload_changes_who_may(configure, tmp_path):
    daemon = start(configure, "")
    assert is_let_in(daemon, "127.0.2.1")
    path = tmp_path / "gemd.conf"
    path.write_text(path.read_text().replace("[[host]]", ACCESS + "[[host]]"))
    daemon.reload()
    wait_for(lambda: not is_let_in(daemon, "127.0.2.1"), "the list to hold")
    assert is_let_in(daemon, "127.0.0.2")


def test_a_location_is_for_networks_by_every_name(configure, capsule, script):  # noqa: F811
    for name in ("inside", "inside/lobby", "outside"):
        (capsule / name).mkdir(exist_ok=True)
        (capsule / name / "page.gmi").write_text(f"# {name}\n")
    (capsule / "outside/link").symlink_to("../inside")
    (capsule / "outside/file").symlink_to("../inside/page.gmi")
    (capsule / "cgi-bin/tools").mkdir()
    script("tools/run", "echo 20 text/plain; echo ran\n")
    (capsule / "cgi-bin/other").symlink_to("tools")
    daemon = start(configure, "", INSIDE)

    def statuses(source):
        paths = ("/inside/page.gmi", "/outside/link/page.gmi", "/outside/file", "/outside/link/lobby/page.gmi")
        paths += ("/inside/lobby/page.gmi", "/cgi-bin/tools/run", "/cgi-bin/other/run", "/inside/nothing")
        return [daemon.ask(path, source=source).status for path in paths]

    assert statuses("127.0.0.2") == [51, 51, 51, 20, 20, 50, 50, 51]
    assert statuses("127.0.5.1") == [20, 20, 20, 20, 20, 20, 20, 51]
    assert b"file" not in daemon.ask("/outside/", source="127.0.0.2").body
    assert b"file" in daemon.ask("/outside/", source="127.0.5.1").body
    assert daemon.ask("/inside/page.gmi").header == daemon.ask("/inside/nothing", source="127.0.5.1").header


def test_what_is_wrong_or_has_no_effect_is_said(tmp_path, capsule):
    path = tmp_path / "gemd.conf"
    host = f'[[host]]\nname = "localhost"\nroot = "{capsule}"\n'

    def check(lists):
        path.write_text(f"[access]\n{lists}\n{host}")
        command = [sys.executable, "-m", "gemd", "-t", "-c", str(path), *AS_ROOT]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr

    code, said = check('deny = ["192.0.2.1/24"]')
    assert code != 0
    assert 'access.deny[1]: "192.0.2.1" is an address in the network "192.0.2.0/24"' in said
    code, said = check('deny = ["192.0.2.0/24", "192.0.2.1"]')
    assert code == 0
    assert "gemd.conf:2: access.deny[2]: 192.0.2.1 has no effect: it is in 192.0.2.0/24 (deny[1])" in said


# Connections at once

FEW = "[limits]\nconnections-per-address = 3\n"


def count_open(daemon, stack, number, source="127.0.0.2"):
    """How many of so many connections are let in; they stay open."""
    count = 0
    for _ in range(number):
        with suppress(OSError):
            stack.enter_context(daemon.tls(source=source))
            count += 1
    return count


def test_a_client_has_so_many_connections_over_all_workers(configure, tmp_path):
    daemon = start(configure, FEW, workers=3)
    with ExitStack() as stack:
        assert count_open(daemon, stack, 9) == 3
        assert daemon.ask("/", source="127.0.0.3").complete
        assert "127.0.0.2: closed before TLS: too many at once (limits.connections-per-address)" in daemon.errors
        wait_for(lambda: tell(tmp_path / "control.sock", "status")["status"]["refused"] == 6, "the count")
    wait_for(lambda: is_let_in(daemon, "127.0.0.2"), "a place")
    for _ in range(20):  # whoever was answered has left
        wait_for(lambda: is_let_in(daemon, "127.0.0.2"), "a place")


def test_places_of_a_worker_that_dies_are_free(configure):
    daemon = start(configure, FEW, workers=3)
    with ExitStack() as stack:
        assert count_open(daemon, stack, 5) == 3
        daemon.expect("killed")
        before = set(daemon.workers)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: len(set(daemon.workers) - before) == 3, "others in their place")
        with ExitStack() as again:
            assert count_open(daemon, again, 5) == 3


def test_they_are_as_many_after_a_reload_to_fewer_workers(configure, tmp_path):
    daemon = start(configure, FEW, workers=8)
    path = tmp_path / "gemd.conf"
    path.write_text(path.read_text().replace("workers = 8", "workers = 2"))
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "reloaded: " in daemon.errors and len(daemon.workers) == 2, "two workers")
    for _ in range(3):  # so that both have some
        with ExitStack() as stack:
            assert count_open(daemon, stack, 12) <= 3
        wait_for(lambda: is_let_in(daemon, "127.0.0.2"), "a place")


def test_connections_of_a_former_generation_count(configure):
    daemon = start(configure, FEW)
    with daemon.tls(source="127.0.0.2") as held, ExitStack() as stack:
        daemon.reload()
        assert count_open(daemon, stack, 5) == 2
        held.sendall(daemon.url("/").encode() + b"\r\n")
        assert read_answer(held).complete
