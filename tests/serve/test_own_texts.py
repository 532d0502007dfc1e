"""A host's own words for what gemd refuses, and those of others, which stay."""

import socket

import pytest

from .conftest import read_answer
from .sharing import shared_daemon

CONFIG = """
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
errors = { 42 = "Our fault", 43 = "Ask our neighbour", 51 = "Lost in space" }
  [[host.location]]
  path = "/asked/"
  fastcgi = { to = "unix:{tmp}/none.sock" }
"""

SCRIPTS = {
    "own": "printf '51 My own words\\r\\n'",
    "fails": "exit 3",
    "page": "printf '20 text/plain\\r\\nHi'",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    places = folder / "capsule/cgi-bin"
    places.mkdir(parents=True)
    for name, text in SCRIPTS.items():
        (places / name).write_text(f"#!/bin/sh\n{text}\n")
        (places / name).chmod(0o755)
    with shared_daemon(folder, CONFIG) as daemon:
        daemon.expect("script /cgi-bin/fails ", "can't be reached: No such file or directory")
        yield daemon


ANSWERS = {
    "/none": b"51 Lost in space\r\n",
    "/cgi-bin/none": b"51 Lost in space\r\n",
    "/cgi-bin/fails": b"42 Our fault\r\n",
    "/asked/x": b"43 Ask our neighbour\r\n",
    "/cgi-bin/own": b"51 My own words\r\n",
    "/cgi-bin/page": b"20 text/plain\r\nHi",
}


BUSY = """
workers = 1
[limits]
threads = 3
[[host]]
name = "localhost"
root = "{root}"
errors = { 41 = "Nobody here", 53 = "Elsewhere" }
  [[host.location]]
  path = "/asked/"
  fastcgi = { to = "unix:{tmp}/silent.sock" }
  errors = { 41 = "Too many ask" }
"""


def test_what_is_refused_before_anybody_is_asked_has_them_too(configure, tmp_path):
    """Of three threads one client never has two, nor as many answers that take their time."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
        silent.listen()
        daemon = configure(BUSY)
        daemon.expect("the application at localhost/asked/: .* broke off")
        with daemon.tls() as client:
            client.sendall(daemon.url("/asked/").encode() + b"\r\n")
            with silent.accept()[0]:
                answer = daemon.ask("/asked/")
                assert (answer.raw, answer.complete) == (b"41 Too many ask\r\n", True)
            assert read_answer(client).status == 43
        assert daemon.send(b"gemini://localhost:1/\r\n").raw == b"53 Elsewhere\r\n"
        assert daemon.send(b"https://localhost/\r\n").raw == b"53 Elsewhere\r\n"
        assert daemon.send(b"gemini://foreign.example/\r\n").raw == b"53 This host is not served here\r\n"


@pytest.mark.parametrize(("path", "raw"), ANSWERS.items())
def test_who_refuses_chooses_the_words(daemon, path, raw):
    answer = daemon.ask(path)
    assert (answer.raw, answer.complete) == (raw, True)
