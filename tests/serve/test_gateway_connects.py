"""Applications that gemd may not connect to, or not yet."""

import os
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest

from gemd.protocol.fastcgi import RecordType, encode_end, encode_record
from tests.support.hostile import Application, read_fastcgi, send
from tests.support.upstreams import blackhole
from tests.support.waiting import wait_for

from .conftest import read_answer
from .succession import public_folder

PAGE = b"20 text/plain\r\nHi"
WHOLE = encode_record(RecordType.STDOUT, PAGE) + encode_end()
USER = 'user = "nobody"\n[tls]\ncertificates = "{tmp}/certificates"\n' if os.geteuid() == 0 else ""
HOST = """
[[host]]
name = "localhost"
root = "{public}/capsule"
"""
LOCATION = """
[[host.location]]
path = "/app"
fastcgi = {{ to = {to}, timeout = {timeout} }}
"""


@pytest.fixture
def public():
    with public_folder() as folder:
        yield folder


@pytest.fixture
def serve(public, configure):
    """Serve with an application at `to`, as a user who is no root."""

    def serve_it(to, timeout=30.0):
        text = USER.replace("[tls]", 'master-user = "root"\n[tls]') + HOST.replace("{public}", str(public))
        return configure(text + LOCATION.format(to=to, timeout=timeout))

    return serve_it


@contextmanager
def application(place: Path | None):
    made = Application(place, read_fastcgi, {"page": send(WHOLE)})
    try:
        yield made
    finally:
        made.close()


def test_one_whose_socket_is_for_others(public, serve):
    """It is asked as soon as that is set right."""
    path = public / "app.sock"
    with application(path) as made:
        path.chmod(0)
        daemon = serve(f'"{made.place}"')
        daemon.expect("the application at .* can't be reached: Permission denied")
        answer = daemon.ask("/app/page")
        assert (answer.status, answer.complete) == (43, True)
        assert "Permission denied" in daemon.errors
        path.chmod(0o666)
        assert daemon.ask("/app/page").raw == PAGE


def test_one_whose_socket_has_become_a_file(public, serve):
    path = public / "app.sock"
    path.write_text("no socket\n")
    path.chmod(0o666)
    daemon = serve(f'"unix:{path}"')
    daemon.expect("the application at .* can't be reached: Connection refused")
    assert daemon.ask("/app/page").status == 43
    path.unlink()
    with application(path):
        path.chmod(0o666)
        assert daemon.ask("/app/page").raw == PAGE


@contextmanager
def full_socket(path: Path):
    """A listener that nobody accepts from, until somebody does."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as filler:
        listener.bind(os.fspath(path))
        listener.listen(0)
        path.chmod(0o666)
        filler.connect(os.fspath(path))
        yield listener


def test_one_that_is_busy_is_waited_for_and_holds_up_nobody(public, serve):
    with full_socket(public / "app.sock") as listener:
        daemon = serve(f'"unix:{public}/app.sock"')
        with daemon.tls() as client:
            client.sendall(daemon.url("/app/page").encode() + b"\r\n")
            for _ in range(4):
                assert daemon.ask("/").complete
            listener.accept()[0].close()
            with listener.accept()[0] as asked:
                assert read_fastcgi(asked)[b"PATH_INFO"] == b"/page"
                asked.sendall(WHOLE)
            answer = read_answer(client)
        assert (answer.raw, answer.complete) == (PAGE, True)


def test_one_that_stays_busy_is_named(public, serve):
    with full_socket(public / "app.sock"):
        daemon = serve(f'"unix:{public}/app.sock"', timeout=0.5)
        daemon.expect("the application at .* can't be reached: it accepts no more")
        assert daemon.ask("/app/page").status == 43
        assert wait_for(lambda: "its backlog is full" in daemon.errors, "the reason")


def test_one_that_does_not_answer_leaves_time_for_the_next(serve):
    """A connection that hangs, as at a machine which is down."""
    with blackhole() as (host, port), application(None) as made:
        daemon = serve(f'["{host}:{port}", "{made.place}"]', timeout=2.0)
        daemon.expect("it does not answer, and is left out")
        for _ in range(6):  # by either worker
            assert daemon.ask("/app/page").raw == PAGE
        assert "it does not answer, and is left out" in daemon.errors
