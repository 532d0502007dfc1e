"""What an operator types, and is told."""

import os
import subprocess
import sys

import pytest

from .conftest import AS_ROOT


def gemd(*arguments, cwd=None, env=None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gemd", *map(str, arguments), *AS_ROOT],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=cwd,
        env={**os.environ, **(env or {})},
    )


def test_version_and_help():
    assert gemd("-V").stdout.startswith("gemd ")
    assert "--default-lang" in gemd("-h").stdout


@pytest.fixture
def conf(tmp_path):
    def write(text):
        path = tmp_path / "gemd.conf"
        path.write_text(text.replace("{tmp}", str(tmp_path)))
        return path

    return write


HOST = '[[host]]\nname = "localhost"\nroot = "{tmp}"\n'


def test_a_good_file_is_said_to_be_good_and_printed_as_it_takes_effect(conf, tmp_path):
    path = conf(HOST)
    assert gemd("-t", "-c", path, *AS_ROOT).returncode == 0
    printed = gemd("-T", "-c", path).stdout
    assert "request = 10.0" in printed
    assert gemd("-T", "-c", conf(printed)).stdout == printed


def test_every_mistake_is_named_at_once(conf):
    result = gemd("-t", "-c", conf('listn = ["x"]\nworkers = 0\n[timeouts]\nrequest = "ten"\n' + HOST))
    assert result.returncode == 3
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert "listn: there is no such key; did you mean 'listen'?" in result.stderr
    assert 'timeouts.request: expected a number of seconds above 0 and at most 31536000, not "ten"' in result.stderr
    assert "Traceback" not in result.stderr


def test_places_without_scripts_are_worth_a_word(conf, tmp_path):
    text = HOST + 'cgi = ["*.cgi"]\nlocation = [{ path = "/x", script = "x.sh" }]\n'
    assert ": localhost/x: script: " in gemd("-t", "-c", conf(text)).stderr
    (tmp_path / "x.sh").touch(0o755)
    result = gemd("-t", "-c", conf(text))
    assert result.returncode == 0
    assert f"gemd.conf:4: localhost: cgi[1]: {tmp_path}/*.cgi matches nothing at the moment" in result.stderr


BAD_FILES = {
    "no TOML": ("[[host\n", "gemd.conf:1: expected ]] at the end of the heading"),
    "no host": ("", "at least one [[host]]"),
    "no root": ('[[host]]\nname = "x"\n', "set a root directory"),
    "missing root": ('[[host]]\nname = "x"\nroot = "/nowhere"\n', "/nowhere can't be opened"),
    "half a certificate": (HOST + 'certificate = "x"\n', 'needs both "certificate" and "key"'),
    "missing certificate": (HOST + 'certificate = "x"\nkey = "y"\n', "x can't be read"),
    "the same host twice": (HOST + HOST, "localhost belongs to the host in line 1 already"),
    "missing authorities": (HOST + 'client-certificate = { ca = "/nowhere" }\n', "/nowhere"),
}


@pytest.mark.parametrize(("text", "said"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_files(conf, text, said):
    result = gemd("-t", "-c", conf(text))
    assert (result.returncode, said in result.stderr) == (3, True), result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_that_is_not_there():
    result = gemd("-c", "/nowhere/gemd.conf")
    assert (result.returncode, result.stderr) == (
        3,
        "gemd: /nowhere/gemd.conf: can't be read: No such file or directory\n",
    )


def test_flags_that_cannot_apply(conf):
    two = HOST + HOST.replace("localhost", "example.org")
    result = gemd("-t", "-c", conf(two), "--dir", ".", "--hostname", "x")
    assert result.returncode == 2
    assert "--hostname, --dir can't apply" in result.stderr
    assert gemd("--port", "70000").returncode == 2
    assert gemd("--no-such-flag").returncode == 2


def test_flags_override_the_file(conf, tmp_path):
    printed = gemd("-T", "-c", conf(HOST), "--port", "1999", "--default-lang", "en", "--index-file", "home.gmi").stdout
    assert '"localhost:1999"' in printed
    assert 'lang = "en"' in printed
    assert '"home.gmi"' in printed


def test_log_that_cannot_be_written(conf):
    result = gemd("-c", conf(HOST + '[log]\nerror = "/nowhere/error.log"\n'))
    assert result.returncode == 3
    assert "can't open the log /nowhere/error.log" in result.stderr


def test_workers_that_cannot_boot_end_the_daemon_with_a_code_of_their_own(tmp_path):
    fault = "import gemd.worker.assembly as a\na.EventLoop = lambda *a: 1/0\n"
    (tmp_path / "sitecustomize.py").write_text(fault)
    result = gemd("--dir", tmp_path, "--port", "0", env={"PYTHONPATH": str(tmp_path)})
    assert result.returncode == 6
    assert "giving up" in result.stderr


def test_a_key_that_is_too_weak_is_an_error_and_no_traceback(conf, tmp_path, need_program):
    crt, key = tmp_path / "weak.crt", tmp_path / "weak.key"
    subprocess.run(
        [need_program("openssl"), "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=x", "-keyout", key,
         "-out", crt],
        check=True, capture_output=True,
    )  # fmt: skip
    for path in (crt, key):
        path.chmod(0o600)
    result = gemd("-t", "-c", conf(HOST + f'certificate = "{crt}"\nkey = "{key}"\n'), *AS_ROOT)
    assert (result.returncode, "weak.crt can't be used: its key is shorter than" in result.stderr) == (3, True), (
        result.stderr
    )
