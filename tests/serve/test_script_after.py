"""Work that goes on after an answer: for as long as it may, and a line where it is ended."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import need_root

from .conftest import is_alive, wait_for
from .scripts import CONFIG, write_into
from .succession import public_folder, tell, wait_until_serving, write_script

AFTER = CONFIG + "[cgi]\nafter = 60\n"
JOB = "echo 20 text/plain; echo $PPID; ( echo begun >&2; {work}; echo done > {path} ) &\n"
WAIT = "while [ ! -e {path}.go ]; do echo more; sleep 0.02; done"


@pytest.fixture
def job(capsule):
    """A script that leaves a job behind; the job's file is there when it is done, and it waits for FILE.go."""
    path = capsule.parent / "work/done"
    path.parent.mkdir()  # where scripts may make files

    def job(name="job", text=JOB, work=WAIT) -> Path:
        write_into(capsule / "cgi-bin")(name, text.replace("{work}", work).replace("{path}", str(path)))
        return path

    return job


def release(path: Path) -> None:
    Path(f"{path}.go").touch()


ENDED = "went on after its answer and was ended"


def test_a_job_in_the_background_may_go_on(configure, job):
    """What it writes meanwhile is taken, and what it complains of is logged."""
    path = job()
    daemon = configure(AFTER)
    daemon.expect("script /cgi-bin/job says: begun")
    answer = daemon.ask("/cgi-bin/job")
    assert answer.complete
    assert answer.seconds < 3
    time.sleep(0.3)
    assert not path.exists()
    release(path)
    assert wait_for(path.exists, "the job to be done")
    wait_for(lambda: "says: begun" in daemon.errors, "its end")
    assert ENDED not in daemon.errors


def test_a_script_that_has_closed_its_output_may_go_on(configure, job):
    path = job(text="echo 20 text/plain; exec >&- 2>&-; {work} 2>/dev/null; echo done > {path}\n", work=WAIT)
    daemon = configure(AFTER)
    answer = daemon.ask("/cgi-bin/job")
    assert answer.complete
    assert answer.seconds < 3
    release(path)
    assert wait_for(path.exists, "the job to be done")


def test_a_job_may_go_on_whatever_the_script_exits_with(configure, job):
    path = job(text=JOB + "exit 3\n")
    daemon = configure(AFTER)
    daemon.expect("exited with code 3 after its answer, which is whole", "says: begun")
    assert daemon.ask("/cgi-bin/job").complete
    release(path)
    assert wait_for(path.exists, "the job to be done")


NO_TIME = [("", "cgi.after = 0", 0.0), ("[cgi]\nafter = 0.5\n", "cgi.after = 0.5", 0.5)]


@pytest.mark.parametrize(("keys", "key", "at_least"), NO_TIME)
def test_a_job_that_may_not_go_on_is_ended_and_a_line_says_so(configure, job, keys, key, at_least):
    path = job()
    daemon = configure(CONFIG + keys)
    daemon.expect(ENDED, "says: begun")
    began = time.monotonic()
    assert daemon.ask("/cgi-bin/job").complete
    line = f"script /cgi-bin/job {ENDED} ({key}): "
    wait_for(lambda: line in daemon.errors, "a line that says so")
    assert time.monotonic() - began >= at_least
    release(path)
    time.sleep(0.2)
    assert not path.exists()


def test_a_location_has_a_time_of_its_own(configure, job):
    path = job(name="own/job")
    job()
    daemon = configure(CONFIG + '[[host.location]]\npath = "/cgi-bin/own"\ncgi-after = 60\n')
    daemon.expect(ENDED, "says: begun")
    assert daemon.ask("/cgi-bin/job").complete
    wait_for(lambda: f"script /cgi-bin/job {ENDED} (cgi.after = 0)" in daemon.errors, "a line that says so")
    assert daemon.ask("/cgi-bin/own/job").complete
    release(path)
    assert wait_for(path.exists, "the job to be done")


def test_whoever_has_jobs_has_places(configure, job):
    """Until they are done: nobody has more of them than of scripts."""
    path = job()
    text = AFTER.replace("cgi-per-address = 8", "cgi-per-address = 2")
    daemon = configure(text.replace("workers = 2", "workers = 1"))
    daemon.expect("says: begun", ENDED)  # the last one, if that is not done when the daemon ends
    assert [daemon.ask("/cgi-bin/job").status for _ in range(4)] == [20, 20, 41, 41]
    release(path)
    wait_for(lambda: daemon.ask("/cgi-bin/job").status == 20, "a place to be free")


def test_a_client_that_leaves_ends_the_work(configure, job, capsule):
    pid_path = capsule.parent / "work/pid"
    job(text=f"echo $$ > {pid_path}; echo 20 text/plain; yes\n")
    daemon = configure(AFTER)
    tls = daemon.tls()
    tls.sendall(daemon.url("/cgi-bin/job").encode() + b"\r\n")
    tls.recv(100)
    pid = int(pid_path.read_text())
    tls.close()
    wait_for(lambda: not is_alive(pid), "its end")


def test_a_reload_lets_a_job_go_on(configure, job):
    path = job()
    daemon = configure(AFTER)
    daemon.expect("says: begun")
    assert daemon.ask("/cgi-bin/job").complete
    old = daemon.workers
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(set(daemon.workers) - set(old)) == 2, "new workers")
    wait_for(lambda: sum(map(is_alive, old)) == 1, "the other of the old workers to end")
    release(path)
    assert wait_for(path.exists, "the job to be done")
    wait_for(lambda: not any(map(is_alive, old)), "the old workers to end")


def test_a_stop_ends_a_job_and_a_line_says_so(configure, job):
    job()
    daemon = configure(AFTER)
    daemon.expect(ENDED, "says: begun")
    assert daemon.ask("/cgi-bin/job").complete
    assert daemon.stop() == 0  # long before the time of either is over
    assert f"script /cgi-bin/job {ENDED} (cgi.after = 60)" in daemon.errors


# As another user


TOP = """
user = "nobody"
master-user = "root"
workers = 2
control = "{tmp}/control.sock"
[cgi]
user = "daemon"
[tls]
certificates = "{tmp}/certificates"
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
cgi-after = 60
[[host.location]]
path = "/cgi-bin/now"
cgi-after = 0
"""


@pytest.fixture
def public():
    with public_folder() as folder:
        yield folder


@need_root
def test_script_hosts_let_a_job_go_on_as_well(public, start, tmp_path):  # in this order: the daemon ends first
    capsule, path = public / "capsule", public / "work/done"
    path.parent.mkdir()
    os.chmod(path.parent, 0o777)
    (capsule / "cgi-bin/now").mkdir(parents=True)
    closes = f"echo 20 text/plain; exec >&- 2>&-; {WAIT}; echo $$ > {path}.closed\n"
    for name, text in (("job", JOB.replace("{work}", WAIT)), ("closes", closes)):
        for place in ("", "now/"):
            write_script(capsule, place + name, text.replace("{path}", str(path)))
    (public / "gemd.conf").write_text(TOP.replace("{root}", str(capsule)).replace("{tmp}", str(tmp_path)))
    flags = ("--host", "127.0.0.1", "--port", "0")
    daemon = start("-c", public / "gemd.conf", *flags, as_root=False).wait_until_ready()
    wait_until_serving(tmp_path / "control.sock")
    daemon.expect(ENDED, "says: begun")
    for name in ("job", "closes"):
        assert daemon.ask(f"/cgi-bin/now/{name}").complete
        line = f"script /cgi-bin/now/{name} {ENDED} (cgi-after = 0): 1 of its processes, or more"
        wait_for(lambda line=line: line in daemon.errors, "a line that says so")
    assert daemon.ask("/cgi-bin/job").complete
    assert daemon.ask("/cgi-bin/closes").complete
    tell(tmp_path / "control.sock", "reload")
    release(path)
    assert wait_for(path.exists, "the job to be done")
    assert wait_for(Path(f"{path}.closed").exists, "the script to be done")
    assert daemon.errors.count(ENDED) == 2
