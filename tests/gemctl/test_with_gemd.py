"""One story with the real server at the other end."""

import json
import os
import signal
import subprocess
import sys

import pytest

from gemd.gemctl.__main__ import main
from tests.serve.conftest import wait_for

from .conftest import LONGEST

CONF = """
listen = ["127.0.0.1:0"]
workers = 2
control = "control.sock"
{user}
[tls]
certificates = "certificates"
[log]
access = "off"
[[host]]
name = "localhost"
root = "."
"""


@pytest.fixture
def gemd(tmp_path):
    """A running gemd, in a session of its own."""
    user = 'user = "root"' if os.geteuid() == 0 else ""
    (tmp_path / "gemd.conf").write_text(CONF.format(user=user))
    (tmp_path / "index.gmi").write_text("# A page\n")
    command = [sys.executable, "-m", "gemd", "-c", str(tmp_path / "gemd.conf")]
    with (tmp_path / "error.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def gemctl(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def gemctl(*arguments):
        code = main(["-c", str(tmp_path / "gemd.conf"), *arguments])
        return code, *capfd.readouterr()

    return gemctl


def test_from_status_to_stop(gemd, gemctl, tmp_path, capfd):
    def serving():
        assert gemd.poll() is None, (tmp_path / "error.log").read_text()
        code, printed, _ = gemctl("status", "--json")
        status = json.loads(printed) if code == 0 else {"workers": []}
        return status if [worker["state"] for worker in status["workers"]] == ["serving"] * 2 else None

    status = wait_for(serving, "two workers that serve", LONGEST)
    assert (status["pid"], status["generation"], status["state"]) == (gemd.pid, 1, "serving")
    url = f"gemini://{status['listeners'][0].replace('127.0.0.1', 'localhost')}/"
    address = ["--connect", status["listeners"][0]]

    def fetch(*flags):
        code = main(["fetch", *flags, *address, url])
        return code, *capfd.readouterr()

    code, printed, said = fetch()
    assert (code, printed) == (0, "# A page\n")
    shown = gemctl("cert", "show")[1]
    assert said.split("its certificate ")[1][:64] in shown

    code, printed, said = gemctl("reload", "--timeout", str(LONGEST))
    assert (code, said) == (0, "")
    assert "2" in printed
    (tmp_path / "gemd.conf").write_text("wrkers = 2\n" + (tmp_path / "gemd.conf").read_text())
    code, printed, said = gemctl("reload", "--timeout", str(LONGEST))
    assert (code, printed, "did you mean 'workers'?" in said) == (1, "", True)
    (tmp_path / "gemd.conf").write_text((tmp_path / "gemd.conf").read_text().removeprefix("wrkers = 2\n"))

    assert gemctl("cert", "renew", "localhost")[0] == 0
    assert next(line for line in gemctl("cert", "show")[1].splitlines() if "SPKI" in line) in shown
    assert fetch()[:2] == (0, "# A page\n")  # the old one, until it is told
    assert gemctl("reload", "--timeout", str(LONGEST))[0] == 0
    wait_for(lambda: "has a new certificate for the same key" in fetch()[2], "the new certificate", LONGEST)
    assert fetch()[:2] == (0, "# A page\n")

    assert "gemd_reloads_total 2\n" in gemctl("status", "--openmetrics")[1]
    code, printed, said = gemctl("stop", "--timeout", str(LONGEST))
    assert (code, printed, said) == (0, "gemd has stopped\n", "")
    assert gemd.wait(LONGEST) == 0
