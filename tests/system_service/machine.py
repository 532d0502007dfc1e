"""A Debian with a real systemd as its first process, in a container that has its own network, pids and cgroups.

Rules: the installed system is made once and kept in .system-test/, every run boots a copy; nothing outside that
directory and a cgroup of our own is touched, and all that was started is ended by its own pid. What the machine
lacks is raised as CannotRun, with the reason. The fixtures in conftest.py call it.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

PROJECT = Path(__file__).parents[2]
CACHE = PROJECT / ".system-test"
SUITE = "bookworm"
PACKAGES = "systemd,systemd-sysv,libnss-systemd,dbus,python3,python3-venv,make,logrotate,procps,ca-certificates"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
LONGEST = 60.0  # seconds that anything may take


class CannotRun(Exception):
    """This machine can't boot a container; the text says why."""


def wait_for(condition, what: str, seconds: float = LONGEST):
    """Poll until `condition()` is true and return that; fail after a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


def check_host() -> None:
    """Raise CannotRun where a container can't be had at all."""
    if os.geteuid() != 0:
        raise CannotRun("booting a container needs root")
    packages = {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container", "nsenter": "util-linux"}
    for program, package in packages.items():
        if shutil.which(program) is None:
            raise CannotRun(f"{program} is not installed (Debian: apt-get install {package})")
    namespaces = ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork", "true"]
    done = subprocess.run(namespaces, capture_output=True, text=True)
    if done.returncode:
        raise CannotRun(f"there are no namespaces to be had: {done.stderr.strip()}")


def build_base() -> Path:
    """The system as debootstrap installs it, made when it is not there yet."""
    base, made_of, log = CACHE / "base", CACHE / "base.packages", CACHE / "debootstrap.log"
    if base.is_dir() and made_of.exists() and made_of.read_text() == PACKAGES:
        return base
    made_of.unlink(missing_ok=True)
    shutil.rmtree(base, ignore_errors=True)
    with log.open("wb") as output:
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(base)]
        if subprocess.run(command, stdout=output, stderr=output).returncode:
            raise CannotRun(f"debootstrap failed: {log.read_text().strip().splitlines()[-1:]}, see {log}")
    shutil.rmtree(base / "var/cache/apt/archives", ignore_errors=True)
    made_of.write_text(PACKAGES)
    return base


def make_root() -> Path:
    """A fresh copy of the base."""
    root = CACHE / "root"
    base = build_base()
    try:
        if root.exists():
            shutil.rmtree(root)
    except PermissionError as error:  # of a root who is one only in a namespace
        raise CannotRun(f"{error.filename} can't be removed: {error.strerror}") from None
    subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(root)], check=True)
    return root


class Cgroup:
    """A cgroup of our own for the container, in each hierarchy where systemd keeps its tree."""

    def __init__(self) -> None:
        name = f"gemd-system-test-{os.getpid()}"
        self.directories = [parent / name for parent in self._parents()]
        if not self.directories:
            raise CannotRun("no cgroup file system is mounted")
        try:
            for directory in self.directories:
                directory.mkdir()
        except OSError as error:
            raise CannotRun(f"no cgroup can be made: {error}") from None

    @staticmethod
    def _parents() -> list[Path]:
        """Where this process is: in cgroup2, and beside version 1 in the hierarchy that is systemd's."""
        own = {}
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            own[controllers] = path
        parents = []
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            place, _, kind = line.partition(" - ")
            root, mount_point = place.split()[3:5]
            options = kind.split()[-1].split(",")
            key = "" if kind.startswith("cgroup2 ") else "name=systemd"
            if key in own and (key == "" or (kind.startswith("cgroup ") and key in options)):
                parents.append(Path(mount_point) / os.path.relpath(own[key], root))
        return parents

    def enter(self, command: list[str]) -> list[str]:
        """The command that runs `command` in it."""
        moves = "".join(f'echo $$ > "{directory}/cgroup.procs" && ' for directory in self.directories)
        return ["sh", "-c", f'{moves}exec "$@"', "sh", *command]

    def remove(self) -> None:
        for directory in self.directories:
            for folder, _, _ in os.walk(directory, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)


class Machine:
    """The booted container."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.console = CACHE / "console.log"
        self._cgroup = Cgroup()
        command = ["setpriv", "--pdeathsig", "TERM", "systemd-nspawn", "-q", "--register=no"]
        if not Path("/run/systemd/system").exists():
            command.append("--keep-unit")  # there is no systemd outside that could give it a unit
        command += ["-D", str(root), "--private-network", "--boot", "--console=pipe"]
        with self.console.open("wb") as console:
            self._nspawn = subprocess.Popen(
                self._cgroup.enter(command),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                start_new_session=True,
            )
        self.leader = 0
        try:
            self.leader = self._wait_until_booted()
        except BaseException:
            self.stop()
            raise

    def _wait_until_booted(self) -> int:
        """The pid of its first process, as seen from outside. Raises CannotRun when nspawn gives up."""

        def leader():
            self._check_nspawn()
            children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
            return children and Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd" and children[0]

        def state():
            self._check_nspawn()
            done = self.run("systemctl", "is-system-running", "--wait", check=False)
            return done.stdout.strip() in {"running", "degraded"}

        self.leader = int(wait_for(leader, "systemd to be started"))
        wait_for(state, "systemd to be running")
        return self.leader

    def _check_nspawn(self) -> None:
        if self._nspawn.poll() is not None:
            tail = " / ".join(self.console.read_text(errors="replace").strip().splitlines()[-3:])
            raise CannotRun(f"systemd-nspawn ended with {self._nspawn.returncode}: {tail}")

    def enter(self, *command: str) -> list[str]:
        """The command that runs `command` inside."""
        namespaces = ["-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        return ["nsenter", "-t", str(self.leader), *namespaces, "--", *command]

    def run(
        self, *command: str, check: bool = True, timeout: float = LONGEST, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside and wait for its end; with `check`, it must succeed."""
        done = subprocess.run(
            self.enter(*command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**ENVIRONMENT, **(env or {})},
        )
        assert not check or done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def path(self, inside: str) -> Path:
        """A file of the machine's own disk, as seen from outside; not for /run, /tmp and links."""
        return self.root / inside.lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def copy(self, source: Path, inside: str) -> None:
        """A directory, without what was made in it and without hidden files."""
        made = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
        shutil.copytree(source, self.path(inside), symlinks=True, ignore=made)

    def read(self, inside: str) -> str:
        return self.path(inside).read_text()

    def stop(self) -> None:
        """Shut it down; what does not end in time is killed."""
        try:
            for number in (signal.SIGTERM, signal.SIGKILL):  # nspawn takes the first for "power off"
                if number == signal.SIGKILL and self.leader:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self.leader, number)
                self._nspawn.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._nspawn.wait(LONGEST)
                    return
        finally:
            self._cgroup.remove()


@contextlib.contextmanager
def booted():
    """A fresh machine, for one run at a time. Raises CannotRun."""
    check_host()
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun(f"another run uses {CACHE}") from None
        machine = Machine(make_root())
        try:
            yield machine
        finally:
            machine.stop()
