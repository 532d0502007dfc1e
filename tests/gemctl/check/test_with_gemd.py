"""The real server: it has no fault, and its capsule those that are planted there."""

import json
import os
import signal
import subprocess
import sys

import pytest

from gemd.gemctl.__main__ import main
from gemd.gemctl.known_hosts import default_path
from tests.gemctl.conftest import LONGEST
from tests.serve.conftest import wait_for

CONF = """
listen = ["127.0.0.1:0"]
workers = 2
control = "control.sock"
{user}
[tls]
certificates = "certificates"
[timeouts]
request = 1
[log]
access = "off"
[[host]]
name = "localhost"
root = "capsule"
[[host.location]]
path = "/ask"
answer = {{ status = 10, meta = "Your name?" }}
[[host.location]]
path = "/away"
redirect = {{ to = "/gone", status = 30 }}
[[host.location]]
path = "/gone"
gone = true
"""
PAGES = {
    "index.gmi": "# A capsule\n=> a/ A\n=> missing.gmi\n=> /away\n=> /ask\n=> gemini://a@b/\n=> titan://localhost/\n"
    "=> untitled.gmi\n=> latin.gmi\n=> image.txt\n=> empty.gmi\n```\n=> preformatted.gmi\n```\n",
    "a/index.gmi": "# A\n=> ..\n=> ../missing.gmi\n",
    "untitled.gmi": "hello\n",
    "latin.gmi": b"# Caf\xe9\n",
    "image.txt": b"\x89PNG\r\n\x1a\n",
    "empty.gmi": "",
}
PLANTED = {
    ("dead-link", "/:3", '/missing.gmi got "51 Not found"; 1 more link leads there'),
    ("dead-link", "/:4", '/gone got "52 Gone for good"'),
    ("link", "/:6", "gemini://a@b/: A request has no user information"),
    ("title", "/untitled.gmi", "it has no title"),
    ("charset", "/latin.gmi", "it is not UTF-8: line 1 has the octet 0xe9"),
    ("type", "/image.txt", "it is a PNG image, and said to be text/plain"),
    ("empty-page", "/empty.gmi", "it is empty"),
}


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    """Run `gemctl check` while gemd serves that capsule; return its exit code and what it prints, from JSON."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    conf = tmp_path / "gemd.conf"
    conf.write_text(CONF.format(user='user = "root"' if os.geteuid() == 0 else ""))
    for name, text in PAGES.items():
        path = tmp_path / "capsule" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    command = [sys.executable, "-m", "gemd", "-c", str(conf)]
    with (tmp_path / "error.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, start_new_session=True)

    def gemctl(*arguments):
        code = main(["-c", str(conf), *arguments])
        return code, capsys.readouterr().out

    def is_serving():
        assert process.poll() is None, (tmp_path / "error.log").read_text()
        code, printed = gemctl("status", "--json")
        return code == 0 and json.loads(printed)["serving"] == 2

    def check(*flags):
        code, printed = gemctl("check", "--json", "--timeout", str(LONGEST), *flags)
        return code, json.loads(printed)["hosts"]

    try:
        wait_for(is_serving, "two workers that serve", LONGEST)
        yield check
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_the_server_is_right_and_the_capsule_has_what_was_planted(check, tmp_path):
    code, (host,) = check()
    prefix = f"gemini://{host['host']}"
    found = {
        (finding["check"], finding["where"].removeprefix(prefix), finding["found"].replace(prefix, ""))
        for finding in host["findings"]
    }
    assert (code, found) == (1, PLANTED)
    assert len(host["passed"]) == 38
    assert host["is_complete"]
    assert not default_path().exists()
    log = (tmp_path / "error.log").read_text()
    assert " error: " not in log
    assert "Traceback" not in log

    code, (host,) = check("--only", "server")
    assert (code, host["findings"], host["pages"]) == (0, [], 0)
