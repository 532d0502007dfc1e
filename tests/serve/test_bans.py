"""docs/LOGS.md: fail2ban, with the jail that stands there, beside a daemon that is attacked."""

import contextlib
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import need_root

from .certificates import make_certificate
from .conftest import Daemon, wait_for
from .succession import HOST, SERVICE
from .test_log_recipes import FILTER, JAIL, LOG
from .test_rotation import old_files

ATTACKER, ANOTHER, VISITOR, VICTIM = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"
MOST = int(re.search(r"^maxretry = (\d+)$", JAIL, re.M)[1])
LOGS = '[log]\naccess = "{tmp}/logs/access.log"\nformat = "common"\naddresses = "full"\n'
# Instead of a firewall, where there is none.
RECORD = "[Definition]\nactionban = echo <ip> >> {}\n"
PLAIN_JAIL = "[DEFAULT]\naction = record\nignoreip =\nusedns = warn\nlogencoding = auto\nmaxmatches = 1\n"


@dataclass
class Jail:
    """A fail2ban with gemd's jail alone. `find_banned` is told its process."""

    socket: Path
    pid: int
    find_banned: Callable[[int], set[str]]

    @property
    def banned(self) -> set[str]:
        """Whom it keeps out."""
        return self.find_banned(self.pid)

    def ask(self, *words: str) -> str:
        command = ["fail2ban-client", "-s", self.socket, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout

    @property
    def failed(self) -> int:
        """How many lines have matched."""
        found = re.search(r"Total failed:\s+(\d+)", self.ask("status", "gemd"))
        return int(found[1]) if found else -1


@pytest.fixture
def imprison(tmp_path, need_program):
    """Start fail2ban by a folder with its configuration."""
    server = need_program("fail2ban-server")
    with contextlib.ExitStack() as ended:

        def start(folder: Path, find_banned: Callable[[int], set[str]], *prefix: str) -> Jail:
            (folder / "filter.d" / "gemd.conf").write_text(FILTER)
            (folder / "jail.d" / "gemd.conf").write_text(JAIL.replace(LOG, f"{tmp_path}/logs/access.log"))
            (folder / "fail2ban.local").write_text(
                f"[Definition]\ndbfile = None\nlogtarget = {tmp_path}/fail2ban.log\n"
            )
            socket = tmp_path / "fail2ban.sock"
            command = [
                *prefix,
                server,
                "-c",
                folder,
                "-f",
                "-x",
                "-s",
                socket,
                "-p",
                tmp_path / "fail2ban.pid",
                "start",
            ]
            with (tmp_path / "fail2ban.out").open("wb") as out:
                process = subprocess.Popen(command, stdout=out, stderr=out)
            ended.callback(process.wait, 60)
            ended.callback(process.terminate)
            jail = Jail(socket, process.pid, find_banned)
            wait_for(lambda: jail.failed == 0, f"the jail: {(tmp_path / 'fail2ban.out').read_text()}", 60)
            return jail

        yield start


@pytest.fixture
def jail(tmp_path, imprison):
    """One that writes down whom it would ban."""
    folder, record = tmp_path / "fail2ban", tmp_path / "banned"
    for name in ("filter.d", "jail.d", "action.d"):
        (folder / name).mkdir(parents=True)
    (folder / "fail2ban.conf").write_text("[Definition]\nloglevel = INFO\nsyslogsocket = auto\nallowipv6 = auto\n")
    (folder / "jail.conf").write_text(PLAIN_JAIL)
    (folder / "action.d" / "record.conf").write_text(RECORD.format(record))
    return lambda: imprison(folder, lambda _pid: set(record.read_text().split()) if record.exists() else set())


@pytest.fixture
def daemon(configure, tmp_path) -> Daemon:
    (tmp_path / "logs").mkdir()
    return configure(SERVICE + LOGS + HOST)


def misbehave(daemon: Daemon, source: str, times: int) -> None:
    for _ in range(times):
        assert daemon.send(b"\r\n", source=source).status == 59


def visit(daemon: Daemon, source: str, times: int) -> None:
    """Pages, and links that are dead."""
    for _ in range(times):
        assert daemon.ask("/", source=source).status == 20
        assert daemon.ask("/none", source=source).status == 51


def forge(daemon: Daemon, tmp_path: Path) -> int:
    """Requests, hosts and certificates that are written like a line of somebody else's; how many of them are wrong."""
    line = time.strftime(f'{VICTIM} - - [%d/%b/%Y:%H:%M:%S +0000] "" 59 4', time.gmtime())
    forged = [
        raw.encode() + b"\r\n"
        for before in ("", "\n", "\r", '" 59 4\n', "\u2028", "\x85", "%0a")
        for raw in (before + line, daemon.url(f"/{before}{line}"), f"gemini://{before}{line}/")
    ]
    forged.append(b"\xff\n" + line.encode() + b"\xff\r\n")
    forged.append(f"gemini://{VICTIM}/\r\n".encode())
    wrong = sum(daemon.send(raw, source=ATTACKER).status in (53, 59) for raw in forged)
    for name in (line[:64], f"x\n{line}"[:64], time.strftime("%d/%b/2020:%H:%M:%S +0000"), f"[] {VICTIM}"):
        make_certificate(tmp_path / "forged.pem", name)
        assert daemon.send(b"\r\n", source=ATTACKER, cert=tmp_path / "forged.pem").status == 59
        wrong += 1
    return wrong


def test_who_misbehaves_is_banned_and_nobody_else(daemon, jail, tmp_path):
    jail = jail()
    visit(daemon, VISITOR, MOST + 1)
    misbehave(daemon, ANOTHER, MOST - 1)
    wait_for(lambda: jail.failed == MOST - 1, "all of it to be read", 60)
    assert jail.banned == set()
    wrong = forge(daemon, tmp_path)
    assert wrong >= MOST
    wait_for(lambda: jail.banned == {ATTACKER}, "the attacker to be banned", 60)
    wait_for(lambda: jail.failed == MOST - 1 + wrong, "each forged line to be the attacker's", 60)
    assert jail.banned == {ATTACKER}


def test_what_was_done_before_a_rotation_counts_behind_it(daemon, jail, tmp_path):
    jail = jail()
    misbehave(daemon, ATTACKER, MOST - 1)
    wait_for(lambda: jail.failed == MOST - 1, "all of it to be read", 60)
    log = tmp_path / "logs" / "access.log"
    log.rename(f"{log}.1")
    daemon.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: log.exists() and not old_files(log.parent), "everybody to have the new file")
    assert jail.banned == set()
    misbehave(daemon, ATTACKER, 1)
    wait_for(lambda: jail.banned == {ATTACKER}, "the attacker to be banned", 60)


@pytest.fixture
def firewall(tmp_path, imprison, need_program):
    """As Debian has it, in a network of its own."""
    nft = need_program("nft")
    folder = tmp_path / "fail2ban"
    shutil.copytree("/etc/fail2ban", folder)
    for path in (folder / "jail.d").iterdir():
        path.unlink()

    def find_banned(pid: int) -> set[str]:
        command = ["nsenter", "-t", str(pid), "-n", nft, "list", "ruleset"]
        rules = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
        return set(re.findall(r"\b127\.0\.0\.\d+\b", rules))

    return lambda: imprison(folder, find_banned, "unshare", "--net")


@need_root
def test_the_firewall_keeps_them_out(daemon, firewall):
    jail = firewall()
    visit(daemon, VISITOR, 2)
    misbehave(daemon, ATTACKER, MOST)
    wait_for(lambda: jail.banned == {ATTACKER}, "a rule", 60)
