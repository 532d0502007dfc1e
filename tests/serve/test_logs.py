"""Logs that are out of reach: of applications, of slow disks, and of who would like to know what others type."""

import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import need_root

from .applications import serve_app, write  # noqa: F401, some are fixtures
from .conftest import AS_ROOT, LONGEST, make_context, read_answer, wait_for
from .succession import HOST, SERVICE, public_folder, wait_until_serving, workers_of, write_script
from .test_rotation import old_files

# What an application may do, in good faith or not.
MEDDLING = """
import locale, logging, logging.config, os
logging.config.dictConfig({"version": 1})
logging.disable()
for name in ("de_DE.UTF-8", "C"):
    try:
        locale.setlocale(locale.LC_ALL, name)
        break
    except locale.Error:
        pass
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
os.close(2)

def app(environ, send_status):
    if "fail" in environ["GEMINI_URL"]:
        raise ValueError("a failure")
    send_status(20, "text/plain")
    return "ok"
"""


@pytest.mark.parametrize("keys", ["", "preload = true\n"])
def test_no_application_silences_the_daemon(serve_app, write, keys):  # noqa: F811
    write("meddling.py", MEDDLING)
    daemon = serve_app("meddling:app", keys=keys)
    daemon.expect(
        "was killed by",
        "ended with",
        "not reloaded",
        "can't be loaded",
        "Traceback",
        "SyntaxError",
        "failed",
        "ValueError",
    )
    assert daemon.ask("/").text == "ok"
    wait_for(lambda: len(daemon.access) == 1, "a line in the access log")
    assert daemon.ask("/fail").status == 42
    assert "ValueError: a failure" in daemon.errors
    os.kill(daemon.workers[0], signal.SIGKILL)
    wait_for(lambda: "was killed by SIGKILL" in daemon.errors, "the end of a worker in the log")
    write("meddling.py", "def app(:\n")
    daemon.reload("not reloaded: ")
    write("meddling.py", MEDDLING)
    daemon.reload()
    wait_for(lambda: len(daemon.workers) == 2, "the new workers")
    before = len(daemon.access)
    assert daemon.ask("/").text == "ok"
    wait_for(lambda: len(daemon.access) > before, "a line of the new ones")


# The journal


class Journal:
    """A gemd whose standard output and error are a socket, named as the journal; it is ended in the end."""

    def __init__(self, arguments, folder):
        self._ours, its = socket.socketpair()
        self._ours.setblocking(False)
        status = os.fstat(its.fileno())
        self._text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gemd", *arguments, *AS_ROOT],
            stdin=subprocess.DEVNULL,
            stdout=its,
            stderr=its,
            env={**os.environ, "XDG_DATA_HOME": str(folder), "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"},
        )
        its.close()

    @property
    def lines(self):
        try:
            while data := self._ours.recv(65536):
                self._text += data.decode()
        except BlockingIOError:
            pass
        return self._text.splitlines()

    def wait_for_line(self, pattern):
        return wait_for(lambda: [line for line in self.lines if re.search(pattern, line)], pattern)[0]

    def end(self):
        self.process.terminate()
        assert self.process.wait(60) == 0
        self._ours.close()


@pytest.fixture
def journal(capsule, tmp_path):
    journal = Journal(["--dir", str(capsule), "--host", "127.0.0.1", "--port", "0"], tmp_path)
    yield journal
    journal.end()


def test_the_journal_knows_what_to_act_on(journal):
    journal.wait_for_line(r"^<6>info: listening on ")
    worker, *_ = wait_for(lambda: workers_of(journal.process.pid), "a worker")
    os.kill(worker, signal.SIGKILL)
    assert re.fullmatch(
        r"<3>error: worker \d \(pid \d+\) was killed by SIGKILL after [0-9.]+ s.*", journal.wait_for_line("SIGKILL")
    )


def test_the_access_log_in_the_journal_is_information(journal):
    port = int(re.search(r":(\d+);", journal.wait_for_line("listening on"))[1])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=LONGEST) as sock,
        make_context().wrap_socket(sock, server_hostname="localhost") as tls,
    ):
        tls.sendall(f"gemini://localhost:{port}/\r\n".encode())
        assert read_answer(tls).status == 20
    line = journal.wait_for_line('"gemini:')
    assert re.fullmatch(r'<6>127\.0\.0\.1 - - \[[^]]+\] "gemini://localhost:\d+/" 20 \d+', line)


# A disk that is slow


@need_root  # for strace, as a worker is nobody's to trace
def test_a_write_that_takes_long_stops_nobody(configure, tmp_path, need_program):
    strace = need_program("strace")
    folder = tmp_path / "logs"
    folder.mkdir()
    daemon = configure(SERVICE + '[log]\naccess = "{tmp}/logs/access.log"\n' + HOST)
    wait_until_serving(tmp_path / "control.sock")
    inject = ["-e", "trace=write", "-e", "inject=write:delay_enter=60s", "-P", str(folder / "access.log")]
    tracers = []
    for pid in daemon.workers:
        command = [strace, "-qq", "-f", "-o", "/dev/null", "-p", str(pid), *inject]
        tracers.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    try:
        for pid in daemon.workers:
            for task in Path(f"/proc/{pid}/task").iterdir():
                wait_for(lambda task=task: "TracerPid:\t0" not in (task / "status").read_text(), "strace")
        begin = time.monotonic()
        for _ in range(10):
            assert daemon.ask("/").complete
        assert time.monotonic() - begin < 60
        assert (folder / "access.log").read_text() == ""
    finally:
        for tracer in tracers:
            tracer.terminate()
            tracer.wait()
    wait_for(lambda: (folder / "access.log").read_text().count("\n") == 10, "all lines, when the disk is well again")


# What people type


def test_no_answer_to_a_prompt_is_logged(configure, capsule):
    write_script(
        capsule,
        "password",
        'case "$QUERY_STRING" in\n"") printf "11 Password\\r\\n" ;;\n'
        '*) printf "30 /next?%s\\r\\n" "$QUERY_STRING" ;;\nesac\n',
    )
    write_script(capsule, "break", "printf '20 text/plain\\r\\nbegun'\nkill -9 $$\n")
    daemon = configure(SERVICE + '[log]\nformat = "jetforce"\n' + HOST)
    daemon.expect("broke off")
    assert daemon.ask("/cgi-bin/password").status == 11
    assert daemon.ask("/cgi-bin/password?hunter2").meta == "/next?hunter2"
    assert not daemon.ask("/cgi-bin/break?hunter2").complete
    assert daemon.send(b"gemini://localhost/" + b"a" * 500 + b"?hunter2" + b"a" * 1000 + b"\r\n").status == 59
    assert daemon.send(b"titan://localhost/a;token=hunter2;size=1\r\n").status == 53
    wait_for(lambda: len(daemon.access) == 5, "all lines")
    assert "hunter2" not in "".join(daemon.access) + daemon.errors
    assert any('/cgi-bin/password?..." 30 "/next?..."' in line for line in daemon.access)
    assert re.search(r"the response to '[^']+/cgi-bin/break\?\.\.\.' broke off", daemon.errors)


def test_an_answer_that_broke_off_is_marked(configure, capsule):
    write_script(capsule, "break", "printf '20 text/plain\\r\\nbegun'\nkill -9 $$\n")
    daemon = configure(SERVICE + HOST)
    daemon.expect("broke off")
    assert daemon.ask("/").complete
    assert not daemon.ask("/cgi-bin/break").complete
    wait_for(lambda: len(daemon.access) == 2, "both lines")
    assert {line.split('"')[1].rpartition("/")[2]: line.split(" ")[1] for line in daemon.access} == {
        "": "-",
        "break": "broken",
    }


# A location's own


LOCATIONS = """
[[host.location]]
path = "/quiet/"
log = false
[[host.location]]
path = "/own/"
log = "{tmp}/logs/own.log"
"""


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    folder.chmod(0o755)
    return folder


def count(path):
    return path.read_text().count("\n") if path.exists() else 0


def check_locations(daemon, logs):
    """Those that have a log of their own, before and after a rotation and a reload."""

    def ask_all():
        before = count(logs / "own.log"), count(daemon.folder / "access.log")
        for path in ("/quiet/none", "/own/none", "/none"):
            assert daemon.ask(path).status == 51
        wait_for(lambda: count(logs / "own.log") > before[0], "a line of its own")
        wait_for(lambda: count(daemon.folder / "access.log") > before[1], "a line in the common log")
        assert (count(logs / "own.log"), count(daemon.folder / "access.log")) == (before[0] + 1, before[1] + 1)
        assert "/own/none" in (logs / "own.log").read_text().splitlines()[-1]
        assert "/none" in daemon.access[-1]
        assert not any("/own/" in line or "/quiet/" in line for line in daemon.access)

    ask_all()
    (logs / "own.log").rename(logs / "own.log.1")
    daemon.process.send_signal(signal.SIGUSR1)
    wait_for((logs / "own.log").exists, "a new file")
    wait_for(lambda: "the log files are open anew" in daemon.errors, "the others to have it")
    wait_for(lambda: daemon.ask("/own/none").status == 51 and count(logs / "own.log") > 0, "a line there")
    wait_for(lambda: not old_files(logs), "everybody to have let go of the old file")
    former = count(logs / "own.log.1")
    daemon.reload()
    wait_for(lambda: len(daemon.workers) == 2, "the old workers to leave")
    ask_all()
    assert count(logs / "own.log.1") == former


def test_a_location_has_a_log_of_its_own_or_none(configure, logs):
    check_locations(configure(SERVICE + HOST + LOCATIONS), logs)


@need_root
def test_a_location_s_log_is_opened_by_a_master_that_stays_root(configure, tmp_path, logs):
    with public_folder() as public:
        text = 'user = "nobody"\nmaster-user = "root"\n' + SERVICE + HOST + LOCATIONS
        daemon = configure(text.replace("{root}", str(public / "capsule")))
        wait_until_serving(tmp_path / "control.sock")
        check_locations(daemon, logs)
        assert (logs / "own.log").stat().st_uid == 0
        daemon.finish()


def check_by_flag(tmp_path, capsule):
    conf = tmp_path / "gemd.conf"
    text = HOST + LOCATIONS
    conf.write_text(text.replace("{root}", str(capsule)).replace("{tmp}", str(tmp_path)))
    command = [sys.executable, "-m", "gemd", "-t", "-c", conf, *AS_ROOT]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_log_that_could_not_be_opened_is_found_by_a_check(tmp_path, capsule, logs):
    assert check_by_flag(tmp_path, capsule).returncode == 0
    assert not (logs / "own.log").exists()
    logs.chmod(0o777)
    done = check_by_flag(tmp_path, capsule)
    assert done.returncode == 3
    assert done.stderr == (
        f"gemd: {tmp_path}/gemd.conf:14: localhost/own/: log: can't open the log {logs}/own.log: everyone may write in"
        f" {logs}; give the logs one of their own\n"
    )


@need_root
def test_a_directory_that_was_put_in_the_way_makes_root_write_nowhere_else(configure, tmp_path, logs):
    """By who may rename one on the way to the log."""
    way = tmp_path / "way"
    (way / "logs").mkdir(parents=True)
    daemon = configure(SERVICE + '[log]\naccess = "{tmp}/way/logs/access.log"\n' + HOST)
    daemon.expect("the log files stay as they are")
    nobody = pwd.getpwnam("nobody")
    (way / "logs").rename(way / "former")
    (way / "logs").symlink_to(logs)
    os.chown(way / "logs", nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    daemon.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: f"as root: {way}/logs is another user's link" in daemon.errors, "the refusal")
    (way / "logs").unlink()
    (way / "logs").mkdir()
    os.chown(way, nobody.pw_uid, nobody.pw_gid)
    daemon.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: f"as root: another user may write in {way};" in daemon.errors, "the refusal")
    assert daemon.ask("/").status == 20
    wait_for(lambda: count(way / "former" / "access.log") == 1, "a line where it was")
    assert not list(logs.iterdir())
    assert not list((way / "logs").iterdir())
