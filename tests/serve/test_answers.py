"""Answers that need no code: patterns that lead elsewhere, and answers as they stand in the configuration."""

import subprocess
import sys

import pytest

from gemd.exit_codes import ExitCode

from .conftest import AS_ROOT
from .sharing import shared_daemon

CONFIG = """
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
redirect = [
  { match = "/old/{year}/{rest...}", to = "/new/{year}/{rest}" },
  { match = "/{page}.html", to = "/{page}.gmi", status = 30 },
]
  [[host.location]]
  path = "/shop/"
  answer = { status = 41, meta = "Back at noon" }
  [[host.location]]
  path = "/cgi-bin/greet"
  answer = { status = 10, meta = "Your name?" }
  [[host.location]]
  path = "/elsewhere/"
  redirect = [{ match = "/elsewhere/{rest...}", to = "gemini://other.example/{rest}" }]
  [[host.location]]
  path = "/*/private/"
  match = "glob"
  client-certificate = "any"
  [[host.location]]
  path = "/ann"
  match = "exact"
  answer = { status = 51, meta = "Ann has left" }
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    script = folder / "capsule/cgi-bin/greet"
    script.parent.mkdir(parents=True)
    script.write_text('#!/bin/sh\nprintf "20 text/plain\\r\\nHi $QUERY_STRING"\n')
    script.chmod(0o755)
    (folder / "capsule/ann/private").mkdir(parents=True)
    for name in ("page.gmi", "private/page.gmi"):
        (folder / "capsule/ann" / name).write_text("Hi")
    (folder / "capsule/link.gmi").symlink_to("ann/private/page.gmi")
    with shared_daemon(folder, CONFIG) as daemon:
        yield daemon


HEADERS = {
    "/old/2020/a%20b/c/?q=%201": "31 /new/2020/a%20b/c/?q=%201",
    "/old/2020": "31 /new/2020/",
    "/old": "51 Not found",
    "/index.html": "30 /index.gmi",
    "/index.gmi": "20 text/gemini",
    "/shop": "41 Back at noon",
    "/shop/a/b?c": "41 Back at noon",
    "/cgi-bin/greet": "10 Your name?",
    "/ann/": "51 Ann has left",
    "/ann/page.gmi": "20 text/gemini",
    "/ann/private/page.gmi": "60 A client certificate is required",
    "/ann/%70rivate//page.gmi": "60 A client certificate is required",
    "/link.gmi": "60 A client certificate is required",
    "/elsewhere/%2Fevil.example/": "31 gemini://other.example/%2Fevil.example/",
    "/elsewhere/%0D%0A20%20text": "31 gemini://other.example/%0D%0A20%20text",
    "/elsewhere/%FF?%FF": "31 gemini://other.example/%FF?%FF",
}


@pytest.mark.parametrize(("path", "header"), HEADERS.items())
def test_answers(daemon, path, header):
    assert daemon.ask(path).header == header


def test_what_was_typed_is_a_scripts(daemon):
    assert daemon.ask("/cgi-bin/greet?Ada").text == "Hi Ada"


CIRCLE = """
[[host]]
name = "localhost"
root = "{root}"
  [[host.location]]
  path = "/a"
  redirect = { to = "/b" }
  [[host.location]]
  path = "/b"
  redirect = { to = "/a" }
  [[host.location]]
  path = "/c*"
"""


def test_a_circle_is_told_and_not_served(tmp_path, capsule):
    conf = tmp_path / "gemd.conf"
    conf.write_text(CIRCLE.replace("{root}", str(capsule)))
    command = [sys.executable, "-m", "gemd", "-c", conf]
    for flags in (["-t"], []):
        done = subprocess.run([*command, *flags], capture_output=True, text=True, timeout=30)
        assert done.returncode == ExitCode.CONFIGURATION
        assert f"gemd: {conf}:7: localhost/a: redirect: leads in a circle: /a -> /b -> /a" in done.stderr
    conf.write_text(conf.read_text().replace('to = "/a"', 'to = "/c"'))
    done = subprocess.run([*command, "-t", *AS_ROOT], capture_output=True, text=True, timeout=30)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "localhost/c*: path: the * stands for itself alone" in done.stderr
