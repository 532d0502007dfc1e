"""Logs that go to syslog, by a daemon that has a /dev/log of its own: `log.facility`, `legacy`, and a syslog that is
absent, started anew, or stops reading."""

import re
import signal
import socket
from pathlib import Path

import pytest

from tests.conftest import need_root

from .conftest import Daemon, wait_for
from .load import Load
from .succession import HOST, SERVICE, public_folder, tell, wait_until_serving, workers_of

pytestmark = need_root  # who may give a process another /dev

# A /dev with what a daemon needs, put in the place of the other for this process and its children alone.
OWN_DEV = """
set -e
mkdir "$1/dev"
mount -t tmpfs none "$1/dev"
for name in null zero full random urandom; do : > "$1/dev/$name"; mount --bind "/dev/$name" "$1/dev/$name"; done
mkdir "$1/dev/shm"
mount --bind /dev/shm "$1/dev/shm"
ln -s /proc/self/fd "$1/dev/fd"
ln -s "$1/syslog/socket" "$1/dev/log"
mount --move "$1/dev" /dev
shift
exec "$@"
"""
LOGS = '[log]\naccess = "syslog"\nerror = "{tmp}/daemon0/error.log"\nformat = "legacy"\nfacility = "local3"\n'
DATE = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
LOCAL3_INFO = 19 * 8 + 6


class Syslog:
    """What listens at /dev/log, and what it has read."""

    def __init__(self, folder: Path):
        self.path = folder / "socket"
        self.lines: list[str] = []
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Listen, in the place of who did before."""
        self.path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(self.path))

    def stop(self) -> None:
        """Listen no more; the path stays, as of a daemon that was killed."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def read(self) -> list[str]:
        """All lines until now."""
        assert self._socket is not None
        try:
            while True:
                self.lines.append(self._socket.recv(65536).decode())
        except BlockingIOError:
            return self.lines

    def wait_for(self, count: int) -> list[str]:
        wait_for(lambda: len(self.read()) >= count, f"{count} lines")
        return self.lines


@pytest.fixture
def syslog(tmp_path):
    (tmp_path / "syslog").mkdir()
    syslog = Syslog(tmp_path / "syslog")
    yield syslog
    syslog.stop()


@pytest.fixture
def serve_by(configure, tmp_path, need_program):
    """Serve by a configuration, with a /dev/log of its own."""
    unshare = need_program("unshare")

    def serve_by(text: str) -> Daemon:
        within = (unshare, "--mount", "sh", "-c", OWN_DEV, "sh", str(tmp_path))
        return configure(text, keeps_logs=True, within=within)

    return serve_by


def dropped(tmp_path: Path) -> int:
    """How many lines are counted as lost."""
    return tell(tmp_path / "control.sock", "status")["status"]["dropped"]


def wait_until_told(daemon: Daemon, syslog: Syslog, reason: str) -> None:
    """By the worker that lost lines, with its next one that can be written."""

    def is_told() -> bool:
        syslog.read()
        assert daemon.ask("/").status == 20
        told = rf"\d+ lines? of the log syslog could not be written: {reason}"
        return re.search(told, daemon.errors) is not None

    wait_for(is_told, "the loss to be told")


def test_a_request_is_a_line_of_legacy_under_its_facility(serve_by, syslog):
    syslog.start()
    daemon = serve_by(SERVICE + LOGS + HOST)
    with daemon.tls() as tls:
        port = tls.getsockname()[1]
        tls.sendall(daemon.url("/a%20b\x22?secret").encode() + b"\r\n")
        assert tls.recv(100).startswith(b"51 ")
    assert daemon.send(b"\r\n").status == 59
    first, second = (re.sub(DATE, "DATE", line) for line in syslog.wait_for(2))
    pids = "|".join(map(str, daemon.workers))
    assert re.fullmatch(
        rf"<{LOCAL3_INFO}>DATE gemd\[({pids})\]: 127\.0\.0\.1:{port} GET {daemon.url()}a%20b\\x22\?\.\.\. 51 Not found",
        first,
    )
    assert re.search(r"\]: 127\.0\.0\.1:\d+ GET - 59 ", second)


def test_a_reload_changes_the_facility(serve_by, syslog, tmp_path):
    syslog.start()
    daemon = serve_by(SERVICE + LOGS + HOST)
    conf = tmp_path / "gemd.conf"
    conf.write_text(conf.read_text().replace("local3", "ftp"))
    daemon.replace_workers()
    assert daemon.ask("/").status == 20
    assert syslog.wait_for(1)[0].startswith("<94>")
    daemon.expect("not reloaded: ")
    conf.write_text(conf.read_text().replace('"ftp"', '"mail"'))
    daemon.reload("not reloaded: ")
    assert re.search(r'not reloaded: .*log\.facility: expected "daemon" or .* not "mail"', daemon.errors)
    assert daemon.ask("/").status == 20
    assert syslog.wait_for(2)[1].startswith("<94>")


def test_one_that_comes_late_or_anew_has_what_follows(serve_by, syslog, tmp_path):
    daemon = serve_by(SERVICE + LOGS + HOST)
    daemon.expect("could not be written")
    assert daemon.ask("/absent").status == 51
    wait_for(lambda: dropped(tmp_path) == 1, "a line that is lost")
    for name in ("first", "second"):
        syslog.start()
        assert daemon.ask(f"/{name}").status == 51
        wait_for(lambda name=name: any(f"/{name} 51" in line for line in syslog.read()), "a line")
        syslog.stop()
    syslog.start()
    wait_until_told(daemon, syslog, "No such file or directory")


def test_one_that_stops_reading_stops_nobody(serve_by, syslog, tmp_path):
    syslog.start()
    daemon = serve_by(SERVICE + LOGS + HOST)
    daemon.expect("could not be written")
    asked = 0
    while dropped(tmp_path) == 0:
        assert daemon.ask("/").status == 20
        asked += 1
        assert asked < 5000
    assert daemon.ask("/").status == 20
    assert "could not be written" not in daemon.errors
    wait_until_told(daemon, syslog, "nobody reads it")


def test_each_answer_has_its_line_or_is_counted(serve_by, syslog, tmp_path):
    syslog.start()
    daemon = serve_by(SERVICE + LOGS + HOST)
    daemon.expect("could not be written")  # if this machine has other things to do than to read them
    with Load(daemon.port, "/", clients=4) as load:
        wait_for(lambda: len(syslog.read()) >= 300, "300 lines", 60)
    assert load.failures == []
    wait_for(lambda: len(syslog.read()) + dropped(tmp_path) == load.answered, "the last of them")


def test_a_chroot_keeps_nobody_from_it(serve_by, syslog, tmp_path):
    syslog.start()
    keys = 'user = "nobody"\nmaster-user = "root"\n'
    with public_folder() as public:
        text = keys + f'chroot = "{public}"\n' + SERVICE + LOGS + HOST
        daemon = serve_by(text.replace("{root}", str(public / "capsule")))
        wait_until_serving(tmp_path / "control.sock")
        assert daemon.ask("/").status == 20
        assert f"<{LOCAL3_INFO}>" in syslog.wait_for(1)[0]
        daemon.expect("could not be written")
        syslog.stop()
        syslog.start()
        assert daemon.ask("/").status == 20
        wait_for(lambda: dropped(tmp_path) == 1, "a line that is lost, since the chroot has no /dev/log")
        daemon.replace_workers()
        assert workers_of(daemon.process.pid)
        assert daemon.ask("/again").status == 51
        wait_for(lambda: any("/again 51" in line for line in syslog.read()), "a line of the new workers")
        assert daemon.process.poll() is None
        daemon.finish()


def test_the_error_log_goes_there_too_and_a_master_waits_for_nobody(serve_by, syslog, tmp_path):
    """Its own lines, when nobody reads any: no reload waits for that."""
    syslog.start()
    daemon = serve_by(SERVICE + LOGS + HOST)
    conf = tmp_path / "gemd.conf"
    conf.write_text(conf.read_text().replace(f'"{tmp_path}/daemon0/error.log"', '"syslog"'))
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: any("reloaded: generation" in line for line in syslog.read()), "the reload, in syslog")
    assert any(
        re.match(rf"<{LOCAL3_INFO}>{DATE} gemd\[{daemon.process.pid}\]: .*generation", line) for line in syslog.lines
    )
    for _ in range(50):  # there is room for so many datagrams or fewer (net.unix.max_dgram_qlen)
        assert tell(tmp_path / "control.sock", "reload")["ok"]
    assert daemon.ask("/").status == 20
