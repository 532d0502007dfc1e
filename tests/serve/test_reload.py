"""Reloads by SIGHUP: all or nothing, and nobody notices but who looks at the answers."""

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import IS_ROOT, need_root
from tests.support.processes import free_port

from .certificates import DAY, NOW, make_certificate
from .conftest import children_of, connections_of, is_alive, wait_for
from .load import Load, SlowDownload
from .succession import HOST, descriptors, tell, wait_for_descriptors, workers_of, write_script

USER = 'user = "root"\n' if os.geteuid() == 0 else ""
SERVICE = USER + 'workers = 2\ncontrol = "{tmp}/control.sock"\n'
MANY_SCRIPTS = "[limits]\ncgi = 100\ncgi-per-address = 49\n"  # for a load that comes from one address
LISTENING = "0A"
LISTEN = 'listen = ["127.0.0.1:0"{more}]\n'
SLOW = 'sleep 0.3\nprintf "20 text/plain\\r\\n$PPID\\n"\n'


@pytest.fixture
def rewrite(tmp_path, capsule):
    """Give the running daemon another configuration file; its path."""

    def rewrite_it(text: str) -> Path:
        path, new = tmp_path / "gemd.conf", tmp_path / "new.conf"
        new.write_text(text.replace("{root}", str(capsule)).replace("{tmp}", str(tmp_path)))
        return new.replace(path)  # a reload may be under way, and must not read half of it

    return rewrite_it


@pytest.fixture
def status(tmp_path):
    """What the master says of itself."""
    return lambda: tell(tmp_path / "control.sock", "status")["status"]


@pytest.mark.parametrize("count", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_reloads_lose_no_request(configure, rewrite, capsule, count):
    write_script(capsule, "slow", SLOW)
    text = SERVICE + MANY_SCRIPTS + HOST + 'lang = "x-gen{nr}"\n'
    daemon = configure(text.replace("{nr}", "0"))
    first = daemon.workers
    with Load(daemon.port, "/", "/cgi-bin/slow", clients=16) as load:
        for nr in range(1, count + 1):
            rewrite(text.replace("{nr}", str(nr)))
            daemon.process.send_signal(signal.SIGHUP)
            time.sleep(0.5)  # the pace belongs to the story
        wait_for(lambda: daemon.ask("/").meta.endswith(f"x-gen{count}"), "the last generation")
        last = daemon.workers
        load.wait_for_more(50)
    assert load.failures == []
    languages = set(re.findall(rb"x-gen\d+", b" ".join(load.answers)))
    assert {b"x-gen0", b"x-gen%d" % count} < languages
    pids = {int(raw.split()[-1]) for raw in load.answers if b"text/plain" in raw}
    assert pids & set(first)
    assert pids & set(last)
    wait_for(lambda: len(daemon.workers) == 2, "the old workers to leave")
    assert not any(is_alive(pid) for pid in pids - set(daemon.workers))


def test_whatever_is_wrong_is_said_in_a_line_and_changes_nothing(configure, rewrite, tmp_path, status):
    good = SERVICE + LISTEN.replace("{more}", "") + HOST
    make_certificate(tmp_path / "one.pem", "localhost")
    make_certificate(tmp_path / "other.pem", "localhost")
    (tmp_path / "garbage.pem").write_text("no key\n")
    pair = 'certificate = "{tmp}/one.pem"\nkey = "{tmp}/KEY"\n'
    with socket.create_server(("127.0.0.1", 0)) as taken:
        more = f', "127.0.0.1:{taken.getsockname()[1]}"'
        bad = {  # text of the file, what is said, whether `gemd -t` can tell
            "syntax": ("[[host\n" + good, "gemd.conf:1: expected ]]", True),
            "unknown key": ("wrkers = 2\n" + good, "did you mean 'workers'", True),
            "missing root": (good.replace("{root}", "/nowhere"), "/nowhere can't be opened", True),
            "missing key": (good + pair.replace("KEY", "none.pem"), "none.pem can't be read", True),
            "garbage for a key": (good + pair.replace("KEY", "garbage.pem"), "garbage.pem", True),
            "another's key": (good + pair.replace("KEY", "other.pem"), "other.pem", True),
            "a directory for a key": (good + pair.replace("/KEY", ""), "can't be read", True),
            "unknown user": ('user = "nobody-at-all"\n' + good.replace(USER, ""), "there is no user", True),
            "taken port": (good.replace('0"]', f'0"{more}]'), "another program listens there", False),
            "log nowhere": (good + '[log]\nerror = "/nowhere/error.log"\n', "can't open the log", True),
            "access log nowhere": (good + '[log]\naccess = "/nowhere/access.log"\n', "can't open the log", True),
        }
        daemon = configure(good)
        daemon.expect("not reloaded: ")
        workers = daemon.workers
        for nr, (name, (text, said, is_testable)) in enumerate(bad.items(), 1):
            seen = daemon.errors
            path = rewrite(text)
            daemon.reload("not reloaded: ")
            wait_for(lambda nr=nr: status()["failed_reloads"] == nr, "the reload to be over")
            lines = [re.sub(r".*\] (?=\w+: )", "", line) for line in daemon.errors.removeprefix(seen).splitlines()]
            assert len(lines) == 1, (name, lines)
            assert lines[0].startswith("error: not reloaded: "), (name, lines)
            assert said in lines[0], (name, lines)
            assert daemon.workers == workers, name
            assert daemon.ask("/").text == "# A capsule\n", name
            if is_testable:
                command = [sys.executable, "-m", "gemd", "-t", "-c", path]
                test = subprocess.run(command, capture_output=True, text=True, check=False)
                reason = lines[0].removeprefix("error: not reloaded: ")
                assert (test.returncode, test.stderr) == (3, f"gemd: {reason}\n"), name
    rewrite(good)
    daemon.reload()
    wait_for(lambda: len(daemon.workers) == 2 and not set(workers) & set(daemon.workers), "new workers")
    assert status()["generation"] == 2


def test_hosts_roots_and_certificates_are_taken_anew(configure, rewrite, tmp_path, capsule):
    one, _ = make_certificate(tmp_path / "one.pem", "localhost", end=NOW + 365 * DAY)
    two, _ = make_certificate(tmp_path / "two.pem", "localhost", end=NOW + 365 * DAY)
    for name in ("one.pem", "two.pem"):
        (tmp_path / name).chmod(0o600)
    text = SERVICE + HOST + 'certificate = "{tmp}/one.pem"\nkey = "{tmp}/one.pem"\n'
    daemon = configure(text)

    def shown(name: str) -> str:
        with daemon.tls(name) as tls:
            return hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()

    def print_of(certificate) -> str:
        return certificate.fingerprint(certificate.signature_hash_algorithm).hex()

    assert shown("localhost") == print_of(one)
    assert daemon.ask("/", host="example.org", name="example.org").status == 53
    other = tmp_path / "other"
    (other / "cgi-bin").mkdir(parents=True)
    (other / "index.gmi").write_text("# Another\n")
    second = '[[host]]\nname = "example.org"\nroot = "{tmp}/other"\n'
    rewrite(text.replace("one.pem", "two.pem").replace("{root}", str(other)) + second)
    daemon.reload()
    wait_for(lambda: shown("localhost") == print_of(two), "the new certificate")
    wait_for(lambda: len(daemon.workers) == 2, "the old workers to leave")
    assert daemon.ask("/").text == "# Another\n"
    assert daemon.ask("/", host="example.org", name="example.org").text == "# Another\n"
    assert shown("example.org") != print_of(two)

    shutil.copy(tmp_path / "one.pem", tmp_path / "two.pem")  # renewed in its place: the configuration is the same
    daemon.reload()
    wait_for(lambda: shown("localhost") == print_of(one), "the renewed certificate")


def test_a_listener_comes_and_goes_and_the_other_is_never_closed(configure, rewrite, status, tmp_path):
    port = free_port()
    one = SERVICE + LISTEN.replace("{more}", "") + HOST
    both = SERVICE + LISTEN.replace("{more}", f', "127.0.0.1:{port}"') + HOST
    daemon = configure(one)
    kept = connections_of(daemon.port, LISTENING)
    assert len(kept) == 1
    control = tmp_path / "control.sock"
    others = [status()["descriptors"] - 1, *(number - 1 for number in descriptors(control).values())]

    def is_refused() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            return True
        return False

    assert is_refused()
    for text, number in ((both, 2), (one, 1), (both, 2)):
        rewrite(text)
        with Load(daemon.port, "/", clients=4) as load:
            daemon.reload()
            wait_for(lambda: len(daemon.workers) == 2, "the old workers to leave")
            load.wait_for_more(10)
        assert load.failures == []
        assert connections_of(daemon.port, LISTENING) == kept
        assert len(connections_of(port, LISTENING)) == number - 1
        master, *workers = (count + number for count in others)
        wait_for_descriptors(control, lambda now, workers=workers: [*now.values()] == workers, "the workers' listeners")
        assert status()["descriptors"] == master
        if IS_ROOT:
            for pid in (daemon.process.pid, *daemon.workers):
                inodes = listening_inodes(pid)
                assert kept[0][1] in inodes
                assert len(inodes) == number
        assert is_refused() == (number == 1)
    with Load(port, "/", clients=2) as load:
        load.wait_for_more(10)
    # The port in the URL is not the one that such a client asks for, which is for the host to refuse or not.
    assert all("53 " in failure for failure in load.failures)


def listening_inodes(pid: int) -> set[str]:
    """The sockets that a process listens on. For root to ask."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {f"socket:[{line[9]}]" for line in lines if line[3] == LISTENING}
    targets = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            targets.add(os.readlink(entry))
        except OSError:
            continue  # a client that has left
    return {target.removeprefix("socket:[").removesuffix("]") for target in targets & listening}


def test_a_storm_ends_with_the_workers_of_the_last_generation(configure, rewrite, status):
    text = SERVICE + HOST + 'lang = "x-gen{nr}"\n'
    daemon = configure(text.replace("{nr}", "0").replace("workers = 2", "workers = 3"))
    for nr in range(1, 51):
        rewrite(text.replace("{nr}", str(nr)).replace("workers = 2", "workers = 3"))
        daemon.process.send_signal(signal.SIGHUP)
        time.sleep(0.02)  # fifty in a second

    def is_settled() -> bool:
        now = status()
        states = [(worker["state"], worker["generation"]) for worker in now["workers"]]
        return now["state"] == "serving" and states == [("serving", now["generation"])] * 3

    wait_for(lambda: daemon.ask("/").meta.endswith("x-gen50"), "the last configuration", 60)
    wait_for(is_settled, "three workers of one generation", 60)
    assert status()["failed_reloads"] == 0
    assert status()["reloads"] + 1 == status()["generation"]
    assert len(daemon.workers) == len(children_of(daemon.process.pid)) == 3


class Tracer:
    """strace(1) on a master and on what it forks from now on, inside a `with` block."""

    def __init__(self, strace: str, pid: int, inject: str):
        self._pid = pid
        command = [strace, "-f", "-qq", "-o", "/dev/null", "-p", str(pid), "-e", f"inject={inject}"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def __enter__(self):
        wait_for(lambda: "TracerPid:\t0" not in Path(f"/proc/{self._pid}/status").read_text(), "strace")

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()


BOOT_FAULTS = {  # of a new worker, which asks prctl(2) for its locks, and alone has an event loop
    "killed": ("epoll_create1:signal=KILL", "a new worker was killed by SIGKILL"),
    "refused its locks": ("prctl:error=EPERM", "a new worker ended with exit code 5"),
    "out of descriptors": ("epoll_create1:error=EMFILE", "a new worker ended with exit code 1"),
    "hangs": ("epoll_create1:delay_enter=600000000", "did not serve within 2 s"),
}


@need_root
@pytest.mark.parametrize(("inject", "said"), BOOT_FAULTS.values(), ids=BOOT_FAULTS)
def test_new_workers_that_do_not_come_up_leave_the_old_ones_in_place(
    configure, rewrite, need_program, status, inject, said
):
    strace = need_program("strace")
    # strace makes each call dear, and confining scripts takes one for each file beside those that are hidden.
    more = "[timeouts]\nstart = 2\n[cgi]\nconfine = false\n"
    text = "{user}" + SERVICE.replace(USER, "") + more + HOST
    daemon = configure(text.replace("{user}", USER))
    daemon.expect(
        "not reloaded",
        r"worker \d \(pid \d+\) (ended|was killed)",
        "serves nothing",
        "has to stop",
        "Traceback",
        "EMFILE",
    )
    daemon.expect("Too many open files")
    workers = daemon.workers
    rewrite(text.replace("{user}", USER) + 'lang = "x-new"\n')
    with Tracer(strace, daemon.process.pid, inject), Load(daemon.port, "/", clients=2) as load:
        daemon.reload("not reloaded: ")
        assert said in daemon.errors
        assert all(is_alive(pid) for pid in workers)
        load.wait_for_more(20)
    assert load.failures == []
    assert not any(b"x-new" in raw for raw in load.answers)
    wait_for(lambda: daemon.workers == workers, "the new workers to be gone")
    assert status()["generation"] == 1
    daemon.reload()
    wait_for(lambda: daemon.ask("/").meta.endswith("x-new"), "the new generation, now that nothing is wrong")


def test_a_slow_download_survives_a_reload(configure, capsule, status):
    content = os.urandom(5_000_000)
    (capsule / "large").write_bytes(content)
    daemon = configure(SERVICE + HOST)
    download = SlowDownload(daemon.port, "/large")
    worker = wait_for(lambda: [w["pid"] for w in status()["workers"] if w["writing"]], "the download to be seen")[0]
    daemon.reload()
    wait_for(lambda: len(status()["workers"]) == 3, "the other old worker to leave")
    assert daemon.ask("/").status == 20
    assert is_alive(worker)
    assert download.received < len(content)
    assert download.finish() == hashlib.sha256(content).hexdigest()
    wait_for(lambda: not is_alive(worker), "the old worker to leave")


def test_a_slow_download_survives_its_workers_planned_end(configure, capsule, status):
    content = os.urandom(5_000_000)
    (capsule / "large").write_bytes(content)
    daemon = configure(SERVICE + "max-requests = 20\n" + HOST)
    download = SlowDownload(daemon.port, "/large")
    worker = wait_for(lambda: [w["pid"] for w in status()["workers"] if w["writing"]], "the download to be seen")[0]

    def state() -> str:
        return next(w["state"] for w in status()["workers"] if w["pid"] == worker)

    with Load(daemon.port, "/", clients=4) as load:
        wait_for(lambda: state() == "draining", "the worker to be replaced", 60)
        load.wait_for_more(10)
    assert load.failures == []
    assert is_alive(worker)
    assert download.received < len(content)
    assert download.finish() == hashlib.sha256(content).hexdigest()
    wait_for(lambda: not is_alive(worker), "the old worker to leave")


def test_workers_are_recycled_without_a_lost_request(configure, capsule):
    write_script(capsule, "slow", SLOW)
    daemon = configure(SERVICE + "max-requests = 20\n" + MANY_SCRIPTS + HOST)
    with Load(daemon.port, "/", "/", "/cgi-bin/slow", clients=16) as load:
        wait_for(lambda: daemon.errors.count("another follows") >= 6, "recycled workers", 60)
    assert load.failures == []
    pids = {int(raw.split()[-1]) for raw in load.answers if b"text/plain" in raw}
    assert len(pids) > 3
    wait_for(lambda: len(workers_of(daemon.process.pid)) == 2, "two workers")
