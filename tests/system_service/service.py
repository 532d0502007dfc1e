"""gemd as the service of a booted machine, and what its tests ask of it.

Rules: each story begins with the service stopped, without drop-ins, and with the configuration below; it ends with
the service stopped, nothing of it left and no traceback in the journal. The fixture `service` sees to it.
"""

import configparser
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.system_service.machine import CACHE, LONGEST, PROJECT, CannotRun, Machine, wait_for

SOURCE = "/usr/src/gemd"
CLIENT = f"{SOURCE}/tests/system_service/client.py"
CONFIGURATION = """\
listen = ["[::]:1965"]
workers = 2
user = "gemd"
pid-file = "/run/gemd/gemd.pid"
control = "/run/gemd/control.sock"

[timeouts]
stop = 20

[log]
access = "/var/log/gemd/access.log"

[[host]]
name = "localhost"
root = "/srv/gemini"
cgi = "cgi-bin"
"""
SCRIPTS = {
    "environment": "#!/bin/sh\nprintf '20 text/plain\\r\\n'; env\n",
    "sleep": "#!/bin/sh\nprintf '20 text/plain\\r\\nbegun\\n'; exec sleep 600\n",
    "finish": "#!/bin/sh\nprintf '20 text/plain\\r\\nbegun\\n'; sleep 2; echo over\n",
    "slow": "#!/bin/sh\nsleep 0.3; printf '20 text/plain\\r\\nslow\\n'\n",
}


def fetch_wheels(python: str) -> Path:
    """All that `make install` takes from PyPI, for this version of Python: the machine has no network. Kept."""
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")
    names = [*setup["options"]["install_requires"].split("\n"), "setuptools >= 68", "wheel"]
    names = [name.strip() for name in names if name.strip()]
    wheels = CACHE / f"wheels-{python}"
    made_for = wheels / "requirements.txt"
    if not made_for.exists() or made_for.read_text() != "\n".join(names):
        wheels.mkdir(exist_ok=True)
        options = ["--quiet", "--only-binary", ":all:", "--python-version", python, "--dest", str(wheels)]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", *options, *names], capture_output=True, text=True
        )
        if done.returncode:
            raise CannotRun(f"pip can't download what gemd requires: {done.stderr.strip().splitlines()[-1:]}")
        made_for.write_text("\n".join(names))
    return wheels


def install(machine: Machine) -> None:
    """Install gemd as README says."""
    python = machine.run("python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").stdout.strip()
    machine.copy(fetch_wheels(python), "/usr/src/wheels")
    machine.copy(PROJECT, SOURCE)
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/usr/src/wheels"}
    machine.run("make", "-C", SOURCE, "install", env=pip, timeout=300)
    machine.run("systemd-sysusers", "gemd.conf")
    machine.run("systemd-tmpfiles", "--create", "gemd.conf")
    machine.run("systemctl", "daemon-reload")


class Service:
    """The unit gemd.service, with gemd.socket beside it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        cursor = machine.run("journalctl", "-q", "-n", "0", "--show-cursor").stdout
        self._begin = cursor.partition("-- cursor: ")[2].strip()
        self.configure(CONFIGURATION)
        for name, script in SCRIPTS.items():
            machine.write(f"/srv/gemini/cgi-bin/{name}", script, 0o755)

    def configure(self, text: str) -> None:
        self.machine.write("/etc/gemd.conf", text)

    def drop_in(self, text: str, unit: str = "gemd.service") -> None:
        """As `systemctl edit` does; for one story."""
        self.machine.write(f"/etc/systemd/system/{unit}.d/story.conf", text)
        self.control("daemon-reload")

    def control(self, verb: str, *units: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`systemctl VERB UNIT...`; starting is not rationed, which systemd does for services that fail."""
        if verb in {"start", "restart"}:
            self.machine.run("systemctl", "reset-failed", *units, check=False)
        done = self.machine.run("systemctl", verb, *units, check=False)
        assert not check or done.returncode == 0, f"{verb} {units}: {done.stderr}{self.journal()[-2000:]}"
        return done

    def start(self) -> None:
        self.control("start", "gemd")

    def stop(self) -> None:
        """It has to end by itself and in good order."""
        self.control("stop", "gemd")
        assert self.show("Result") == "success", self.journal()[-3000:]
        assert self.show("ExecMainStatus") == "0"

    def show(self, name: str, unit: str = "gemd.service") -> str:
        """A property of the unit."""
        return self.machine.run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()

    @property
    def main_pid(self) -> int:
        return int(self.show("MainPID"))

    @property
    def is_active(self) -> bool:
        return self.show("ActiveState") == "active"

    def processes(self) -> dict[int, str]:
        """All processes of the unit by their pid inside, with their command lines; zombies have none."""
        listing = self.machine.run("ps", "-A", "-o", "pid=,unit=,state=,args=").stdout
        found = {}
        for line in listing.splitlines():
            pid, unit, state, *words = line.split()
            if unit == "gemd.service" and state != "Z":
                found[int(pid)] = " ".join(words)
        return found

    def workers(self) -> list[int]:
        return [pid for pid, command in self.processes().items() if re.fullmatch(r"gemd: worker \d+", command)]

    def fetch(self, path: str = "/") -> str:
        """An answer, header line first; there has to be one at the first try."""
        return self.machine.run("python3", CLIENT, "fetch", f"gemini://localhost{path}").stdout

    def begin(self, path: str) -> subprocess.Popen[str]:
        """A client in the middle of an answer, which it prints; it succeeds when all of that has come."""
        command = self.machine.enter("python3", CLIENT, "fetch", f"gemini://localhost{path}")
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, **pipes, text=True)

    def lines(self, log: str = "access.log") -> list[str]:
        return self.machine.read(f"/var/log/gemd/{log}").splitlines()

    def journal(self) -> str:
        """What the unit has said in this story, systemd's own lines about it included."""
        since = f"--after-cursor={self._begin}"
        return self.machine.run("journalctl", "-q", "-u", "gemd.service", "-o", "cat", since).stdout

    @contextlib.contextmanager
    def load(self, path: str = "/", clients: int = 8) -> Iterator[dict[str, int]]:
        """Clients that ask all the time; what they saw is there when the block is left."""
        seen: dict[str, int] = {}
        process = subprocess.Popen(
            self.machine.enter("python3", CLIENT, "load", f"gemini://localhost{path}", str(clients)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            yield seen
            output, _ = process.communicate(timeout=LONGEST)
            seen.update(json.loads(output))
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def finish(self) -> None:
        """The end of every story."""
        self.control("stop", "gemd.socket", "gemd.service", check=False)
        try:
            wait_for(lambda: not self.processes(), "everything of the service to be gone")
            assert "Traceback" not in self.journal()
        finally:
            for unit in ("gemd.service", "gemd.socket"):
                self.machine.run("rm", "-rf", f"/etc/systemd/system/{unit}.d")
            self.control("daemon-reload")
            self.machine.run("systemctl", "reset-failed")
