"""Logs that are rotated under load: every request has its line, whole, in one file or another."""

import fcntl
import os
import pwd
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import need_root

from .conftest import Daemon, is_alive, wait_for
from .load import Load, SlowDownload
from .succession import HOST, SERVICE, Succession, public_folder, tell, wait_until_serving, workers_of, write_script

USER = 'user = "root"\n' if os.geteuid() == 0 else ""
# The folder that the harness gives the first daemon, so that it goes on to look for the errors there.
LOGS = '[log]\naccess = "{tmp}/daemon0/access.log"\nerror = "{tmp}/daemon0/error.log"\n'
LINE = re.compile(r'127\.0\.0\.1 - - \[[^]]+\] "gemini://localhost:\d+/[^" ]*" \d\d \d+')
EVENT = re.compile(r"[\d-]{10} [\d:]{8} gemd\[\d+\] (info|warning|error): .+")


def old_files(folder: Path) -> list[Path]:
    """The logs that were renamed, and that a process has open to write all the same."""
    return [path for path in folder.iterdir() if re.search(r"\.log[.-]", path.name) and has_writer(path)]


def has_writer(path: Path) -> bool:
    """Whether any process has the file open to write; only where none has, the kernel grants a lease (fcntl(2))."""
    with path.open("rb") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError:
            return True
    return False


def test_who_writes_is_seen(tmp_path):
    path = tmp_path / "access.log.1"
    with path.open("wb"):
        assert old_files(tmp_path) == [path]
    with path.open("rb"):
        assert old_files(tmp_path) == []


def lines_of(folder: Path, name: str) -> list[str]:
    """The lines of all files that a log has had."""
    return [line for path in folder.glob(f"{name}.log*") for line in path.read_text().splitlines()]


def check_lines(daemon: Daemon, load: Load) -> None:
    """Every answer has its line, and no line is torn."""
    assert load.failures == []
    wait_for(lambda: len(lines_of(daemon.folder, "access")) >= load.answered, "the last line, which follows its answer")
    lines = lines_of(daemon.folder, "access")
    assert not [line for line in lines if not LINE.fullmatch(line)]
    assert len(lines) == load.answered
    assert not [line for line in lines_of(daemon.folder, "error") if not EVENT.fullmatch(line)]


def rename_and_signal(daemon: Daemon, nr: int) -> None:
    for name in ("access", "error"):
        (daemon.folder / f"{name}.log").rename(daemon.folder / f"{name}.log.{nr}")
    daemon.process.send_signal(signal.SIGUSR1)


@pytest.mark.parametrize("times", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_logs_renamed_twice_a_second_lose_no_line(configure, capsule, times):
    write_script(capsule, "slow", "sleep 0.3\nprintf '20 text/plain\\r\\n'\n")
    daemon = configure(SERVICE + LOGS + HOST, keeps_logs=True)
    with Load(daemon.port, "/", "/", "/cgi-bin/slow", clients=8) as load:
        for nr in range(1, times + 1):
            load.wait_for_more(5)
            rename_and_signal(daemon, nr)
            wait_for((daemon.folder / "access.log").exists, "a new file")
            time.sleep(0.5)  # the pace belongs to the story
    check_lines(daemon, load)
    wait_for(lambda: not old_files(daemon.folder), "everybody to have let go of the old files")
    sizes = [path.stat().st_size for path in daemon.folder.glob("access.log.*")]
    assert len(sizes) == times
    assert min(sizes) > 0


@pytest.mark.parametrize("times", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_logrotate_twice_a_second_loses_no_line(configure, tmp_path, need_program, times):
    logrotate = need_program("logrotate")
    daemon = configure(SERVICE + LOGS + HOST, keeps_logs=True)
    conf = tmp_path / "logrotate.conf"
    conf.write_text(
        f"{daemon.folder}/*.log {{\n\trotate 99\n\tnocreate\n\tsharedscripts\n\tpostrotate\n"
        f"\t\tkill -USR1 $(cat {tmp_path}/gemd.pid)\n\tendscript\n}}\n"
    )
    conf.chmod(0o644)
    command = [logrotate, "--force", "--state", tmp_path / "state", conf]
    with Load(daemon.port, "/", clients=8) as load:
        for _ in range(times):
            load.wait_for_more(20)
            subprocess.run(command, check=True, timeout=60)
            wait_for((daemon.folder / "access.log").exists, "a new file")
            time.sleep(0.5)  # the pace belongs to the story
    check_lines(daemon, load)
    assert len(list(daemon.folder.glob("access.log.*"))) == times
    wait_for(lambda: not old_files(daemon.folder), "everybody to have let go of the old files")


def test_who_drains_moves_to_the_new_files_too(configure, tmp_path, capsule):
    (capsule / "large").write_bytes(bytes(5_000_000))
    with Succession(configure(SERVICE + LOGS + HOST, keeps_logs=True), tmp_path) as service:
        daemon, old = service.daemon, service.pid
        first = SlowDownload(daemon.port, "/large")
        service.send(signal.SIGHUP)
        wait_for(lambda: "reloaded: " in service.errors, "the reload")
        second = SlowDownload(daemon.port, "/large")
        service.send(signal.SIGUSR2)
        wait_for(lambda: service.pid != old, "the upgrade")
        wait_for(lambda: "this one drains" in service.errors, "the old master to know")
        assert workers_of(old)
        (daemon.folder / "access.log").rename(daemon.folder / "access.log.1")
        (daemon.folder / "error.log").rename(daemon.folder / "error.log.1")
        service.send(signal.SIGUSR1)
        wait_for((daemon.folder / "access.log").exists, "a new file")
        wait_for(lambda: not old_files(daemon.folder), "everybody to have let go of the old files")
        assert max(first.received, second.received) < 5_000_000
        assert workers_of(old)
        assert first.finish() is not None
        assert second.finish() is not None
        wait_for(lambda: not is_alive(old) or daemon.process.poll() is not None, "the old master to leave")
        wait_for(lambda: sum("/large" in line for line in daemon.access) == 2, "both lines")


def test_what_is_no_file_in_a_logs_place_is_refused(configure, tmp_path):
    daemon = configure(SERVICE + LOGS + HOST, keeps_logs=True)
    daemon.expect("the log files stay as they are: can't open the log")
    log, old = daemon.folder / "access.log", daemon.folder / "access.log.1"
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    log.rename(old)
    for nr, put in enumerate((lambda: log.symlink_to(victim), lambda: os.mkfifo(log), log.mkdir), 1):
        put()
        daemon.process.send_signal(signal.SIGUSR1)
        wait_for(lambda nr=nr: daemon.errors.count("stay as they are") == nr, "the refusal")
        assert daemon.ask("/").status == 20
        wait_for(lambda nr=nr: len(old.read_text().splitlines()) == nr, "a line in the old file")
        log.rmdir() if log.is_dir() and not log.is_symlink() else log.unlink()
    assert victim.read_text() == "precious\n"
    assert tell(tmp_path / "control.sock", "reopen") == {"ok": True, "message": "the log files are open anew"}
    wait_for(lambda: not old_files(daemon.folder), "everybody to have let go of the old file")
    assert daemon.ask("/").status == 20
    wait_for(lambda: len(daemon.access) == 1, "a line in the new file")


def refuse_to_start(tmp_path: Path, folder: Path, *said: str) -> None:
    conf = tmp_path / "gemd.conf"
    (tmp_path / "cgi-bin").mkdir(exist_ok=True)
    text = USER + f'[log]\naccess = "{folder}/access.log"\n' + HOST
    conf.write_text(text.replace("{root}", str(tmp_path)).replace("{tmp}", str(tmp_path)))
    command = [sys.executable, "-m", "gemd", "-c", conf, "--host", "127.0.0.1", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert all(words in done.stderr for words in said), done.stderr
    assert not (folder / "access.log").exists()


def test_a_log_where_everyone_may_write_is_refused_at_the_start(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    folder.chmod(0o777)
    refuse_to_start(tmp_path, folder, "everyone may write in", "give the logs one of their own")


@need_root
def test_roots_log_where_another_user_may_write_is_refused_at_the_start(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    folder.chmod(0o775)
    refuse_to_start(tmp_path, folder, "as root: another user may write in", "chmod g-w")
    folder.chmod(0o755)
    os.chown(folder, pwd.getpwnam("nobody").pw_uid, 0)
    refuse_to_start(tmp_path, folder, "as root: another user may write in", "chown root")


@need_root
def test_logs_that_are_roots_are_reopened_for_workers_that_are_not(configure, tmp_path):
    text = 'user = "nobody"\nmaster-user = "root"\n' + SERVICE + LOGS + HOST
    with public_folder() as public:
        daemon = configure(text.replace("{root}", str(public / "capsule")), keeps_logs=True)
        uid = pwd.getpwnam("nobody").pw_uid
        wait_until_serving(tmp_path / "control.sock")
        assert all(f"\nUid:\t{uid}\t" in Path(f"/proc/{pid}/status").read_text() for pid in daemon.workers)
        with Load(daemon.port, "/", clients=4) as load:
            for nr in (1, 2):
                load.wait_for_more(20)
                rename_and_signal(daemon, nr)
                wait_for((daemon.folder / "access.log").exists, "a new file")
                wait_for(lambda: not old_files(daemon.folder), "everybody to have let go of the old files")
            load.wait_for_more(20)
        check_lines(daemon, load)
        status = (daemon.folder / "access.log").stat()
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o640)
        assert status.st_size > 0
        daemon.finish()
