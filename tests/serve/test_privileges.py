"""Who serves: the user as configured, in every process and all of its ids, and root nowhere that a stranger reaches."""

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gemd.system.landlock import find_version
from tests.conftest import need_root

from .certificates import DAY, NOW, make_certificate
from .conftest import children_of, wait_for
from .succession import Succession, public_folder, tell, wait_until_serving, write_script

pytestmark = need_root

NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = 'user = "nobody"\nworkers = 2\n'
MASTER_ROOT = 'master-user = "root"\ncontrol = "{tmp}/control.sock"\n'
HOST = """
[tls]
certificates = "{tmp}/certificates"
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
"""


@pytest.fixture
def public():
    with public_folder() as folder:
        yield folder


@pytest.fixture
def serve_public(public, start, tmp_path):  # in this order: the daemons end before the folder does
    """Serve the public capsule by a configuration that every user may read."""

    def serve_it(text: str, **options):
        conf = public / "gemd.conf"
        conf.write_text(text.replace("{root}", str(public / "capsule")).replace("{tmp}", str(tmp_path)))
        flags = ("--host", "127.0.0.1", "--port", "0")
        daemon = start("-c", conf, *flags, as_root=False, **options).wait_until_ready()
        if MASTER_ROOT in text:  # else everybody is the user from the first moment on
            wait_until_serving(tmp_path / "control.sock")
        return daemon

    return serve_it


def credentials(text: str) -> dict[str, list[str]]:
    """What /proc/PID/status says of who a process is."""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    names = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")
    return {name: fields[name].split() for name in names}


def of_process(pid: int) -> dict[str, list[str]]:
    return credentials(Path(f"/proc/{pid}/status").read_text())


def of_identity(uid: int, gid: int, groups: list[int]) -> dict[str, list[str]]:
    """One who is a user and nothing else, and can't become anybody."""
    nothing = [f"{0:016x}"]
    capabilities = dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), nothing)
    ids = {"Uid": [str(uid)] * 4, "Gid": [str(gid)] * 4, "Groups": [str(group) for group in sorted(groups)]}
    return {**ids, **capabilities, "NoNewPrivs": ["1"]}


def nobody_with(gid: int) -> dict[str, list[str]]:
    return of_identity(NOBODY.pw_uid, gid, os.getgrouplist("nobody", gid))


def test_everybody_is_the_user_and_nothing_else(serve_public, public):
    write_script(public / "capsule", "who", "printf '20 text/plain\\r\\n'\ncat /proc/self/status\n")
    daemon = serve_public(AS_NOBODY + HOST)
    expected = nobody_with(NOBODY.pw_gid)
    assert [of_process(pid) for pid in (daemon.process.pid, *daemon.workers)] == [expected] * 3
    assert credentials(daemon.ask("/cgi-bin/who").text) == expected


def test_a_group_of_its_own_may_be_asked_for(serve_public, public):
    group = grp.getgrnam("daemon")
    write_script(public / "capsule", "who", "printf '20 text/plain\\r\\n'\ncat /proc/self/status\n")
    daemon = serve_public(AS_NOBODY + 'group = "daemon"\n' + HOST)
    expected = nobody_with(group.gr_gid)
    assert [of_process(pid) for pid in (daemon.process.pid, *daemon.workers)] == [expected] * 3
    assert credentials(daemon.ask("/cgi-bin/who").text) == expected


def test_the_master_alone_may_stay_root(serve_public, public, tmp_path):
    write_script(public / "capsule", "who", "printf '20 text/plain\\r\\n'\ncat /proc/self/status\n")
    daemon = serve_public(AS_NOBODY + MASTER_ROOT + HOST)
    expected = nobody_with(NOBODY.pw_gid)
    master = of_process(daemon.process.pid)
    assert (master["Uid"], master["Gid"], master["NoNewPrivs"]) == (["0"] * 4, ["0"] * 4, ["1"])
    assert [of_process(pid) for pid in daemon.workers] == [expected] * 2
    assert credentials(daemon.ask("/cgi-bin/who").text) == expected
    daemon.process.send_signal(signal.SIGHUP)  # those of a reload, too
    wait_until_serving(tmp_path / "control.sock", 2)
    assert [of_process(pid) for pid in daemon.workers] == [expected] * 2


def run_gemd(conf: Path, *wrapper: str) -> subprocess.CompletedProcess[str]:
    """Start it and wait for its end, as a shell would."""
    command = [*wrapper, sys.executable, "-m", "gemd", "-c", str(conf), "--host", "127.0.0.1"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def conf(public, tmp_path):
    """A configuration, on a port that is free."""

    def write(text: str) -> tuple[Path, int]:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            port = sock.getsockname()[1]
        path = tmp_path / "gemd.conf"
        text = f'listen = ["127.0.0.1:{port}"]\n' + text
        path.write_text(text.replace("{root}", str(public / "capsule")).replace("{tmp}", str(tmp_path)))
        return path, port

    return write


def test_root_has_to_say_whom_to_be(conf):
    done = run_gemd(conf("workers = 2\n" + HOST)[0])
    assert done.returncode == 5
    assert done.stderr.startswith('gemd: started as root: set user = "gemd"')
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_user_or_group_is_named(conf):
    for text, said in (
        ('user = "nobody-at-all"\n', "there is no user 'nobody-at-all'"),
        ('user = "nobody"\ngroup = "no-such-group"\n', "there is no group 'no-such-group'"),
    ):
        done = run_gemd(conf(text + HOST)[0])
        assert (done.returncode, said in done.stderr) == (3, True), done.stderr


FAULTS = {  # of the way down from root: what strace(1) does to a system call, and what is said
    "groups refused": ("setgroups:error=EPERM", "can't become the user nobody"),
    "gid refused": ("setresgid:error=EPERM", "can't become the user nobody"),
    "uid refused": ("setresuid:error=EAGAIN", "can't become the user nobody"),
    "groups not changed": ("setgroups:retval=0", "the change to the user nobody did not take place"),
    "gid not changed": ("setresgid:retval=0", "the change to the user nobody did not take place"),
    "uid not changed": ("setresuid:retval=0", "the change to the user nobody did not take place"),
    "proof not possible": ("setuid:error=EAGAIN", "can't prove that nobody can't become root again"),
    "new privileges not forbidden": ("prctl:error=EINVAL", "can't forbid new privileges"),
}


@pytest.mark.parametrize("master", ["", MASTER_ROOT], ids=["master drops", "workers drop"])
@pytest.mark.parametrize(("inject", "said"), FAULTS.values(), ids=FAULTS)
def test_nobody_is_served_when_root_cannot_be_given_up(conf, need_program, tmp_path, master, inject, said):
    strace = need_program("strace")
    path, port = conf(AS_NOBODY + master + HOST)
    wrapper = [
        strace,
        "-f",
        "--seccomp-bpf",  # quicker: it stops nobody but for these calls
        "-qq",
        "-o",
        str(tmp_path / "calls"),
        "-e",
        f"trace=accept4,{inject.partition(':')[0]}",
        "-e",
        f"inject={inject}",
    ]
    done = run_gemd(path, *wrapper)
    assert done.returncode == 5, done.stderr
    assert said in done.stderr
    assert "accept4(" not in (tmp_path / "calls").read_text()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


SPY = """
printf '20 text/plain\\r\\n'
for what in "{key}" /proc/$PPID/mem /proc/$PPID/environ /proc/$PPID/maps /proc/{master}/environ /proc/{master}/mem; do
    head -c 1 "$what" >/dev/null 2>&1 && echo "read $what"
done
ls /proc/$PPID/fd >/dev/null 2>&1 && echo "listed descriptors of the worker"
ls /proc/{master}/fd >/dev/null 2>&1 && echo "listed descriptors of the master"
kill -0 {master} 2>/dev/null && echo "may signal the master"
head -c 1 "$0" >/dev/null && echo "looked around"
"""


@pytest.mark.parametrize("master", ["", MASTER_ROOT], ids=["master drops", "master stays root"])
def test_a_script_sees_neither_key_nor_memory_nor_descriptors(serve_public, public, master):
    key = public / "key.pem"
    make_certificate(key, "localhost", end=NOW + 365 * DAY)
    key.chmod(0o600)
    daemon = serve_public(AS_NOBODY + master + HOST + f'certificate = "{key}"\nkey = "{key}"\n')
    daemon.expect("key.pem can't be read by nobody")
    write_script(public / "capsule", "spy", SPY.replace("{key}", str(key)).replace("{master}", str(daemon.process.pid)))
    seen = daemon.ask("/cgi-bin/spy").text.splitlines()
    if not master and find_version() < 6:
        seen.remove("may signal the master")  # it is the same user, and Landlock does not keep it from that yet
    assert seen == ["looked around"]


def test_a_key_that_only_root_may_read_is_renewed_where_the_master_is_root(serve_public, public):
    key = public / "key.pem"

    def renew() -> bytes:
        make_certificate(key, "localhost", end=NOW + 365 * DAY)
        key.chmod(0o600)

    def shown() -> bytes:
        with daemon.tls() as tls:
            return tls.getpeercert(binary_form=True)

    renew()
    text = AS_NOBODY + HOST + f'certificate = "{key}"\nkey = "{key}"\n'
    daemon = serve_public(MASTER_ROOT + text)
    before = shown()
    renew()
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: shown() != before, "the renewed certificate")


def test_a_key_that_only_root_may_read_is_not_renewed_where_the_master_is_not(serve_public, public):
    key = public / "key.pem"
    make_certificate(key, "localhost", end=NOW + 365 * DAY)
    key.chmod(0o600)
    daemon = serve_public(AS_NOBODY + HOST + f'certificate = "{key}"\nkey = "{key}"\n')
    daemon.expect("key.pem can't be read by nobody", "not reloaded: ")
    workers = daemon.workers
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "not reloaded: " in daemon.errors, "the failure")
    line = daemon.errors.splitlines()[-1]
    assert f"{key} can't be read: Permission denied" in line
    assert daemon.workers == workers


def test_an_upgrade_of_a_master_that_is_root_changes_no_user(serve_public, tmp_path):
    daemon = serve_public(AS_NOBODY + MASTER_ROOT + 'pid-file = "{tmp}/gemd.pid"\n' + HOST)
    with Succession(daemon, tmp_path) as service:
        service.upgrade()
        wait_until_serving(tmp_path / "control.sock")
        assert of_process(service.pid)["Uid"] == ["0"] * 4
        assert [of_process(pid) for pid in service.workers] == [nobody_with(NOBODY.pw_gid)] * 2


def test_an_upgrade_by_a_user_that_may_not_run_the_program_changes_nothing(serve_public, public, tmp_path, monkeypatch):
    interpreter = tmp_path / "python"  # in a folder that is root's alone
    interpreter.symlink_to(Path(sys.executable).resolve())
    monkeypatch.setattr(sys, "executable", str(interpreter))  # what the harness starts it by
    text = AS_NOBODY + f'pid-file = "{public}/run/gemd.pid"\n' + HOST
    daemon = serve_public(text, env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    wait_for((public / "run/gemd.pid").exists, "the service to be ready")
    daemon.expect("not upgraded: the program can't be started again: Permission denied")
    workers = daemon.workers
    daemon.process.send_signal(signal.SIGUSR2)
    wait_for(lambda: "not upgraded: " in daemon.errors, "the failure")
    assert daemon.workers == workers


def test_shut_in_a_root_of_its_own(serve_public, public, tmp_path):
    outside = public / "outside.gmi"
    outside.write_text("# Outside\n")
    capsule = public / "capsule"
    (capsule / "deep").mkdir()
    (capsule / "deep/page.gmi").write_text("# Inside\n")
    (capsule / "way-out.gmi").symlink_to("/etc/passwd")
    (capsule / "way-up.gmi").symlink_to("../outside.gmi")
    (capsule / "far-up.gmi").symlink_to("../../../../../etc/passwd")
    (capsule / "inside.gmi").symlink_to("/capsule/deep/page.gmi")  # as seen from inside
    text = AS_NOBODY + MASTER_ROOT + f'chroot = "{public}"\n' + HOST
    daemon = serve_public(text + 'symlinks = "any"\n')
    for pid in daemon.workers:
        assert os.readlink(f"/proc/{pid}/root") == str(public)
        assert os.readlink(f"/proc/{pid}/cwd") == str(public)
    assert os.readlink(f"/proc/{daemon.process.pid}/root") == "/"
    assert daemon.ask("/").text == "# A public capsule\n"
    assert daemon.ask("/deep/page.gmi").text == daemon.ask("/inside.gmi").text == "# Inside\n"
    assert daemon.ask("/way-up.gmi").text == "# Outside\n"  # which is inside the root that it is shut in
    for path in ("/way-out.gmi", "/far-up.gmi", "/../../etc/passwd", "/..%2f..%2fetc/passwd"):
        assert daemon.ask(path).status in (51, 59), path
    daemon.process.send_signal(signal.SIGHUP)
    wait_until_serving(tmp_path / "control.sock", 2)
    assert daemon.ask("/deep/page.gmi").text == "# Inside\n"


def test_a_script_runs_in_there_with_what_it_brings_along(serve_public, public, need_program):
    """There is no /proc, and an empty file does for /dev/null."""
    (public / "dev").mkdir()
    (public / "dev/null").touch()
    source = public / "hello.c"
    source.write_text('#include <stdio.h>\nint main(void) { puts("20 text/plain\\nhello"); return 0; }\n')
    program = public / "capsule/cgi-bin/hello"
    subprocess.run([need_program("gcc"), "-static", "-o", program, source], check=True)
    (public / "capsule/link.gmi").symlink_to("cgi-bin/hello")
    daemon = serve_public(AS_NOBODY + MASTER_ROOT + f'chroot = "{public}"\n' + HOST)
    assert daemon.ask("/cgi-bin/hello").text == "hello\n"
    assert daemon.ask("/link.gmi").status == 51


def test_a_chroot_needs_a_master_that_is_root(conf, public):
    done = run_gemd(conf(AS_NOBODY + f'chroot = "{public}"\n' + HOST)[0])
    assert (done.returncode, "master-user" in done.stderr) == (3, True), done.stderr


def test_a_master_that_gave_up_root_keeps_its_pid_file_and_control_socket_in_order(serve_public, public):
    """In a directory that gemd makes for its user."""
    text = AS_NOBODY + 'pid-file = "{run}/gemd.pid"\ncontrol = "{run}/control.sock"\n'
    daemon = serve_public(text.replace("{run}", str(public / "run")) + HOST)
    pid_file = public / "run/gemd.pid"
    wait_for(pid_file.exists, "the pid file")
    assert int(pid_file.read_text()) == daemon.process.pid
    for path in (public / "run", pid_file, public / "run/control.sock"):
        assert path.stat().st_uid == NOBODY.pw_uid
    assert tell(public / "run/control.sock", "status")["ok"]
    assert daemon.stop() == 0
    assert not pid_file.exists()
    assert not (public / "run/control.sock").exists()


def test_only_root_and_the_user_may_command(serve_public, public, need_program):
    setpriv = need_program("setpriv")
    path = public / "control.sock"
    daemon = serve_public(AS_NOBODY + f'master-user = "root"\ncontrol = "{path}"\n' + HOST)
    assert tell(path, "status")["ok"]
    path.chmod(0o777)  # as a careless operator might
    code = f"import socket; s = socket.socket(1); s.connect({str(path)!r}); print(s.recv(999).decode())"
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    done = subprocess.run(
        [setpriv, "--reuid", "nobody", "--regid", str(NOBODY.pw_gid), "--clear-groups", python, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert '"ok": false' in done.stdout, done.stderr
    assert "only root" in done.stdout
    assert children_of(daemon.process.pid)


WATCH_IMPORTS = """
import sys

class Watch:
    def find_spec(self, name, path, target=None):
        print(f"imported late: {name}", file=sys.stderr, flush=True)

import gemd.worker.main
serve = gemd.worker.main._serve

def watched(*arguments):
    sys.meta_path.insert(0, Watch())
    return serve(*arguments)

gemd.worker.main._serve = watched
"""


def test_nothing_is_imported_once_root_is_given_up(serve_public, public, tmp_path):
    """For then there may be nothing to import it from, as in a chroot."""
    (tmp_path / "sitecustomize.py").write_text(WATCH_IMPORTS)
    (public / "capsule/large.bin").write_bytes(bytes(300_000))
    (public / "capsule/folder").mkdir()
    (public / "capsule/folder/grüße.txt").write_text("x")
    write_script(public / "capsule", "hello", "echo 20 text/plain; echo hello\n")
    make_certificate(tmp_path / "ada.pem", "Ada ü")
    text = AS_NOBODY + MASTER_ROOT + f'chroot = "{public}"\n' + HOST
    text += '  [[host.location]]\n  path = "/members/"\n  client-certificate = "any"\n'
    daemon = serve_public(text, env={"PYTHONPATH": str(tmp_path)})
    daemon.expect("can't be started")
    workers = daemon.workers
    url = f"gemini://localhost:{daemon.port}"
    for _ in range(4):  # both workers
        for path, status in {"/": 20, "/large.bin": 20, "/folder/": 20, "/folder": 31, "/none": 51, "/%ff": 51}.items():
            assert daemon.ask(path).status == status
        assert daemon.ask("/cgi-bin/hello").status == 42  # there is no shell in there
        assert daemon.ask("/members/", cert=tmp_path / "ada.pem").status == 51
        assert daemon.ask("/members/").status == 60
        for host in ("bücher.example", "BÜCHER。example", "xn--bcher-kva.example", "[::1]", "日本.example", "ü" * 80):
            assert daemon.send(f"gemini://{host}/\r\n".encode()).status in (53, 59)
        assert daemon.send(f"{url}/a b\r\n".encode()).status == 59
        with daemon.connect() as sock:
            sock.sendall(b"no TLS")
            sock.recv(1)
    assert daemon.workers == workers
    late = {line.rpartition(" ")[2] for line in daemon.errors.splitlines() if line.startswith("imported late: ")}
    assert late == set()
