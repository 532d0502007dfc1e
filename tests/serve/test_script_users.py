"""Scripts that run as users of their own, in script hosts: who is who, and who ends with whom."""

import hashlib
import os
import pwd
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import need_root

from .conftest import children_of, is_alive, read_answer, title_of, wait_for
from .services import change_constant
from .succession import Succession, public_folder, tell, wait_until_serving, write_script

pytestmark = need_root

TOP = """
user = "nobody"
master-user = "root"
workers = 2
pid-file = "{tmp}/gemd.pid"
control = "{tmp}/control.sock"
"""
HOST = """
[cgi]
user = "daemon"
{cgi}
[tls]
certificates = "{tmp}/certificates"
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
[[host.location]]
path = "/cgi-bin/bin"
cgi-user = "bin"
"""
WHO = "echo 20 text/plain; id -un; id -Gn; echo $PPID\n"
SLEEPER = "echo 20 text/plain; echo $$; exec sleep 60\n"


@pytest.fixture
def public():
    with public_folder() as folder:
        yield folder


@pytest.fixture
def serve_public(public, start, tmp_path):  # in this order: the daemons end before the folder does
    """Serve the public capsule."""

    def serve_it(top="", cgi="", more="", **options):
        conf = public / "gemd.conf"
        text = (top + TOP + HOST + more).replace("{root}", str(public / "capsule")).replace("{tmp}", str(tmp_path))
        conf.write_text(text.replace("{cgi}", cgi))
        flags = ("--host", "127.0.0.1", "--port", "0")
        daemon = start("-c", conf, *flags, as_root=False, **options).wait_until_ready()
        wait_until_serving(tmp_path / "control.sock")
        return daemon

    return serve_it


def hosts_of(master):
    """The script hosts that have become who they are to be, by their users."""
    titles = {title_of(pid): pid for pid in children_of(master) if is_alive(pid)}
    return {title.rpartition(" ")[2]: pid for title, pid in titles.items() if title.startswith("gemd: scripts of ")}


def begin(daemon, path):
    """A connection whose answer has begun, and what came after the header: the pid of a script."""
    tls = daemon.tls()
    tls.sendall(daemon.url(path).encode() + b"\r\n")
    data = b""
    while data.count(b"\n") < 2:
        piece = tls.recv(4096)
        assert piece, data
        data += piece
    return tls, int(data.split(b"\n")[1])


def test_a_script_is_its_location_s_user(serve_public, public):
    write_script(public / "capsule", "who", WHO)
    (public / "capsule/cgi-bin/bin").mkdir()
    shutil.copy(public / "capsule/cgi-bin/who", public / "capsule/cgi-bin/bin/who")
    (public / "capsule/cgi-bin/link").symlink_to("bin")
    daemon = serve_public()
    for path, user in (("/cgi-bin/who", "daemon"), ("/cgi-bin/bin/who", "bin"), ("/cgi-bin/link/who", "bin")):
        said = daemon.ask(path).text.split()
        groups = os.getgrouplist(user, pwd.getpwnam(user).pw_gid)
        assert (said[0], len(said)) == (user, 2 + len(groups))
        assert int(said[-1]) == hosts_of(daemon.process.pid)[user]
    assert {title_of(pid) for pid in daemon.workers} == {"gemd: worker 1", "gemd: worker 2"}


def test_a_location_s_script_is_its_user_s(serve_public, public):
    write_script(public, "who", WHO)
    (public / "capsule/cgi-bin").mkdir(exist_ok=True)
    own = f'[[host.location]]\npath = "/who"\nscript = "{public}/cgi-bin/who"\ncgi-user = "bin"\n'
    daemon = serve_public(more=own)
    said = daemon.ask("/who/a").text.split()
    assert (said[0], int(said[-1])) == ("bin", hosts_of(daemon.process.pid)["bin"])


BIG = bytes(range(256)) * 8192
READER = "echo 20 text/plain; id -un; sha256sum; sha256sum </dev/stdin; sha256sum /dev/stdin\n"


@pytest.mark.parametrize("cgi", ["", "cpu-seconds = 20", "confine = false"])
def test_a_script_reads_what_is_uploaded_and_may_open_it_again(serve_public, public, cgi):
    """Though the file is the workers' user's, and neither that one's nor anybody else's to change by its name."""
    write_script(public / "capsule", "read", READER)
    more = '[[host.location]]\npath = "/cgi-bin/"\ntitan = { public = true }\n'
    daemon = serve_public(cgi=cgi, more=more)
    with daemon.tls() as tls:
        tls.sendall(f"titan://localhost:{daemon.port}/cgi-bin/read;size={len(BIG)}\r\n".encode() + BIG)
        said = read_answer(tls).text.split()
    digest = hashlib.sha256(BIG).hexdigest()
    assert said[:7] == ["daemon", digest, "-", digest, "-", digest, "/dev/stdin"]


def test_a_script_may_be_its_user_s_alone(serve_public, public):
    write_script(public / "capsule", "secret", WHO)
    write_script(public / "capsule", "other", WHO)
    for name in ("secret", "other"):
        (public / "capsule/cgi-bin" / name).chmod(0o700)
    shutil.chown(public / "capsule/cgi-bin/secret", "daemon")
    daemon = serve_public()
    daemon.expect("can't be started")
    assert daemon.ask("/cgi-bin/secret").text.split()[0] == "daemon"
    assert daemon.ask("/cgi-bin/other").status == 42
    assert "script /cgi-bin/other can't be started: Permission denied; it, its interpreter" in daemon.errors
    assert f"may not be executed by uid {pwd.getpwnam('daemon').pw_uid}\n" in daemon.errors


def test_what_it_says_and_how_it_fails_is_logged(serve_public, public):
    write_script(public / "capsule", "fails", "echo oops >/dev/stderr; exit 3\n")
    write_script(public / "capsule", "breaks", "echo 20 text/plain; echo begun; kill -9 $$\n")
    daemon = serve_public()
    daemon.expect("script /cgi-bin")
    assert daemon.ask("/cgi-bin/fails").status == 42
    assert not daemon.ask("/cgi-bin/breaks").complete
    wait_for(lambda: "script /cgi-bin/fails says: oops" in daemon.errors, "its complaint")
    assert "script /cgi-bin/fails exited with code 3" in daemon.errors


def test_its_time_and_its_limits_are_those_of_all(serve_public, public):
    write_script(public / "capsule", "slow", "exec sleep 60\n")
    write_script(public / "capsule", "limits", "echo 20 text/plain; ulimit -t; ulimit -n\n")
    daemon = serve_public(cgi="cpu-seconds = 77\n[timeouts]\ncgi-header = 0.5")
    daemon.expect("wrote no header")
    assert daemon.ask("/cgi-bin/limits").text.split() == ["77", "1024"]
    assert daemon.ask("/cgi-bin/slow").status == 42


def test_large_answers_are_whole_and_many_come_at_once(serve_public, public):
    write_script(public / "capsule", "large", "echo 20 text/plain; head -c 5000000 /dev/zero\n")
    daemon = serve_public(cgi="[limits]\ncgi = 100\ncgi-per-address = 100")
    asked = []
    for _ in range(12):
        tls = daemon.tls()
        tls.sendall(daemon.url("/cgi-bin/large").encode() + b"\r\n")
        asked.append(tls)
    sizes = []
    for tls in asked:
        with tls:
            sizes.append(len(read_answer(tls).raw))
    assert sizes == [5_000_000 + len("20 text/plain\r\n")] * 12


def test_a_client_that_leaves_ends_its_script(serve_public, public):
    write_script(public / "capsule", "talks", "echo 20 text/plain; echo $$; while :; do echo; sleep 0.05; done\n")
    daemon = serve_public()
    tls, script = begin(daemon, "/cgi-bin/talks")
    tls.close()
    wait_for(lambda: not is_alive(script), "the script to end")


def test_a_worker_that_is_killed_leaves_no_script(serve_public, public):
    write_script(public / "capsule", "sleeper", SLEEPER)
    daemon = serve_public()
    daemon.expect("was killed by SIGKILL")
    tls, script = begin(daemon, "/cgi-bin/sleeper")
    for pid in daemon.workers:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(script), "the script to end")
    tls.close()


def test_a_host_that_is_killed_leaves_no_script_and_is_replaced(serve_public, public):
    write_script(public / "capsule", "who", WHO)
    write_script(public / "capsule", "sleeper", SLEEPER)
    write_script(public / "capsule", "murder", "kill -9 $PPID; sleep 60\n")
    daemon = serve_public(cgi="confine = false")  # a Landlock of today would save the host
    daemon.expect("the script host of daemon", "lost its script host")
    tls, script = begin(daemon, "/cgi-bin/sleeper")
    time.sleep(1.1)  # one that dies young is replaced a little later
    before = hosts_of(daemon.process.pid)
    assert daemon.ask("/cgi-bin/murder").status == 42
    assert daemon.ask("/cgi-bin/who").text.split()[0] == "daemon"
    wait_for(lambda: not is_alive(script), "the other script to end")
    tls.close()
    after = hosts_of(daemon.process.pid)
    assert (after["bin"], after["daemon"] != before["daemon"]) == (before["bin"], True)
    assert "was killed by SIGKILL" in daemon.errors


def test_a_host_that_hangs_is_replaced(serve_public, public):
    write_script(public / "capsule", "who", WHO)
    daemon = serve_public(cgi="[timeouts]\nworker = 1.5\ncgi-header = 15")
    daemon.expect("the script host of daemon")
    assert daemon.ask("/cgi-bin/who").status == 20
    os.kill(hosts_of(daemon.process.pid)["daemon"], signal.SIGSTOP)
    assert daemon.ask("/cgi-bin/who").text.split()[0] == "daemon"  # what it was asked and did not hear, the next does
    assert "no sign of life for 2 s" in daemon.errors


def test_a_reload_starts_another_and_the_old_one_ends_with_the_old_workers(serve_public, public, tmp_path):
    write_script(public / "capsule", "who", WHO)
    write_script(public / "capsule", "sleeper", SLEEPER)
    daemon = serve_public()
    daemon.expect("was ended by SIGTERM")
    tls, script = begin(daemon, "/cgi-bin/sleeper")
    old = hosts_of(daemon.process.pid)["daemon"]
    conf = public / "gemd.conf"
    conf.write_text(conf.read_text().replace('user = "daemon"', 'user = "games"'))
    assert tell(tmp_path / "control.sock", "reload")["ok"]
    wait_for(lambda: daemon.ask("/cgi-bin/who").text.split()[0] == "games", "the other user")
    assert is_alive(old)
    assert is_alive(script)
    os.kill(script, signal.SIGTERM)
    tls.close()
    wait_for(lambda: not is_alive(old), "the old host to end")


def test_a_user_that_there_is_not_is_named(serve_public, public, tmp_path):
    daemon = serve_public()
    daemon.expect("not reloaded: ")
    conf = public / "gemd.conf"
    conf.write_text(conf.read_text().replace('user = "daemon"', 'user = "nobody-at-all"'))
    answer = tell(tmp_path / "control.sock", "reload")
    assert not answer["ok"]
    assert "cgi.user: there is no user 'nobody-at-all'" in daemon.errors


@pytest.mark.parametrize("lists", ["", "read = []", "write = []"])
def test_they_are_shut_in_where_workers_are(serve_public, public, lists):
    jail = public
    for name in ("bin", "lib", "lib64", "dev"):
        (jail / name).mkdir()
    shutil.copy("/bin/sh", jail / "bin/sh")
    for line in Path(f"/proc/{os.getpid()}/maps").read_text().splitlines():
        path = line.split(maxsplit=5)[-1]
        if "/libc.so" in path or "/libc-" in path or "ld-linux" in path:
            for target in (jail / "lib" / os.path.basename(path), jail / path.lstrip("/")):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
    for path in Path("/lib64").glob("ld-linux*"):
        shutil.copy(path, jail / "lib64" / path.name)
    os.mknod(jail / "dev/null", 0o666 | 0o020000, os.makedev(1, 3))
    os.chmod(jail / "dev/null", 0o666)
    text = "echo 20 text/plain; cd /; echo bin/* *; echo x >/dev/null && echo null\n"
    write_script(public / "capsule", "where", text)
    daemon = serve_public(top=f'chroot = "{jail}"\n', cgi=lists)
    said = set(daemon.ask("/cgi-bin/where").text.split())
    assert said >= ({"bin/sh", "null"} if "read" in lists else {"bin/sh", "null", "capsule", "gemd.conf"})
    assert "etc" not in said


def test_a_new_master_has_hosts_of_its_own(serve_public, public, tmp_path):
    write_script(public / "capsule", "who", WHO)
    write_script(public / "capsule", "sleeper", SLEEPER)
    with Succession(serve_public(), tmp_path) as service:
        service.daemon.expect("was ended by SIGTERM")
        tls, script = begin(service.daemon, "/cgi-bin/sleeper")
        old = service.pid
        service.send(signal.SIGUSR2)
        wait_for(lambda: service.pid != old, "another master", 60)
        assert service.ask("/cgi-bin/who").text.split()[0] == "daemon"
        assert is_alive(script)
        os.kill(script, signal.SIGTERM)
        tls.close()
        service.wait_for_end(old)
        assert service.ask("/cgi-bin/who").text.split()[0] == "daemon"


def test_a_master_that_waits_for_the_last_answer_looks_after_its_hosts(serve_public, public):
    write_script(public / "capsule", "who", WHO)
    (public / "capsule/large").write_bytes(bytes(30_000_000))
    daemon = serve_public()
    daemon.expect("the script host of daemon", "broke off")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/large").encode() + b"\r\n")
        assert tls.recv(1)
        before = wait_for(lambda: hosts_of(daemon.process.pid).get("daemon"), "the host")
        daemon.process.send_signal(signal.SIGQUIT)
        wait_for(lambda: "stopping when all is answered" in daemon.errors, "the signal to be heard")
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: hosts_of(daemon.process.pid).get("daemon", before) != before, "another one")
    wait_for(lambda: daemon.process.poll() is not None, "the master to end")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_host_that_was_stopped_is_not_left_behind(serve_public, public, number):
    write_script(public / "capsule", "who", WHO)
    daemon = serve_public(env=change_constant(public, "gemd.master.shutdown._HOST_TIMEOUT", 1.0))
    assert daemon.ask("/cgi-bin/who").status == 20
    host = hosts_of(daemon.process.pid)["daemon"]
    os.kill(host, signal.SIGSTOP)
    assert daemon.stop(number) == 0
    assert not is_alive(host)


def test_a_stop_ends_what_runs(serve_public, public, tmp_path):
    write_script(
        public / "capsule", "sleeper", "trap '' TERM; echo 20 text/plain; echo $$; while :; do sleep 1; done\n"
    )
    daemon = serve_public(cgi="[timeouts]\nstop = 2")
    daemon.expect("did not stop within")
    tls, script = begin(daemon, "/cgi-bin/sleeper")
    daemon.process.send_signal(signal.SIGTERM)
    wait_for(lambda: daemon.process.poll() is not None, "the master to end")
    wait_for(lambda: not is_alive(script), "the script to end")
    tls.close()
