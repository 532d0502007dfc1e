"""`gemctl reload` and `gemctl upgrade` that come to nothing say why, wherever the error log is."""

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import gemd
from tests.conftest import IS_ROOT

from .conftest import wait_for
from .succession import HOST, SERVICE, Succession, may_nobody_start_python, public_folder

CONF = """
{user}
workers = 2
pid-file = "run/gemd.pid"
control = "run/control.sock"
{more}
[log]
error = "run/error.log"
[tls]
certificates = "run/certificates"
[[host]]
name = "localhost"
root = "capsule"
"""
NOBODY = pwd.getpwnam("nobody")


def gemctl(conf: Path, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "gemd.gemctl", "-c", str(conf), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def replace(conf: Path, text: str):
    conf.with_suffix(".new").write_text(text)
    conf.with_suffix(".new").rename(conf)


@pytest.fixture
def capsule_of_nobody():
    """Where an ordinary user, which is this one or nobody, has what the server writes."""
    with public_folder() as folder:
        (folder / "run").mkdir()
        if IS_ROOT:
            os.chown(folder / "run", NOBODY.pw_uid, NOBODY.pw_gid)
        yield folder


@pytest.fixture
def served(capsule_of_nobody, start):
    """A server whose errors go to a file, as an ordinary user; the configuration and the daemon."""
    folder = capsule_of_nobody
    if IS_ROOT and not may_nobody_start_python():
        pytest.skip("needs an interpreter that nobody can start")
    user = 'user = "nobody"\ngroup = "nogroup"' if IS_ROOT else ""
    text = CONF.replace("{user}", user).replace("{more}", 'listen = ["127.0.0.1:0"]')
    (folder / "gemd.conf").write_text(text)
    daemon = start("-c", folder / "gemd.conf", as_root=False)
    daemon.error_path = folder / "run" / "error.log"
    wait_for(daemon.error_path.exists, "the log")
    daemon.wait_until_ready()
    control = folder / "run" / "control.sock"
    wait_for(lambda: gemctl(folder / "gemd.conf", "status")[0] == 0, "the control socket")
    assert control.exists()
    daemon.expect("not reloaded: ", "not upgraded: ")
    return folder / "gemd.conf", daemon


def check(conf, daemon, said):
    """Neither comes about, and each says so; all is as it was."""
    pid = daemon.process.pid
    for command in ("reload", "upgrade"):
        code, text = gemctl(conf, command)
        assert code == 1, text
        assert re.search(said, text), text
        assert re.search(f"not {command}(ed|d): .*{said}", daemon.errors), daemon.errors
        assert daemon.ask().status == 20
        assert daemon.process.pid == pid
        assert daemon.process.poll() is None


def test_a_bad_configuration(served):
    conf, daemon = served
    good = conf.read_text()
    replace(conf, "wrkers = 2\n" + good)
    check(conf, daemon, "wrkers: there is no such key; did you mean 'workers'")
    replace(conf, good)
    assert gemctl(conf, "reload")[0] == 0


def test_a_key_that_its_user_can_not_read(served):
    conf, daemon = served
    (key,) = conf.parent.glob("run/certificates/**/*.key")
    key.chmod(0)
    if IS_ROOT:
        os.chown(key, 0, 0)
    check(conf, daemon, "[Pp]ermission denied")


def test_a_port_that_another_one_has(served):
    conf, daemon = served
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        replace(conf, conf.read_text().replace('["127.0.0.1:0"]', f'["127.0.0.1:0", "127.0.0.1:{port}"]'))
        check(conf, daemon, f"127.0.0.1:{port}")


def test_a_root_that_has_gone(served):
    conf, daemon = served
    replace(conf, conf.read_text().replace('"capsule"', '"nothing"'))
    check(conf, daemon, "nothing")


# Programs that break, and what is said of it.
BROKEN = {
    "a library that is missing": (
        "startup/command.py",
        "import nosuchlibrary\n",
        "the library nosuchlibrary can't be imported",
        [],
    ),
    "a fault at the start": (
        "startup/command.py",
        'raise RuntimeError("broken")\n',
        "a fault of the program itself: RuntimeError: broken",
        ["Traceback", "RuntimeError"],
    ),
    "a fault of workers": (
        "worker/main.py",
        '\n\ndef _serve(*_):\n    raise RuntimeError("broken")\n',
        "the workers end before they serve; the last ended with exit code 1: RuntimeError: broken",
        ["Traceback", "RuntimeError", "has to stop", "ended with exit code 1", "giving up"],
    ),
    "its death": (
        "startup/command.py",
        "import os\nos.kill(os.getpid(), 9)\n",
        "the new master has ended and has not said why; the error log may, stderr",
        [],
    ),
}


@pytest.mark.parametrize(("module", "text", "said", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_program_that_breaks(configure, tmp_path, module, text, said, expected):
    copy = tmp_path / "code"
    shutil.copytree(Path(gemd.__file__).parent, copy / "gemd", ignore=shutil.ignore_patterns("__pycache__"))
    with Succession(configure(SERVICE + HOST, env={"PYTHONPATH": str(copy)}), tmp_path) as service:
        service.daemon.expect("not upgraded: ", *expected)
        wait_for(lambda: service.status()["state"] == "serving", "the service")
        path = copy / "gemd" / module
        good = path.read_text()
        path.write_text(good + text)
        code, answer = gemctl(tmp_path / "gemd.conf", "upgrade")
        assert (code, said in answer) == (1, True), answer
        path.write_text(good)
        assert gemctl(tmp_path / "gemd.conf", "upgrade")[0] == 0
