"""etc/logrotate.d/gemd, as logrotate sees it and does it."""

import grp
import os
import pwd
import subprocess

import pytest

from tests.packaging.installing import PROJECT


@pytest.fixture
def rotate(tmp_path, need_program):
    """Rotate the logs in tmp_path, as whoever runs the tests; gemctl is a script that notes how it was called."""
    logs, command = tmp_path / "logs", tmp_path / "gemctl"
    logs.mkdir(mode=0o750)
    command.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/called\necho reopened\n')
    command.chmod(0o755)
    me = f"{pwd.getpwuid(os.geteuid()).pw_name} {grp.getgrgid(os.getegid()).gr_name}"
    text = (PROJECT / "etc/logrotate.d/gemd").read_text()
    for old, new in [
        ("/var/log/gemd", str(logs)),
        ("su gemd gemd", f"su {me}"),
        ("@SBINDIR@", str(tmp_path)),
        ("@SYSCONFDIR@", "/etc"),
        ("-S /run/gemd/control.sock", f"-e {tmp_path}/control.sock"),
    ]:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "logrotate.conf").write_text(text)
    (tmp_path / "logrotate.conf").chmod(0o644)

    def rotate(*options):
        command = [need_program("logrotate"), "--state", tmp_path / "state", *options, tmp_path / "logrotate.conf"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, "error" in done.stderr) == (0, False), done.stderr
        assert "--debug" in options or not done.stdout + done.stderr, "what it prints, cron mails"
        return {path.name: path.read_bytes() for path in logs.iterdir()}

    return rotate


def test_logrotate_understands_it(rotate):
    assert rotate("--debug") == {}


def test_logs_are_renamed_then_compressed_and_gemd_is_told_once(rotate, tmp_path):
    (tmp_path / "control.sock").touch()
    for turn in (1, 2):
        for name in ("access", "error"):
            (tmp_path / f"logs/{name}.log").write_text(f"{turn}\n")
        logs = rotate("--force")
    assert {name for name in logs if not name.endswith(".gz")} == {"access.log.1", "error.log.1"}
    assert logs["access.log.1"] == b"2\n"
    assert {"access.log.2.gz", "error.log.2.gz"} < set(logs)
    assert (tmp_path / "called").read_text() == "-c /etc/gemd.conf reopen\n" * 2


def test_nothing_is_done_when_no_gemd_runs_or_nothing_was_logged(rotate, tmp_path):
    assert rotate("--force") == {}
    (tmp_path / "logs/error.log").touch()
    assert set(rotate("--force")) == {"error.log"}
    (tmp_path / "logs/error.log").write_text("1\n")
    assert set(rotate("--force")) == {"error.log.1"}
    assert not (tmp_path / "called").exists()
