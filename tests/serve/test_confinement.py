"""What a script may read, write and signal in each mode: the table of docs/SECURITY.md, cell by cell."""

import shutil
import sys

import pytest

from gemd.system.landlock import find_version
from tests.conftest import need_landlock, need_root

from .conftest import Daemon, wait_for
from .succession import public_folder, tell, wait_until_serving, write_script

pytestmark = need_root

NOBODY = 'user = "nobody"\nworkers = 2\n'
ROOT = NOBODY + 'master-user = "root"\n'
OTHER = "daemon"  # whose the scripts are, where they have a user
CONFIG = """
pid-file = "{public}/run/gemd.pid"
control = "{public}/run/control.sock"
[log]
error = "{public}/log/error.log"
access = "{public}/log/access.log"
[cgi]
confine = {confine}
{cgi}
[tls]
certificates = "{public}/state"
[[host]]
name = "localhost"
root = "{public}/capsule"
cgi = "cgi-bin"
"""
INTERPRETER = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
TRIES = {  # what a script tries, in sh: it succeeds if it can
    "read the key": "head -c 1 {public}/state/localhost.key >/dev/null",
    "ask whether the key exists": "test -e {public}/state/localhost.key",
    "list the directory of the key": "ls {public}/state >/dev/null",
    "replace the key": "cp /dev/null {public}/state/x && mv {public}/state/x {public}/state/y",
    "link to the key": "ln {public}/state/localhost.key {public}/capsule/link",
    "read the log": "head -c 1 {public}/log/error.log >/dev/null",
    "write to the log": "echo x >>{public}/log/access.log",
    "truncate the log": "{python} -c 'import os; os.truncate(\"{public}/log/access.log\", 0)'",
    "change the mode of the log": "chmod 640 {public}/log/access.log",
    "remove the pid file": "rm -f {public}/run/gemd.pid && test ! -e {public}/run/gemd.pid",
    "signal the master": "kill -0 {master}",
    "signal the worker": "kill -0 {worker}",
    "signal the host": "kill -0 $PPID",  # which is the worker, where scripts have no other user
    "signal its own": "sleep 9 & kill $!",
    "command the master": "{python} -c '"
    'import json, socket; s = socket.socket(1); s.connect("{public}/run/control.sock"); '
    's.sendall(b"{{\\"command\\": \\"status\\"}}\\n"); assert json.load(s.makefile())["ok"]\'',
    "read the capsule": "head -c 1 {public}/capsule/index.gmi",
    "write beside the capsule": "echo x >{public}/data/file && mv {public}/data/file {public}/data/deep/file",
    "list the root directory": "ls / >/dev/null",
    "use /tmp, /dev and /proc": "test -r /proc/self/status && echo x >/dev/null && ls /tmp >/dev/null",
}
ALWAYS = {"signal its own", "read the capsule", "list the root directory", "use /tmp, /dev and /proc"}
ALWAYS |= {"write beside the capsule", "ask whether the key exists", "list the directory of the key"}
SIGNALS = {"signal the master", "signal the worker", "signal the host"}
FILES = {"read the key", "replace the key", "link to the key", "read the log", "write to the log", "truncate the log"}
FILES |= {"change the mode of the log", "remove the pid file"}

VERSION = find_version()
CONFINED = ALWAYS | {"change the mode of the log"}  # which Landlock keeps from nobody
CONFINED |= {"truncate the log"} if VERSION < 3 else set()
CONFINED |= SIGNALS if VERSION < 6 else set()
OF_ROOT = {"signal the worker", "signal the host"}
OF_OTHERS = {"signal the host"}
MODES = {  # the top of the configuration, whether scripts are confined; what they can do
    "one user": (NOBODY, True, CONFINED),
    "one user, not confined": (NOBODY, False, ALWAYS | FILES | SIGNALS),
    "the master is root": (ROOT, True, ALWAYS | (OF_ROOT if VERSION < 6 else set())),
    "the master is root, not confined": (ROOT, False, ALWAYS | OF_ROOT),
    "scripts have a user": (ROOT, True, ALWAYS | (OF_OTHERS if VERSION < 6 else set())),
    "scripts have a user, not confined": (ROOT, False, ALWAYS | OF_OTHERS),
}
MODES_HERE = [pytest.param(mode, marks=need_landlock if MODES[mode][1] else ()) for mode in MODES]


@pytest.fixture
def public():
    with public_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def done(request, tmp_path_factory):
    """What a script can do in this mode, of all that it tries."""
    top, is_confined, _ = MODES[request.param]
    user = OTHER if request.param.startswith("scripts have a user") else "nobody"
    with public_folder() as public:
        for name in ("state", "log", "run", "data", "data/deep"):
            (public / name).mkdir()
            if "master-user" not in top or name.startswith("data"):
                shutil.chown(public / name, user)
        shutil.chown(public / "capsule", user)
        conf = public / "gemd.conf"
        cgi = f'user = "{OTHER}"' if user == OTHER else ""
        conf.write_text(top + CONFIG.format(public=public, confine=str(is_confined).lower(), cgi=cgi))
        arguments = ["-c", str(conf), "--host", "127.0.0.1", "--port", "0"]
        daemon = Daemon(tmp_path_factory.mktemp("daemon"), arguments, keeps_logs=True)
        daemon.error_path = public / "log/error.log"
        try:
            wait_for(daemon.error_path.exists, "the log")
            daemon.wait_until_ready()
            names = {"public": public, "master": daemon.process.pid, "worker": daemon.workers[0], "python": INTERPRETER}
            tries = "".join(
                f"( {text.format(**names)} ) >/dev/null 2>&1 && echo '{what}'\n" for what, text in TRIES.items()
            )
            write_script(public / "capsule", "try", f"echo 20 text/plain\n{tries}exit 0\n")
            answer = daemon.ask("/cgi-bin/try")
            assert answer.complete
            assert tell(public / "run/control.sock", "status")["ok"]  # it is root who asks
            yield set(answer.text.splitlines())
        finally:
            daemon.finish()


@pytest.mark.parametrize("what", TRIES)
@pytest.mark.parametrize("done", MODES_HERE, indirect=True)
def test_what_a_script_can_do(request, done, what):
    expected = MODES[request.node.callspec.params["done"]][2]
    assert (what in done) == (what in expected)


def test_the_table_is_whole():
    assert set().union(*(expected for _, _, expected in MODES.values())) <= set(TRIES)


LISTS = """
[cgi]
read = ["{public}/readable"]
write = ["{public}/writable"]
[tls]
certificates = "{public}/state"
[[host]]
name = "localhost"
root = "{public}/capsule"
cgi = "cgi-bin"
"""


@need_landlock
def test_scripts_may_be_kept_to_lists(public, start):
    names = ("readable", "writable", "other")
    for name in names:
        (public / name).mkdir()
        (public / name / "file").touch()
        shutil.chown(public / name, "nobody")
    (public / "gemd.conf").write_text(NOBODY + LISTS.format(public=public))
    daemon = start("-c", public / "gemd.conf", "--host", "127.0.0.1", "--port", "0", as_root=False).wait_until_ready()
    tries = "".join(
        f"( cat {public}/{name}/file ) 2>/dev/null && echo read {name}\n"
        f"( ls {public}/{name} >/dev/null ) 2>/dev/null && echo list {name}\n"
        f"( echo x >{public}/{name}/new && rm {public}/{name}/new ) 2>/dev/null && echo write {name}\n"
        for name in names
    )
    write_script(public / "capsule", "try", f"echo 20 text/plain\n{tries}cat index.gmi 2>/dev/null\nexit 0\n")
    said = daemon.ask("/cgi-bin/try").text.splitlines()
    assert said == ["read readable", "list readable", "read writable", "list writable", "write writable"]


@need_landlock
def test_what_is_made_beside_what_is_hidden_is_seen_after_a_reload(public, start):
    (public / "gemd.conf").write_text(NOBODY + CONFIG.format(public=public, confine="true", cgi=""))
    for name in ("state", "log", "run"):
        (public / name).mkdir()
        shutil.chown(public / name, "nobody")
    arguments = ("-c", public / "gemd.conf", "--host", "127.0.0.1", "--port", "0")
    daemon = start(*arguments, as_root=False, keeps_logs=True)
    daemon.error_path = public / "log/error.log"
    wait_for(daemon.error_path.exists, "the log")
    daemon.wait_until_ready()
    wait_until_serving(public / "run/control.sock")
    write_script(public / "capsule", "try", f"echo 20 text/plain\ncat {public}/late 2>/dev/null\nexit 0\n")
    (public / "late").write_text("it is here\n")
    assert daemon.ask("/cgi-bin/try").text == ""
    assert tell(public / "run/control.sock", "reload")["ok"]
    wait_for(lambda: daemon.ask("/cgi-bin/try").text == "it is here\n", "it to be seen")
