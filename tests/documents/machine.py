"""A machine to type the documents' commands on: this one's files, beneath a layer that takes whatever is written, with
network, processes and mounts of its own.

Rules: nothing is left of it when its first process has ended, and nothing outside is touched; the internet is not there
but for who asks for it. What the kernel refuses is raised as NoMachine, with its reason.
"""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.packaging.installing import PROJECT, find_python
from tests.support.waiting import LONGEST, wait_for

# What a service of this machine has is none of the new one's.
STRANGE = (
    "/etc/gemd* /etc/logrotate.d/gemd /usr/local/lib/gemd /usr/local/sbin/gem* /usr/local/share/gemd /var/*/gemd /srv/*"
)
LAY = f"""
set -e
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
cd root
for tree in dev sys; do mount --rbind /$tree $tree; done
mount -t proc proc proc
for tree in tmp run; do mount -t tmpfs -o mode=1777 tmpfs $tree; done
chmod 755 run
for path in {STRANGE}; do rm -rf ".$path"; done
ip link set lo up
exec chroot . sleep infinity
"""
READER = "reader"
HOME = f"/home/{READER}"
SOURCE = f"{HOME}/gemd"  # the folder of the source, where commands are typed
STAND_INS = "/opt/stand-ins"
PATH = f"{STAND_INS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# systemd for who has none: what gemd.service says of who serves, and by which commands; see tests/system_service.
SYSTEMCTL = """#!/bin/sh
set -eu
unit=/usr/local/lib/systemd/system/gemd.service
start() {
  if gemctl status >/dev/null 2>&1; then return; fi
  install -d -o gemd -g gemd -m 755 /run/gemd
  setpriv --reuid gemd --regid gemd --init-groups env -C / gemd -d -c /etc/gemd.conf
}
stop() {
  test -e /run/gemd/gemd.pid || return 0
  main=$(cat /run/gemd/gemd.pid)
  gemctl stop
  while [ -e "/proc/$main/exe" ]; do sleep 0.05; done  # a zombie has none
}
case "$*" in
  'start gemd' | 'enable --now gemd' | 'enable --now gemd.socket gemd') test -e $unit; start ;;
  'reload gemd') gemctl reload ;;
  'restart gemd') stop; start ;;
  'stop gemd' | 'disable --now gemd gemd.socket') stop ;;
  'status gemd' | 'daemon-reload') ;;
  *) echo "systemctl $*: not known here" >&2; exit 1 ;;
esac
"""


class NoMachine(Exception):
    """This kernel or user can have none; the text says why."""


@dataclass
class Machine:
    pid: int  # of its first process
    wheels: Path  # all libraries, for who has no network

    def words(self, text: str, user: str, *, network: bool) -> list[str]:
        """The words that have a shell of the machine run `text`, in the folder of the source."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--root", *([] if network else ["--net"]), "--"]
        become = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        home = HOME if user == READER else "/root"
        settings = {"PATH": PATH, "HOME": home, "LANG": "C.UTF-8", "TMPDIR": "/tmp", "PYTHON": find_python()}
        if network:
            names = re.compile(r"(PIP|SSL_CERT|REQUESTS_CA)_|(https?|no)_proxy$", re.IGNORECASE)
            settings |= {name: value for name, value in os.environ.items() if names.match(name)}
        else:
            settings |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        environ = ["env", "-i", "-C", SOURCE, *(f"{name}={value}" for name, value in settings.items())]
        return [*enter, *become, *environ, "sh", "-c", text]

    def run(self, text: str, user: str = "root", *, network: bool = False, seconds: float = 300) -> str:
        """What the command says. AssertionError, with that, where it does not end well."""
        done = subprocess.run(
            self.words(text, user, network=network),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == 0, f"{text}\nended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    @contextlib.contextmanager
    def running(self, text: str, user: str, probe: str, log: Path) -> Iterator[None]:
        """Run what goes on for ever, from when `probe` ends well; in the end it has to go, with all that it began."""
        self.run("rm -f /tmp/typed")
        command = self.words(f"echo $$ >/tmp/typed\n{text}", user, network=False)
        command.insert(command.index("env"), "setsid")
        with (
            log.open("wb") as out,
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out) as typed,
        ):
            try:

                def serves() -> bool:
                    assert typed.poll() is None, f"{text}\nended with {typed.returncode}:\n{log.read_text()}"
                    return not subprocess.run(self.words(probe, user, network=False), capture_output=True).returncode

                wait_for(serves, text, 60)
                yield
            finally:
                self.end(typed)

    def end(self, typed: subprocess.Popen[bytes]) -> None:
        """Tell what was typed last, and all that it began, to go."""
        try:
            if typed.poll() is None:
                self.run('kill -s TERM -- "-$(cat /tmp/typed)"')
            typed.wait(LONGEST)
        finally:
            typed.kill()


@contextlib.contextmanager
def raise_machine(folder: Path) -> Iterator[Machine]:
    """A machine with a copy of the project, and with Python's libraries as wheels. Raises NoMachine."""
    unshare = ["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
    with subprocess.Popen([*unshare, "sh", "-c", LAY, "sh", folder], stderr=subprocess.PIPE, text=True) as holder:
        try:
            machine = Machine(find_first(holder), Path("/opt/wheels-of-gemd"))
            furnish(machine)
            yield machine
        finally:
            holder.kill()


def find_first(holder: subprocess.Popen[str]) -> int:
    """The process that has become the machine's first one."""
    children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")

    def find() -> int | None:
        if holder.poll() is not None:
            raise NoMachine(holder.stderr.read().strip())
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                if Path(f"/proc/{child}/comm").read_text() == "sleep\n":
                    return int(child)
        return None

    found = wait_for(find, "a machine")
    assert found
    return found


def furnish(machine: Machine) -> None:
    """The reader, the source, what stands in for systemd, and the wheels."""
    root = Path(f"/proc/{machine.pid}/root")
    (root / HOME[1:]).mkdir(parents=True)
    copy_source(root / SOURCE[1:])
    (root / STAND_INS[1:]).mkdir(parents=True)
    systemctl = root / STAND_INS[1:] / "systemctl"
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    machine.run(
        f"useradd --home-dir {HOME} --shell /bin/sh {READER} && chown -R {READER}: {HOME} && "
        f"printf '127.0.0.1 localhost\\n::1 localhost\\n' >/etc/hosts"
    )
    machine.run(f"make wheelhouse WHEELHOUSE={machine.wheels}", network=True)


def copy_source(folder: Path) -> None:
    """What git knows of the project, or all but what is made where this is no clone."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True)
    if listed.returncode:
        made = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")
        shutil.copytree(PROJECT, folder, symlinks=True, ignore=made)
        return
    for name in filter(None, listed.stdout.split("\0")):
        if (PROJECT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name, follow_symlinks=False)
