"""Uploads that become files, by the real daemon: whole or not at all, whatever happens meanwhile."""

import contextlib
import os
import pwd
import re
import signal
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from gemd.config.host_settings import PART_PREFIX
from tests.conftest import IS_ROOT, need_root

from .certificates import make_certificate
from .conftest import Daemon, read_answer, wait_for
from .succession import SERVICE, Succession, public_folder, tell

SERVED = 'workers = %d\ncontrol = "{tmp}/control.sock"\n'
HOST = """
[[host]]
name = "localhost"
root = "{root}"
titan = { public = true, max-size = 33554432, types = ["*/*"], delete = true, mkdir = true }
"""
BODY = b"# A page\n" + bytes(range(256)) * 4096


def titan(daemon: Daemon, path: str, size: int, more: str = "") -> bytes:
    return f"titan://localhost:{daemon.port}{path};size={size}{more}\r\n".encode()


def put(daemon: Daemon, path: str, body: bytes = b"hello", more: str = "", **options):
    return daemon.send(titan(daemon, path, len(body), more) + body, **options)


@contextlib.contextmanager
def half_sent(daemon: Daemon, path: str, body: bytes = BODY):
    """A connection on which half of a body was sent; what is given sends the rest, and has the answer."""
    with daemon.tls() as tls:
        half = len(body) // 2
        tls.sendall(titan(daemon, path, len(body)) + body[:half])

        def finish():
            tls.sendall(body[half:])
            return read_answer(tls)

        yield finish


def parts_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(PART_PREFIX)]


def wait_for_parts(daemon: Daemon, folder: Path, control: Path, number: int, *, are_hidden: bool = False) -> None:
    """Until so many files are being written there, without a name or with a hidden one."""
    wait_for(lambda: tell(control, "status")["status"]["uploading"] == number, f"{number} to be uploading")
    if are_hidden or not number:
        wait_for(lambda: len(parts_in(folder)) == number, f"{number} parts")
    if IS_ROOT:
        wait_for(lambda: count_open(daemon, folder) == number, f"{number} open parts")
    if not are_hidden:
        assert parts_in(folder) == []


def count_open(daemon: Daemon, folder: Path) -> int:
    """How many files workers have open there that have no name, or a hidden one."""
    return sum(is_part(link, folder) for pid in daemon.workers for link in read_links(pid))


def read_links(pid: int) -> list[str]:
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(os.readlink(entry))
        except OSError:
            continue
    return links


def is_part(link: str, folder: Path) -> bool:
    return link.startswith(f"{folder}/") and (link.endswith(" (deleted)") or PART_PREFIX in link)


@pytest.fixture
def in_hidden_files(tmp_path):
    """The environment of a daemon on a file system that has no files without a name."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import gemd.system.upload_part\ngemd.system.upload_part._way_to = lambda descriptor: '/nowhere'\n"
    )
    return {"PYTHONPATH": str(folder)}


def test_a_page_that_is_written_read_changed_and_deleted(configure, capsule):
    daemon = configure(HOST)
    assert b"new.gmi" not in daemon.ask("/notes/").body
    for body in (b"hello", BODY, b"x"):
        answer = put(daemon, "/notes/new.gmi", body)
        assert (answer.status, answer.meta, answer.complete) == (30, daemon.url("/notes/new.gmi"), True)
        assert daemon.ask("/notes/new.gmi").body == body
        assert b"new.gmi" in daemon.ask("/notes/").body
        edited = daemon.send(f"titan://localhost:{daemon.port}/notes/new.gmi;edit\r\n".encode())
        assert (edited.status, edited.meta, edited.body) == (20, "text/gemini", body)
    assert put(daemon, "/notes/new.gmi", b"").status == 20
    assert daemon.ask("/notes/new.gmi").status == 51
    assert b"new.gmi" not in daemon.ask("/notes/").body
    assert parts_in(capsule) == []


def test_who_announces_no_bytes_and_sends_some_deletes_nothing(configure, capsule):
    daemon = configure(HOST)
    (capsule / "a.gmi").write_text("before")
    answer = daemon.send(titan(daemon, "/a.gmi", 0) + b"hello")
    assert (answer.status, answer.meta, answer.complete) == (59, "More than 0 bytes came", True)
    assert daemon.ask("/a.gmi").text == "before"
    assert put(daemon, "/a.gmi", b"").status == 20
    assert daemon.ask("/a.gmi").status == 51


def test_as_lagrange_sends_it(configure, capsule, tmp_path):
    """Type, size, then the token, percent-encoded; the identity is that of the page."""
    make_certificate(tmp_path / "me.pem")
    daemon = configure(HOST.replace("public = true", 'allow = "any", tokens = ["a;b=c d"]'))
    body = "# Grüße\n".encode()
    request = f"titan://localhost:{daemon.port}/a.gmi;mime=text/plain;size={len(body)};token=a%3Bb%3Dc%20d\r\n".encode()
    assert daemon.send(request + body).status == 60
    answer = daemon.send(request + body, cert=tmp_path / "me.pem")
    assert (answer.status, answer.meta) == (30, daemon.url("/a.gmi"))
    assert (capsule / "a.gmi").read_bytes() == body
    assert "c%20d" not in "".join(daemon.access) + daemon.errors


def test_as_titan_of_gmid_sends_it(configure, capsule):
    """No port, the token before the type; the line by itself, and the body once the handshake is over."""
    daemon = configure(HOST.replace("public = true", 'public = true, tokens = ["sesame"]'))
    for token, status in (("sesame", 30), ("open", 50)):
        with daemon.tls() as tls:
            tls.sendall(f"titan://localhost/a.gmi;size=8192;token={token};mime=text/gemini\r\n".encode())
            tls.sendall(BODY[:8192])
            answer = read_answer(tls)
        assert (answer.status, answer.complete) == (status, True)
        assert answer.meta == ("gemini://localhost/a.gmi" if status == 30 else "A valid token is needed")
    assert (capsule / "a.gmi").read_bytes() == BODY[:8192]


def test_links_and_hidden_files_stay(configure, capsule, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "secret.gmi").write_text("SECRET")
    (capsule / "out").symlink_to(tmp_path / "outside")
    (capsule / "link.gmi").symlink_to(tmp_path / "secret.gmi")
    daemon = configure(HOST)
    for path, status in {
        "/out/a.gmi": 50,
        "/out/new/a.gmi": 50,
        "/link.gmi": 50,
        "/.a.gmi": 59,
        "/.a/b.gmi": 59,
        "/..%2Fa.gmi": 59,
        "/%2E%2E/a.gmi": 59,
        "/../a.gmi": 59,
        "/a%2Fb.gmi": 59,
        "/a%00.gmi": 59,
        "/notes/": 59,
    }.items():
        assert put(daemon, path).status == status, path
        assert put(daemon, path, b"").status == status, path
    assert list((tmp_path / "outside").iterdir()) == []
    assert (tmp_path / "secret.gmi").read_text() == "SECRET"
    assert sorted(path.name for path in capsule.iterdir()) == ["cgi-bin", "index.gmi", "link.gmi", "out"]


def test_scripts_stay(configure, capsule):
    """The one that there is takes uploads itself."""
    script = capsule / "cgi-bin" / "hello"
    script.write_text("#!/bin/sh\nprintf '20 text/plain\\r\\nhello'\n")
    script.chmod(0o755)
    daemon = configure(HOST + 'cgi = ["cgi-bin", "**/*.cgi"]\n')
    before = sorted(capsule.rglob("*"))
    for body in (b"hello", b""):
        assert put(daemon, "/cgi-bin/hello", body).text == "hello"
        for path in ("/cgi-bin/new", "/cgi-bin/new/a.gmi", "/cgi-bin/a.gmi", "/a.cgi", "/new/a.cgi"):
            more = "" if path.endswith(".gmi") else ";mime=application/octet-stream"
            assert put(daemon, path, body, more).status in (50, 51), path
    assert sorted(capsule.rglob("*")) == before
    assert script.read_text().startswith("#!")
    assert daemon.ask("/cgi-bin/hello").text == "hello"


def test_a_large_one_costs_no_memory(configure, capsule):
    daemon = configure(HOST.replace("33554432", "67108864"))
    body = os.urandom(1 << 20) * 60
    assert put(daemon, "/a.gmi", body).status == 30
    assert (capsule / "a.gmi").read_bytes() == body
    for pid in daemon.workers:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        assert peak < 100_000, "KiB"


def test_two_at_once_are_not_mixed(configure, capsule):
    daemon = configure(HOST)
    one, two = b"1" * 300_000, b"2" * 400_000
    with half_sent(daemon, "/a.gmi", one) as finish_one, half_sent(daemon, "/a.gmi", two) as finish_two:
        assert not (capsule / "a.gmi").exists()
        assert finish_two().status == 30
        assert (capsule / "a.gmi").read_bytes() == two
        assert finish_one().status == 30
    assert (capsule / "a.gmi").read_bytes() == one
    assert parts_in(capsule) == []


def test_many_at_once_to_one_page(configure, capsule):
    daemon = configure(HOST)
    bodies = [bytes([65 + number]) * 50_000 for number in range(8)]
    (capsule / "a.gmi").write_bytes(bodies[0])
    seen, statuses = [], []

    def write(body):
        for _ in range(5):
            statuses.append(put(daemon, "/a.gmi", body).status)
            seen.append(daemon.ask("/a.gmi").body)

    threads = [threading.Thread(target=write, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [30] * 40
    assert set(seen) <= set(bodies)
    assert parts_in(capsule) == []


@pytest.fixture
def wait_for_uploads(capsule, tmp_path):
    """Until so many of them are under way in a daemon that is SERVED."""

    def wait(daemon, number, **options):
        wait_for_parts(daemon, capsule, tmp_path / "control.sock", number, **options)

    return wait


@pytest.mark.parametrize("is_hidden", [False, True])
def test_who_leaves_in_the_middle_leaves_nothing(configure, capsule, in_hidden_files, wait_for_uploads, is_hidden):
    (capsule / "a.gmi").write_text("before")
    daemon = configure(SERVED % 2 + HOST, env=in_hidden_files if is_hidden else {})
    with half_sent(daemon, "/a.gmi"), half_sent(daemon, "/new/a.gmi"):
        wait_for_uploads(daemon, 2, are_hidden=is_hidden)
        assert daemon.ask("/a.gmi").text == "before"
    wait_for_uploads(daemon, 0)
    assert not (capsule / "new").exists()
    assert (capsule / "a.gmi").read_text() == "before"
    assert put(daemon, "/a.gmi").status == 30


@pytest.mark.parametrize("is_hidden", [False, True])
def test_what_a_killed_worker_leaves_is_swept_away(configure, capsule, in_hidden_files, wait_for_uploads, is_hidden):
    (capsule / "a.gmi").write_text("before")
    daemon = configure(SERVED % 1 + HOST, env=in_hidden_files if is_hidden else {})
    daemon.expect("was killed by SIGKILL")
    with half_sent(daemon, "/a.gmi"):
        wait_for_uploads(daemon, 1, are_hidden=is_hidden)
        (worker,) = daemon.workers
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: daemon.workers and worker not in daemon.workers, "another worker")
    wait_for(lambda: not parts_in(capsule), "what was left to be removed")
    assert (capsule / "a.gmi").read_text() == "before"


@pytest.mark.parametrize("is_hidden", [False, True])
def test_a_reload_in_the_middle_loses_nothing_and_sweeps_no_living_part(
    configure, capsule, in_hidden_files, wait_for_uploads, is_hidden
):
    daemon = configure(SERVED % 1 + HOST, env=in_hidden_files if is_hidden else {})
    with half_sent(daemon, "/a.gmi") as finish:
        wait_for_uploads(daemon, 1, are_hidden=is_hidden)
        former = set(daemon.workers)
        stale = capsule / (PART_PREFIX + "stale")
        stale.write_text("half")
        daemon.reload()
        wait_for(lambda: not stale.exists(), "what was left to be removed")
        wait_for(lambda: set(daemon.workers) - former, "a new worker")
        assert put(daemon, "/b.gmi").status == 30
        answer = finish()
        assert (answer.status, answer.complete) == (30, True)
    assert (capsule / "a.gmi").read_bytes() == BODY
    assert (capsule / "b.gmi").read_text() == "hello"
    assert parts_in(capsule) == []


def test_an_upgrade_in_the_middle_loses_nothing(configure, capsule, tmp_path, wait_for_uploads):
    daemon = configure(SERVICE + HOST)
    with Succession(daemon, tmp_path) as service:
        with half_sent(daemon, "/a.gmi") as finish:
            wait_for_uploads(daemon, 1)
            old = service.pid
            service.send(signal.SIGUSR2)
            wait_for(lambda: service.pid != old, "another pid in the pid file", 60)
            answer = finish()
            assert (answer.status, answer.complete) == (30, True)
        service.wait_for_end(old)
        assert (capsule / "a.gmi").read_bytes() == BODY
        assert daemon.ask("/a.gmi").body == BODY
    assert parts_in(capsule) == []


def test_a_stop_that_does_not_wait_for_ever_leaves_nothing(configure, capsule, in_hidden_files, wait_for_uploads):
    daemon = configure(SERVED % 1 + "[timeouts]\nstop = 5\n" + HOST, env=in_hidden_files)
    with half_sent(daemon, "/a.gmi"), half_sent(daemon, "/b.gmi"):
        wait_for_uploads(daemon, 2, are_hidden=True)
        assert daemon.stop() == 0
    assert parts_in(capsule) == []
    assert not (capsule / "a.gmi").exists()


@pytest.fixture
def small_disk(capsule):
    """A directory of the capsule that is a disk of 64 KB."""
    folder = capsule / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", folder], check=False)
    if done.returncode != 0:
        pytest.skip("a disk can't be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path: Path) -> None:
    """Write until there is no space left."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(1024)):
            pass


@need_root
@pytest.mark.parametrize("is_hidden", [False, True])
def test_a_full_disk(small_disk, configure, in_hidden_files, tmp_path, is_hidden):
    (small_disk / "a.gmi").write_text("before")
    daemon = configure(SERVED % 2 + HOST, env=in_hidden_files if is_hidden else {})
    daemon.expect("an upload to 'titan://.*/small/.*' can't be kept: No space left on device")
    answer = put(daemon, "/small/a.gmi", BODY)
    assert (answer.status, answer.meta, answer.complete) == (40, "There is no room for the upload", True)
    assert daemon.ask("/small/a.gmi").text == "before"
    with half_sent(daemon, "/small/a.gmi", b"a" * 40_000) as finish, half_sent(daemon, "/small/b.gmi", b"b" * 40_000):
        assert finish().status in (30, 40)  # one of them has reserved what there is
    wait_for_parts(daemon, small_disk, tmp_path / "control.sock", 0)
    fill(small_disk / "filler")
    assert put(daemon, "/small/c.gmi", b"c" * 5000).status == 40
    assert put(daemon, "/small/new/c.gmi", b"c" * 5000).status == 40
    (small_disk / "filler").unlink()
    assert put(daemon, "/small/c.gmi", b"c" * 5000).status == 30
    assert put(daemon, "/small/a.gmi", b"").status == 20
    assert parts_in(small_disk) == []
    assert {path.name for path in small_disk.iterdir()} - {"a.gmi"} == {"c.gmi"}


# Users


@pytest.fixture
def public():
    with public_folder() as folder:
        (folder / "capsule/notes").mkdir()
        os.chown(folder / "capsule/notes", *nobody())
        yield folder


def nobody() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


@pytest.fixture
def serve_public(public, start):
    def serve_it(text: str, **options) -> Daemon:
        conf = public / "gemd.conf"
        text = text + HOST.replace("{root}", str(public / "capsule"))
        conf.write_text(text.replace("{public}", str(public)))
        flags = ("--host", "127.0.0.1", "--port", "0")
        return start("-c", conf, *flags, as_root=False, **options).wait_until_ready()

    return serve_it


USERS = {
    "a user": 'user = "nobody"\n',
    "below a master that is root": 'user = "nobody"\nmaster-user = "root"\n',
    "in a chroot without /proc": 'user = "nobody"\nmaster-user = "root"\nchroot = "{public}"\n',
}


@need_root
@pytest.mark.parametrize("text", USERS.values(), ids=USERS)
def test_a_user_writes_where_it_may(public, serve_public, text):
    notes = public / "capsule/notes"
    (notes / "kept.gmi").write_text("by root")
    daemon = serve_public(text)
    daemon.expect("an upload to 'titan://.*' can't be kept: Permission denied")
    for body in (b"hello", BODY):
        assert put(daemon, "/notes/a.gmi", body).status == 30
        found = (notes / "a.gmi").stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (*nobody(), 0o640)
        assert daemon.ask("/notes/a.gmi").body == body
        assert put(daemon, "/notes/new/a.gmi", body).status == 30
    answer = put(daemon, "/notes/kept.gmi")
    assert (answer.status, answer.meta) == (50, "The file of this name is read-only")
    assert put(daemon, "/notes/kept.gmi", b"").status == 50
    answer = put(daemon, "/a.gmi")
    assert (answer.status, answer.meta) == (40, "Uploads can't be stored here at the moment")
    assert put(daemon, "/new/a.gmi").status == 40
    assert sorted(path.name for path in notes.iterdir()) == ["a.gmi", "kept.gmi", "new"]
    assert not re.search("Traceback", daemon.errors)
