"""What `gemd -t` says of a machine is what a start says of it, and nothing has changed afterwards."""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import IS_ROOT, need_root

from .conftest import LONGEST, wait_for
from .succession import may_nobody_start_python, public_folder

USER = 'user = "nobody"\n' if IS_ROOT else ""
WITH_PYTHON = USER if may_nobody_start_python() or not IS_ROOT else 'user = "root"\n'
MASTER_ROOT = USER + 'master-user = "root"\n'
HOST = """
[tls]
certificates = "{tmp}/own/certificates"
[[host]]
name = "localhost"
root = "{tmp}/capsule"
"""
OWN = HOST.replace("/own/certificates", "/shut/certificates")


class Case(NamedTuple):
    """A configuration and a machine that don't fit: `text` is what a start says."""

    name: str
    keys: str
    code: int
    text: str
    tables: str = HOST
    prepare: Callable[[Path], object] = lambda folder: None
    user: str = USER


def write(name: str, text: str, mode: int = 0o644) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        (folder / name).write_text(text)
        (folder / name).chmod(mode)

    return prepare


def make_pair(folder: Path) -> None:
    """A certificate and a key, which nobody can read but who runs this."""
    from gemd.system.certificates import find_or_make

    find_or_make(folder / "pairs", ("localhost",))
    (folder / "pairs").chmod(0o755)


BROKEN = [
    Case("no place for the access log", "", 3, "can't open the log {tmp}/none/a.log: No such file or directory",
         '[log]\naccess = "{tmp}/none/a.log"\n' + HOST),
    Case("nor for the error log", "", 3, "can't open the log {tmp}/none/e.log: No such file or directory",
         '[log]\nerror = "{tmp}/none/e.log"\n' + HOST),
    Case("nor for a location's", "", 3, "can't open the log {tmp}/none/l.log: No such file or directory",
         HOST + '[[host.location]]\npath = "/a/"\nlog = "{tmp}/none/l.log"\n'),
    Case("a log where nothing may be made", "", 3, "can't open the log {tmp}/shut/a.log: Permission denied",
         '[log]\naccess = "{tmp}/shut/a.log"\n' + HOST),
    Case("a log that may not be written", "", 3, "can't open the log {tmp}/own/a.log: Permission denied",
         '[log]\naccess = "{tmp}/own/a.log"\n' + HOST, write("own/a.log", "", 0o444)),
    Case("a log that is a directory", "", 3, "can't open the log {tmp}/own: Is a directory",
         '[log]\naccess = "{tmp}/own"\n' + HOST),
    Case("no place for the pid file", 'pid-file = "{tmp}/none/x/gemd.pid"\n', 3,
         "can't lock the pid file {tmp}/none/x/gemd.pid: No such file or directory: {tmp}/none/x"),
    Case("a pid file in a directory that is not the user's", 'pid-file = "{tmp}/shut/gemd.pid"\n', 3,
         "the pid file {tmp}/shut/gemd.pid can't be replaced: give it a directory of its own that uid {uid} may write"
         if IS_ROOT else "can't lock the pid file {tmp}/shut/gemd.pid: Permission denied: {tmp}/shut/gemd.pid.lock"),
    Case("a pid file that is a directory", 'pid-file = "{tmp}/own"\n', 3,
         "the pid file {tmp}/own is not a regular file"),
    Case("a lock that is a link", 'pid-file = "{tmp}/own/gemd.pid"\n', 3,
         "can't lock the pid file {tmp}/own/gemd.pid: Too many levels of symbolic links: {tmp}/own/gemd.pid.lock",
         prepare=lambda folder: (folder / "own/gemd.pid.lock").symlink_to("/etc/passwd")),
    Case("no place for the control socket", 'control = "{tmp}/none/c"\n', 4,
         "the control socket: can't listen on unix:{tmp}/none/c: No such file or directory"),
    Case("a control socket where nothing may be made", 'control = "{tmp}/shut/c"\n', 4,
         "the control socket: can't listen on unix:{tmp}/shut/c: Permission denied; ports below 1024 need root, and a "
         "unix socket a directory that may be written"),
    Case("a file in the place of the control socket", 'control = "{tmp}/own/c"\n', 4,
         "the control socket: can't listen on unix:{tmp}/own/c: File exists; a file that is no socket has this name",
         prepare=write("own/c", "")),
    Case("a control socket with too long a path", 'control = "{tmp}/' + "c" * 120 + '"\n', 3,
         "control: expected the path of a unix socket, which has at most 107 bytes"),
    Case("no place for a unix socket", 'listen = ["unix:{tmp}/none/s"]\n', 4,
         "can't listen on unix:{tmp}/none/s: No such file or directory"),
    Case("a name that is none", 'listen = ["no-such-name.invalid:0"]\n', 4,
         "can't listen on no-such-name.invalid:0: "),
    Case("no certificate", "", 3, "{tmp}/none.crt can't be read: No such file or directory",
         HOST + 'certificate = "{tmp}/none.crt"\nkey = "{tmp}/none.key"\n'),
    Case("a key of another", "", 3, "{tmp}/own/k.key has no private key",
         HOST + 'certificate = "{tmp}/pairs/localhost.crt"\nkey = "{tmp}/own/k.key"\n',
         lambda folder: (make_pair(folder), write("own/k.key", "no key\n")(folder))),
    Case("a certificate without its key", "", 3, "{tmp}/pairs/localhost.key can't be read: No such file",
         HOST.replace("own/certificates", "pairs"),
         lambda folder: (make_pair(folder), (folder / "pairs/localhost.key").unlink())),
    Case("no place for what servers are met", "", 3, "{tmp}/capsule/index.gmi/known_servers can't be opened, which",
         HOST.replace("{tmp}/own/certificates", "{tmp}/capsule/index.gmi")
         + 'certificate = "{tmp}/pairs/localhost.crt"\nkey = "{tmp}/pairs/localhost.key"\n[[host.location]]\n'
         'path = "/p/"\nproxy = { to = "gemini://localhost:1/" }\n', make_pair),
    Case("authorities that are none", "", 3, "{tmp}/none.pem",
         HOST.replace("[tls]", '[tls]\nca-file = "{tmp}/none.pem"')),
    Case("an application that fails", "", 8, "the application broken:app can't be loaded: KeyError: 'no'",
         HOST.replace('root = "{tmp}/capsule"', 'app = "broken:app"\napp-path = "{tmp}"'),
         write("broken.py", "raise KeyError('no')\n"), user=WITH_PYTHON),
    Case("the same in a process of its own", "", 8, "the application broken:app can't be loaded: KeyError: 'no'",
         HOST.replace('root = "{tmp}/capsule"', 'app = "broken:app"\napp-path = "{tmp}"\napp-process = true'),
         write("broken.py", "raise KeyError('no')\n"), user=WITH_PYTHON),
    Case("the same in the master", "", 8, "the application broken:app can't be loaded: KeyError: 'no'",
         HOST.replace('root = "{tmp}/capsule"', 'app = "broken:app"\napp-path = "{tmp}"\npreload = true'),
         write("broken.py", "raise KeyError('no')\n")),
    Case("an upload spool that may not be written", 'upload-spool = "{tmp}/none"\n', 3,
         "upload-spool: {tmp}/none can't be used: No such file or directory",
         HOST.replace('root = "{tmp}/capsule"', 'app = "fine:app"\napp-path = "{tmp}"\ntitan = { public = true }'),
         write("fine.py", "app = print\n")),
    Case("a user that there is not", 'user = "nobody-of-this-name"\n', 3, "user: there is no user", user=""),
]  # fmt: skip
AS_ROOT = [
    Case("root, and nobody to be", "", 5, "started as root: set user", user=""),
    Case("a root that the user can't look into", "", 3,
         "gemd.conf:9: localhost: root: {tmp}/capsule can't be opened: Permission denied",
         prepare=lambda folder: (folder / "capsule").chmod(0o700)),
    Case("a script that the user can't reach", "", 3, "{tmp}/hidden/s can't be used: Permission denied",
         HOST.replace("root =", 'script = "{tmp}/hidden/s" #'),
         lambda folder: ((folder / "hidden").mkdir(mode=0o700), write("hidden/s", "#!/bin/sh\n", 0o755)(folder))),
    Case("authorities that the user can't read", "", 3, "{tmp}/ca.pem can't be read: Permission denied",
         HOST.replace("[tls]", '[tls]\nca-file = "{tmp}/ca.pem"'), write("ca.pem", "", 0o600)),
    Case("another user's directory of logs, for root", "", 3, "as root: another user may write in {tmp}/own",
         '[log]\naccess = "{tmp}/own/a.log"\n' + HOST, user=MASTER_ROOT),
]  # fmt: skip
AS_USER = [
    Case("another user to be", 'user = "nobody"\n', 5, "only root can become the user nobody: start as root, or"),
    Case("root to be", 'user = "root"\n', 5, 'only root can stay root: remove user = "root"'),
    Case("no place for certificates", "", 3, "can't make a certificate in {tmp}/shut/certificates: Permission denied",
         OWN),
    Case("an owner of a socket", '[[listen]]\naddress = "unix:{tmp}/own/s"\nowner = "root"\n', 4,
         "can't listen on unix:{tmp}/own/s: Operation not permitted; only root can give"),
]  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    """With `own`, where the user who serves may write, and `shut`, where it may not."""
    with public_folder() as folder:
        (folder / "own").mkdir(mode=0o755)
        (folder / "shut").mkdir(mode=0o755 if IS_ROOT else 0o555)
        if IS_ROOT:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder / "own", nobody.pw_uid, nobody.pw_gid)
        yield folder
        (folder / "shut").chmod(0o755)


def fill(text: str, folder: Path) -> str:
    uid = pwd.getpwnam("nobody").pw_uid if IS_ROOT else os.getuid()
    return text.replace("{tmp}", str(folder)).replace("{uid}", str(uid))


def configure(folder: Path, keys: str, tables: str, user: str = USER) -> Path:
    conf = folder / "gemd.conf"
    listen = "" if "listen" in keys else 'listen = ["127.0.0.1:0"]\n'
    conf.write_text(fill(f"workers = 1\n{user}{listen}{keys}{tables}", folder))
    return conf


def run(conf: Path, *flags: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "gemd", *flags, "-c", str(conf)]
    done = subprocess.run(command, cwd=conf.parent, capture_output=True, text=True, timeout=LONGEST, check=False)
    return done.returncode, done.stderr


def snapshot(folder: Path) -> dict[Path, tuple[object, ...]]:
    """All that there is, and what would show that it was changed."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        times = (status.st_mtime_ns, status.st_ctime_ns)
        found[path] = (status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_size, *times)
    return found


def names(cases: list[Case]) -> dict[str, object]:
    return {"argvalues": cases, "ids": [case.name for case in cases]}


@pytest.mark.parametrize("case", **names(BROKEN + (AS_ROOT if IS_ROOT else AS_USER)))
def test_a_check_fails_as_a_start_does(folder, case):
    case.prepare(folder)
    conf = configure(folder, case.keys, case.tables, case.user)
    before = snapshot(folder)
    code, said = run(conf, "-t")
    assert snapshot(folder) == before
    assert fill(case.text, folder) in said
    assert code == case.code
    started, why = run(conf)
    assert started == code
    assert fill(case.text, folder) in why


FINE = [
    Case("nothing but a root", "", 0, ""),
    Case("all that is made", 'pid-file = "{tmp}/own/gemd.pid"\ncontrol = "{tmp}/own/c"\n', 0, "",
         '[log]\naccess = "{tmp}/own/a.log"\n' + HOST),
    Case("unix sockets", 'listen = ["unix:{tmp}/own/s", "127.0.0.1:0"]\n', 0, ""),
    Case("servers that are met", "", 0, "",
         HOST + '[[host.location]]\npath = "/p/"\nproxy = { to = "gemini://localhost:1/" }\n'),
    Case("an application in the master", "", 0, "runs in each worker",
         HOST.replace('root = "{tmp}/capsule"', 'app = "fine:app"\napp-path = "{tmp}"\npreload = true'),
         write("fine.py", "app = print\n")),
    *(Case("a directory of the pid file that is made for the user", 'pid-file = "{tmp}/new/gemd.pid"\n'
           'control = "{tmp}/new/c"\n', 0, "") for _ in range(IS_ROOT)),
    *(Case("a master that stays root", "", 0, "", '[log]\naccess = "{tmp}/shut/a.log"\n' + OWN, user=MASTER_ROOT)
      for _ in range(IS_ROOT)),
]  # fmt: skip


@pytest.mark.parametrize("case", **names(FINE))
def test_a_check_finds_nothing_where_a_start_serves(folder, case, start):
    case.prepare(folder)
    conf = configure(folder, case.keys, case.tables, case.user)
    before = snapshot(folder)
    code, said = run(conf, "-t")
    assert (code, "in order" in said, case.text in said) == (0, True, True), said
    assert "warning: " not in said.replace("warning: scripts are not confined", "")
    assert snapshot(folder) == before
    daemon = start("-c", conf, as_root=False, cwd=folder).wait_until_ready(1)
    wait_for(lambda: "pid-file" not in case.keys or any(folder.glob("*/gemd.pid")), "the pid file")
    before = snapshot(folder)
    assert run(conf, "-t")[0] == 0, "beside one that runs"
    assert snapshot(folder) == before
    assert daemon.stop() == 0


def test_a_check_ends_though_an_application_goes_on(folder):
    write("fine.py", "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\napp = print\n")(
        folder
    )
    app = 'app = "fine:app"\napp-path = "{tmp}"\npreload = true'
    code, said = run(configure(folder, "", HOST.replace('root = "{tmp}/capsule"', app)), "-t")
    assert (code, "in order" in said) == (0, True), said


@need_root
def test_a_key_that_a_reload_could_not_read_is_told(folder):
    """A start reads it as root, and so does a check."""
    make_pair(folder)
    conf = configure(
        folder, "", HOST + 'certificate = "{tmp}/pairs/localhost.crt"\nkey = "{tmp}/pairs/localhost.key"\n'
    )
    code, said = run(conf, "-t")
    assert code == 0
    assert f"localhost: key: {folder}/pairs/localhost.key can't be read by nobody: " in said
    configure(
        folder,
        "",
        HOST + 'certificate = "{tmp}/pairs/localhost.crt"\nkey = "{tmp}/pairs/localhost.key"\n',
        MASTER_ROOT,
    )
    assert "can't be read" not in run(conf, "-t")[1]


@pytest.mark.parametrize("is_shut_in", [False, *(True for _ in range(IS_ROOT))])
def test_scripts_that_could_not_be_run_are_told(folder, is_shut_in):
    """Those of the very names that the machine has, where they are shut in."""
    for name, first in (("a", "#!/usr/bin/nosuch"), ("b", "#!/bin/sh\r"), ("c", "#!/bin/sh")):
        write(f"capsule/cgi-bin/{name}", f"{first}\necho 20 text/plain\n", 0o755)(folder)
    keys = 'user = "nobody"\nmaster-user = "root"\nchroot = "{tmp}"\n' if is_shut_in else USER
    code, said = run(configure(folder, "", HOST + 'cgi = "cgi-bin"\n', keys), "-t")
    assert code == 0
    warning = f"localhost: cgi: {folder}/capsule/cgi-bin/"
    where = f" (within the chroot {folder})" if is_shut_in else ""
    assert (
        f"{warning}a has the interpreter /usr/bin/nosuch, which can't be used: No such file or directory{where}\n"
        in said
    )
    assert f"{warning}b has a #! line that ends with CR LF" in said
    assert (f"{warning}c has the interpreter /bin/sh, which can't be used" in said) == is_shut_in


@pytest.mark.parametrize("is_json", [False, True])
def test_what_never_answers_is_told_as_by_a_start(folder, is_json):
    """A FIFO that nobody writes to, in the place of authorities."""
    os.mkfifo(folder / "ca.pem", 0o644)
    (folder / "ca.pem").chmod(0o644)
    tables = "[timeouts]\nstart = 2\n" + HOST.replace("[tls]", '[tls]\nca-file = "{tmp}/ca.pem"')
    conf = configure(folder, "", tables)
    said = f"the authorities in {folder}/ca.pem could not be read within 2 s"
    command = [sys.executable, "-m", "gemd", "-t", *["--json"] * is_json, "-c", str(conf)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LONGEST, check=False)
    assert (done.returncode, done.stderr) == (3, "" if is_json else f"gemd: {said}\n")
    assert [each["message"] for each in json.loads(done.stdout)["findings"]] == [said] if is_json else not done.stdout
