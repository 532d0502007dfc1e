"""What clients share: none has so much of it that there is nothing left for the others."""

import time
from collections import Counter
from contextlib import ExitStack, suppress

import pytest

from .applications import serve_app, write  # noqa: F401, fixtures
from .conftest import read_answer, wait_for
from .scripts import script  # noqa: F401, a fixture
from .succession import tell

CONFIG = """
workers = {workers}
control = "{{tmp}}/control.sock"
[timeouts]
cgi = 60
cgi-header = 60
[limits]
{limits}
[[host]]
name = "localhost"
root = "{{root}}"
cgi = "cgi-bin"
"""


def begin(daemon, path, source):
    """A connection whose request is sent."""
    tls = daemon.tls(source=source)
    tls.sendall(daemon.url(path).encode() + b"\r\n")
    return tls


@pytest.fixture
def gate(script, tmp_path):
    """A script that begins at once and ends when the gate is opened."""
    path = tmp_path / "open"
    script("gate", f"echo 20 text/plain; echo begun; while ! test -e {path}; do sleep 0.02; done; echo done\n")
    return path


def read_until(tls, text):
    """What comes, up to this."""
    got = b""
    while text not in got:
        data = tls.recv(4096)
        assert data, got
        got += data
    return got


# Handshakes


def shake_hands(daemon, number, source):
    """How so many connections ended."""
    ends = Counter()
    for _ in range(number):
        try:
            with begin(daemon, "/", source) as tls:
                ends[read_answer(tls).header] += 1
        except OSError:
            ends["closed"] += 1
    return ends


def test_a_client_has_so_many_handshakes_a_second_over_all_workers(configure, tmp_path):
    daemon = configure(CONFIG.format(workers=3, limits="handshakes = 2"))
    start = time.monotonic()
    ends = shake_hands(daemon, 10, "127.0.0.2")
    ends += shake_hands(daemon, 10, "127.0.0.2")
    allowed = 2 + 2 * (time.monotonic() - start)
    assert 2 <= ends["20 text/gemini"] <= allowed
    assert ends["closed"] == 20 - ends["20 text/gemini"]
    assert daemon.ask("/", source="127.0.0.3").complete
    assert "127.0.0.2: closed before TLS: too many (limits.handshakes)" in daemon.errors
    wait_for(lambda: tell(tmp_path / "control.sock", "status")["status"]["refused"] == ends["closed"], "the count")


def test_whoever_was_refused_may_come_again(configure):
    daemon = configure(CONFIG.format(workers=2, limits="handshakes = 2"))
    shake_hands(daemon, 8, "127.0.0.2")

    def is_answered():
        with suppress(OSError):
            return daemon.ask("/", source="127.0.0.2").complete
        return False

    wait_for(is_answered, "an answer")


# Scripts


def test_two_clients_never_have_all_scripts(configure, gate):
    daemon = configure(CONFIG.format(workers=1, limits="cgi = 7\ncgi-per-address = 7"))
    with ExitStack() as stack:
        for source in ("127.0.0.2", "127.0.0.3"):
            for _ in range(3):
                read_until(stack.enter_context(begin(daemon, "/cgi-bin/gate", source)), b"begun")
            assert daemon.ask("/cgi-bin/gate", source=source).status == 41
        last = stack.enter_context(begin(daemon, "/cgi-bin/gate", "127.0.0.4"))
        read_until(last, b"begun")
        gate.touch()
        read_until(last, b"done")


def test_a_script_waits_for_its_turn(configure, gate):
    daemon = configure(CONFIG.format(workers=1, limits="cgi = 1"))
    with ExitStack() as stack:
        first = stack.enter_context(begin(daemon, "/cgi-bin/gate", "127.0.0.2"))
        read_until(first, b"begun")
        second = stack.enter_context(begin(daemon, "/cgi-bin/gate", "127.0.0.3"))
        second.settimeout(0.3)
        with pytest.raises(TimeoutError):
            second.recv(1)
        second.settimeout(15)
        gate.touch()
        read_until(second, b"done")


def test_a_worker_with_all_its_scripts_leaves_accepting_to_the_others(configure, gate):
    """In one of two workers a script would have to wait: each finds the other one."""
    daemon = configure(CONFIG.format(workers=5, limits="cgi = 1"))
    with ExitStack() as stack:
        for nr in range(5):
            read_until(stack.enter_context(begin(daemon, "/cgi-bin/gate", f"127.0.0.{nr + 2}")), b"begun")
        assert daemon.ask("/").complete  # all are full, and go on accepting
        gate.touch()


# Applications

COUNTING = """
import os, time
COUNT = [0]

def app(environ, send_status):
    while environ["GEMINI_URL"].endswith("/x") and not os.path.exists(os.environ["TRACE"]):
        time.sleep(0.02)
    COUNT[0] += 1
    send_status(20, "text/plain")
    return str(COUNT[0])
"""


def test_calls_are_taken_in_turn_by_client(serve_app, write, tmp_path):
    write("counting.py", COUNTING)
    daemon = serve_app("counting:app", workers=1, more='control = "{tmp}/control.sock"\n')
    with ExitStack() as stack:
        much = [stack.enter_context(begin(daemon, "/x", "127.0.0.2")) for _ in range(20)]
        little = [stack.enter_context(begin(daemon, "/x", f"127.0.0.{nr}")) for nr in (3, 4)]
        all_are_here = lambda: tell(tmp_path / "control.sock", "status")["status"]["writing"] == 22  # noqa: E731
        wait_for(all_are_here, "all calls to be here")
        (tmp_path / "trace").touch()
        turns = [int(read_answer(tls).text) for tls in little]
        assert max(turns) <= 5
        assert {int(read_answer(tls).text) for tls in much} | set(turns) == set(range(1, 23))
