"""A configuration of several files and variables, in a daemon that runs."""

import os
import signal
import subprocess
import sys

import pytest

from .conftest import AS_ROOT, wait_for
from .services import USER
from .succession import HOST, SERVICE, Succession, write_script

OTHER = '[[host]]\nname = "other.example"\nroot = "pages"\n'
SHOW = (
    "import os\n\n\ndef app(environ, send_status):\n    send_status(20, 'text/plain')\n"
    "    yield ' '.join(name for name in os.environ if name.startswith('GEMD')).encode() or b'none'\n"
)


@pytest.fixture
def directory(tmp_path):
    """The directory of files that are included, with a page."""
    directory = tmp_path / "gemd.d"
    (directory / "pages").mkdir(parents=True)
    (directory / "pages/index.gmi").write_text("# Another\n")
    return directory


def test_a_reload_reads_what_is_included_anew_and_waits_for_nothing(configure, directory, tmp_path):
    text = 'include = ["gemd.d/*.conf"]\n' + SERVICE + HOST
    with Succession(configure(USER + text), tmp_path) as service:

        def ask_other():
            return service.daemon.ask(host="other.example", name=None)

        assert ask_other().status == 53
        (directory / "other.conf").write_text(OTHER)
        service.send(signal.SIGHUP)
        wait_for(lambda: ask_other().body == b"# Another\n", "the host that was added")
        os.mkfifo(directory / "pipe.conf")
        (directory / "twice.conf").write_text("\nworkers = 3\n")
        service.send(signal.SIGHUP)
        wait_for(lambda: "twice.conf:2: workers" in service.errors, "the reload to fail")
        assert "pipe.conf can't be read: it is no regular file" in service.errors
        assert f"workers: is set in {tmp_path}/gemd.conf:" in service.errors
        assert ask_other().body == b"# Another\n"
        service.daemon.expected += ["pipe.conf", "twice.conf"]


def test_variables_last_beyond_an_upgrade_and_are_nobody_elses(configure, tmp_path, capsule):
    write_script(capsule, "env", 'printf "20 text/plain\\r\\n"; env | grep GEMD || echo none\n')
    (tmp_path / "shown.py").write_text(SHOW)
    places = f'[[host.location]]\npath = "/in"\napp = "shown:app"\napp-path = "{tmp_path}"\n'
    places += places.replace("/in", "/apart") + "app-process = true\n"
    env = {"GEMD_HOST_NAME": "named.example", "GEMD_HOST_ALIASES": "localhost", "GEMD_LIMITS_CONNECTIONS": "7"}
    with Succession(configure(USER + SERVICE + HOST + places, env=env), tmp_path) as service:
        for _ in range(2):
            assert service.daemon.ask(host="named.example", name="named.example").status == 20
            for path in ("/cgi-bin/env", "/in", "/apart"):
                assert service.ask(path).body.strip() == b"none", path
            service.upgrade()
            wait_for(lambda: len(service.workers) == 2, "its workers")
        assert "serving gemini://named.example" in service.errors.rpartition("listening on")[0]


def run(*arguments, **variables):
    command = [sys.executable, "-m", "gemd", *AS_ROOT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **variables})


def test_the_test_names_files_lines_and_variables(tmp_path, directory):
    path = tmp_path / "gemd.conf"
    path.write_text('include = ["gemd.d/*.conf"]\n[[host]]\nname = "a"\nroot = "."\n')
    (directory / "other.conf").write_text(OTHER)
    done = run("-t", "-c", str(path))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith(f"gemd: the configuration {path}, with 1 file that it includes, is in order\n")
    (directory / "other.conf").write_text(OTHER.replace("pages", "missing"))
    done = run("-t", "-c", str(path), GEMD_HOST_ROOT="/missing", GEMD_HOST_CGI="cgi-bin")
    assert done.returncode == 3
    assert "gemd: GEMD_HOST_ROOT: a: root: /missing can't be opened: No such file or directory\n" in done.stderr
    other = f"gemd: {directory}/other.conf:3: other.example: root: {directory}/missing can't be opened: No such file"
    assert other in done.stderr
    done = run("-t", "-c", str(path), GEMD_HOST_RUUT="/missing")
    assert done.stderr == "gemd: GEMD_HOST_RUUT: no key has this variable; did you mean 'GEMD_HOST_ROOT'?\n"


def test_the_dump_is_the_whole_and_flags_are_over_variables(tmp_path, directory):
    path = tmp_path / "gemd.conf"
    path.write_text('include = ["gemd.d/*.conf"]\nworkers = 2\n[[host]]\nname = "a"\nroot = "."\n')
    (directory / "other.conf").write_text(OTHER)
    done = run("-T", "-c", str(path), "--port", "7", GEMD_LISTEN="localhost:1966", GEMD_WORKERS="5")
    assert done.stderr == ""
    assert 'listen = [\n    "localhost:7",\n]\nworkers = 5\n' in done.stdout
    assert f'root = "{directory}/pages"' in done.stdout
    (tmp_path / "whole.conf").write_text(done.stdout)
    assert run("-T", "-c", str(tmp_path / "whole.conf")).stdout == done.stdout


def test_flags_alone_take_variables_too(start, capsule):
    daemon = start("--dir", str(capsule), env={"GEMD_LISTEN": "127.0.0.1:0", "GEMD_WORKERS": "3"}).wait_until_ready(3)
    assert daemon.ask("/").status == 20
