"""What an operator types, and is told."""

import json
import subprocess
import sys
import threading

import pytest

from gemd import __version__
from gemd.gemctl.__main__ import main
from gemd.system.certificates import CertificateError

from .conftest import LONGEST, STATUS

STATUS_ANSWER = json.dumps({"ok": True, "status": STATUS}).encode() + b"\n"


@pytest.fixture
def conf(tmp_path):
    def write(control):
        path = tmp_path / "gemd.conf"
        path.write_text(f'control = "{control}"\n')
        return str(path)

    return write


def test_status_for_people(master, capsys):
    assert main(["-s", str(master(STATUS_ANSWER).path), "status"]) == 0
    assert capsys.readouterr().out.startswith("gemd 0.2.0, master 123, serving")


def test_status_as_json_has_all_that_was_said(master, capsys):
    answer = json.dumps({"ok": True, "status": {**STATUS, "moons": 4}}).encode() + b"\n"
    assert main(["status", "--json", "-s", str(master(answer).path)]) == 0
    assert json.loads(capsys.readouterr().out) == {**STATUS, "moons": 4}


def test_status_for_a_collector(master, capsys):
    assert main(["status", "--openmetrics", "-s", str(master(STATUS_ANSWER).path)]) == 0
    assert capsys.readouterr().out.endswith("# EOF\n")


def test_watch_until_ctrl_c(master, capsys, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("gemd.gemctl.watch.time.sleep", interrupt)
    assert main(["-s", str(master(STATUS_ANSWER).path), "status", "--watch"]) == 0
    assert "serving: 1,234,567 requests" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["reload", "reopen", "upgrade"])
def test_an_action_and_its_outcome(master, capsys, command):
    it = master(b'{"ok": true, "message": "generation 4 serves"}\n')
    assert main(["-s", str(it.path), command]) == 0
    assert capsys.readouterr() == ("generation 4 serves\n", "")
    assert json.loads(it.commands[0]) == {"command": command}


def test_stop(master, capsys):
    assert main(["-s", str(master(b'{"ok": true, "message": "stopping"}\n').path), "stop"]) == 0
    assert capsys.readouterr().out == "gemd has stopped\n"


def test_every_reason_of_a_failure_is_a_line(master, capsys):
    it = master(b'{"ok": false, "errors": ["gemd.conf: listn: there is no such key", "port taken"]}\n')
    assert main(["-s", str(it.path), "reload"]) == 1
    assert capsys.readouterr() == ("", "gemctl: gemd.conf: listn: there is no such key\ngemctl: port taken\n")


def test_an_outcome_that_does_not_come_in_time(master, capsys):
    release = threading.Event()
    it = master(lambda _: release.wait(LONGEST))
    try:
        assert main(["-s", str(it.path), "reload", "--timeout", "0.2"]) == 1
    finally:
        release.set()
    assert "no outcome within 0.2 s" in capsys.readouterr().err


def test_the_socket_of_the_configuration_before_and_after_the_command(master, conf, capsys):
    file = conf(master(STATUS_ANSWER).path)
    assert main(["-c", file, "status"]) == 0
    assert main(["status", "-c", file]) == 0
    assert main(["status", "-c", "/nowhere", "-s", file[:-9] + "control0.sock"]) == 0


def test_without_a_configuration(capsys):
    assert main(["-c", "/nowhere/gemd.conf", "status"]) == 3
    first, second = capsys.readouterr().err.splitlines()
    assert first == "gemctl: /nowhere/gemd.conf: can't be read: No such file or directory"
    assert second.startswith("gemctl: -s SOCKET")


def test_without_the_key(tmp_path, capsys):
    (tmp_path / "gemd.conf").touch()
    assert main(["-c", str(tmp_path / "gemd.conf"), "stop"]) == 3
    assert 'has no key "control"' in capsys.readouterr().err


def test_what_a_configuration_says_does_no_harm(tmp_path, capsys):
    (tmp_path / "gemd.conf").write_text('"\\u001b[2J" = 1\n')
    assert main(["-c", str(tmp_path / "gemd.conf"), "status"]) == 3
    assert main(["cert", "show", "-c", str(tmp_path / "gemd.conf")]) == 3
    said = capsys.readouterr().err
    assert r"\x1b[2J: there is no such key" in said
    assert "\x1b" not in said


@pytest.mark.parametrize("command", [["cert", "show"], ["check", "x\x1b", "--foreign"], ["init", "--name", "\x1b"]])
def test_no_failure_is_a_traceback(command, capsys, monkeypatch):
    def fail(_):
        raise CertificateError("a\x1b can't be used")

    for place in ("certificate.run_cert", "check.command.check", "init.init"):
        monkeypatch.setattr(f"gemd.gemctl.{place}", fail)
    assert main(command) == 1
    assert capsys.readouterr().err == "gemctl: a\\x1b can't be used\n"


def test_without_a_master(conf, capsys):
    assert main(["-c", conf("/nowhere/s"), "reload"]) == 1
    assert capsys.readouterr().err.startswith("gemctl: /nowhere/s: there is no such socket")


def test_ctrl_c_while_waiting(capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("gemd.gemctl.__main__.ask", interrupt)
    assert main(["-s", "/s", "reload"]) == 1
    assert capsys.readouterr().err == "gemctl: interrupted\n"


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["-V"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"gemctl {__version__}\n"


def test_a_reader_who_leaves_is_no_fault(master):
    it = master(STATUS_ANSWER)
    command = [sys.executable, "-m", "gemd.gemctl", "-s", str(it.path), "status"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(LONGEST) in (0, 1)
    assert errors == b""


def test_a_status_needs_neither_tls_nor_the_server():
    code = "import sys, gemd.gemctl.__main__ as m; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=LONGEST)
    assert not {"OpenSSL", "cryptography", "ssl", "gemd.startup.assembly"} & set(run.stdout.split())
