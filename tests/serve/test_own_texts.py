"""A host's own words for what gemd refuses, and those of others, which stay."""

import pytest

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


@pytest.mark.parametrize(("path", "raw"), ANSWERS.items())
def test_who_refuses_chooses_the_words(daemon, path, raw):
    answer = daemon.ask(path)
    assert (answer.raw, answer.complete) == (raw, True)
