"""Reloads that come to a disk, a name server or code that never answers: they are refused by name, and nothing else
waits for it."""

import contextlib
import os
import signal
import threading

import pytest

from gemd.exit_codes import ExitCode

from .certificates import make_certificate
from .conftest import LONGEST, children_of, is_alive, title_of, wait_for, workers_of
from .services import USER
from .succession import HOST, Succession, tell

SERVICE = (
    USER
    + """workers = 2
listen = ["127.0.0.1:0"]
control = "{tmp}/control.sock"
pid-file = "{tmp}/gemd.pid"
[timeouts]
start = 3
[log]
"""
)
PATIENT = SERVICE.replace("start = 3", "start = 600")
SLOW_NAME = "slow.example"

# What a name server does that is down, and a mount whose server is: for ever, here.
WAIT_FOR_EVER = f"""
import os, signal, socket
getaddrinfo, open_beneath = socket.getaddrinfo, os.open

def wait():
    while True:
        signal.pause()

def slow_getaddrinfo(host, *what, **options):
    return wait() if host == b"{SLOW_NAME}" else getaddrinfo(host, *what, **options)

def slow_open(path, *what, dir_fd=None, **options):
    is_dead = path == "mount" and os.path.exists(f"/proc/self/fd/{{dir_fd}}/mount/is-dead")
    is_dead = is_dead or str(path).endswith("/dead/file")
    return wait() if is_dead else open_beneath(path, *what, dir_fd=dir_fd, **options)

socket.getaddrinfo, os.open = slow_getaddrinfo, slow_open
"""


class Operator:
    """Who changes the configuration of a daemon and asks its master."""

    def __init__(self, daemon, folder, capsule):
        self.daemon = daemon
        self.folder = folder
        self._capsule = capsule
        self._writers = []

    def fill(self, text):
        return text.replace("{root}", str(self._capsule)).replace("{tmp}", str(self.folder))

    def write(self, text):
        """Another configuration; what was in its place may be a named pipe."""
        (self.folder / "new.conf").write_text(self.fill(text))
        (self.folder / "new.conf").replace(self.folder / "gemd.conf")

    def write_pipe(self):
        """A named pipe in the place of the configuration."""
        (self.folder / "gemd.conf").unlink()
        os.mkfifo(self.folder / "gemd.conf")

    def wait_for_reader(self):
        """Until somebody reads from the configuration, who will get nothing until `close`."""

        def open_other_end():
            with contextlib.suppress(OSError):  # nobody reads
                self._writers.append(os.open(self.folder / "gemd.conf", os.O_WRONLY | os.O_NONBLOCK))
            return self._writers

        wait_for(open_other_end, "a reader")

    def close(self):
        for descriptor in self._writers:
            os.close(descriptor)

    def tell(self, command):
        return tell(self.folder / "control.sock", command)

    def status(self):
        return self.tell("status")["status"]

    @contextlib.contextmanager
    def asking(self, command):
        """Inside, the master has been asked; afterwards it has answered: the list has its answer then."""
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.tell(command)))
        thread.start()
        try:
            yield answers
        finally:
            thread.join(60)

    def loaders(self):
        return [pid for pid in children_of(self.daemon.process.pid) if "gemd: loader" in title_of(pid)]

    def wait_for_loader(self):
        return wait_for(self.loaders, "a child that loads")[0]


@pytest.fixture
def operate(configure, tmp_path, capsule):
    """Start a daemon on a machine where some things take for ever."""
    (tmp_path / "sitecustomize.py").write_text(WAIT_FOR_EVER)
    (tmp_path / "apps").mkdir()
    (tmp_path / "mount").mkdir()
    (tmp_path / "dead").mkdir()
    os.mkfifo(tmp_path / "dead" / "file")
    (tmp_path / "apps" / "hanging.py").write_text("import signal\nwhile True: signal.pause()\n")
    (tmp_path / "apps" / "killing.py").write_text("import os\nos.kill(os.getpid(), 11)\n")
    (tmp_path / "apps" / "leaving.py").write_text("import os\nos._exit(0)\n")
    (tmp_path / "apps" / "raising.py").write_text("raise KeyError('no such key')\n")
    make_certificate(tmp_path / "own.pem", "localhost")

    operators = []

    def operate(text):
        daemon = configure(text, env={"PYTHONPATH": str(tmp_path)})
        operators.append(Operator(daemon, tmp_path, capsule))
        wait_for(lambda: operators[-1].status()["state"] == "serving", "it to serve")
        return operators[-1]

    yield operate
    for operator in operators:
        operator.close()


def test_what_never_answers_is_refused_by_name(operate, tmp_path):
    good = SERVICE.replace("start = 3", "start = 2") + HOST  # six times
    app = '[[host]]\nname = "app.example"\napp = "hanging:app"\napp-path = "{tmp}/apps"\npreload = true\n'
    cases = {
        None: "the configuration {tmp}/gemd.conf could not be read",
        good + 'certificate = "{tmp}/own.pem"\nkey = "{tmp}/dead/file"\n': "{tmp}/dead/file could not be read",
        good
        + 'client-certificate = { ca = "{tmp}/dead/file" }\n': "the authorities in {tmp}/dead/file could not be read",
        good.replace("127.0.0.1:0", SLOW_NAME): f"the name {SLOW_NAME} in `listen` could not be resolved",
        good.replace("[log]\n", '[log]\naccess = "{tmp}/mount/access.log"\n'): (
            "the log {tmp}/mount/access.log could not be opened"
        ),
        good + app: "the application hanging:app could not be loaded",
    }
    operator = operate(good)
    daemon = operator.daemon
    daemon.expect("not reloaded: ")
    workers = daemon.workers
    (tmp_path / "mount" / "is-dead").touch()
    for nr, (text, reason) in enumerate(cases.items(), 1):
        if text is not None:
            operator.write(text)
        else:
            operator.write_pipe()
        reason = operator.fill(reason) + " within 2 s"
        with operator.asking("reload") as answers:
            loader = operator.wait_for_loader()
        assert answers == [{"ok": False, "errors": [reason]}]
        assert f"error: not reloaded: {reason}\n" in daemon.errors
        wait_for(lambda loader=loader: not is_alive(loader), "the child to be gone")
        assert (operator.status()["state"], operator.status()["failed_reloads"]) == ("serving", nr)
    assert daemon.workers == workers
    operator.write(PATIENT + HOST + 'lang = "x-new"\n')
    assert operator.tell("reload") == {"ok": True, "message": "generation 2 serves with 2 workers"}
    wait_for(lambda: daemon.ask("/").meta.endswith("x-new"), "the old workers to leave")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_all_goes_on_while_a_key_is_waited_for_also_an_end(operate, tmp_path, number):
    operator = operate(PATIENT + HOST)
    daemon = operator.daemon
    daemon.expect(r"worker 1 \(pid \d+\) was killed by SIGKILL")
    operator.write(PATIENT + HOST + 'certificate = "{tmp}/own.pem"\nkey = "{tmp}/dead/file"\n')
    daemon.process.send_signal(signal.SIGHUP)
    loader = operator.wait_for_loader()
    victim = daemon.workers[0]
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(set(daemon.workers) - {victim}) == 2, "another worker")
    assert daemon.ask("/").text == "# A capsule\n"
    status = operator.status()
    assert (status["state"], len(status["workers"])) == ("reloading", 2)
    assert is_alive(loader)
    assert daemon.stop(number) == 0
    wait_for(lambda: not is_alive(loader), "the child to be gone")


def test_an_application_that_can_not_be_loaded_is_tried_by_a_child_first(operate):
    app = 'app = "{app}:app"\napp-path = "{tmp}/apps"\npreload = true\n'
    good = SERVICE + HOST
    reasons = {
        "killing": "the application killing:app could not be loaded: the process that tried it was killed by SIGSEGV",
        "leaving": "the application leaving:app could not be loaded: the process that tried it ended with exit code 0",
        "raising": ": app.example: app: the application raising:app can't be loaded: KeyError: 'no such key'",
    }
    operator = operate(good)
    operator.daemon.expect("not reloaded: ")
    workers = operator.daemon.workers
    for name, reason in reasons.items():
        operator.write(good + '[[host]]\nname = "app.example"\n' + app.replace("{app}", name))
        answer = operator.tell("reload")
        assert not answer["ok"]
        assert answer["errors"][0].endswith(reason)
    assert operator.daemon.workers == workers


def test_reloads_that_are_asked_for_meanwhile_follow(operate):
    operator = operate(SERVICE + HOST)
    operator.daemon.expect("not reloaded: ")
    operator.write_pipe()
    with operator.asking("reload") as first:
        operator.wait_for_reader()
        operator.write(SERVICE + HOST + 'lang = "x-new"\n')
        for _ in range(3):
            operator.daemon.process.send_signal(signal.SIGHUP)
        with operator.asking("reload") as second:
            pass
    assert not first[0]["ok"]
    assert second[0] == {"ok": True, "message": "generation 2 serves with 2 workers"}
    wait_for(lambda: operator.daemon.ask("/").meta.endswith("x-new"), "the old workers to leave")


def test_an_upgrade_in_the_middle_ends_it(operate, tmp_path):
    text = PATIENT + HOST
    operator = operate(text)
    with Succession(operator.daemon, tmp_path) as service:
        operator.write_pipe()
        operator.daemon.process.send_signal(signal.SIGHUP)
        loader = operator.wait_for_loader()
        operator.wait_for_reader()
        operator.write(text + 'lang = "x-new"\n')
        service.upgrade()
        assert not is_alive(loader)
        assert service.ask().meta.endswith("x-new")
        assert len(workers_of(service.pid)) == 2


def test_log_files_on_a_mount_that_is_dead_hold_up_nothing(operate, tmp_path):
    text = SERVICE + 'access = "{tmp}/mount/access.log"\n' + HOST
    operator = operate(text)
    daemon, log = operator.daemon, tmp_path / "mount" / "access.log"
    daemon.expect("the log files stay as they are: ")
    log.rename(tmp_path / "mount" / "access.log.1")
    (tmp_path / "mount" / "is-dead").touch()
    with operator.asking("reopen") as answers:
        operator.wait_for_loader()
        assert operator.status()["state"] == "serving"
    reason = f"the log {log} could not be opened within 3 s"
    assert answers == [{"ok": False, "errors": [reason]}]
    assert f"the log files stay as they are: {reason}\n" in daemon.errors
    assert not log.exists()
    (tmp_path / "mount" / "is-dead").unlink()
    assert operator.tell("reopen")["ok"]
    daemon.ask("/other")
    wait_for(lambda: "/other" in log.read_text(), "the request in the new log")


def test_a_start_that_never_comes_to_its_end_says_what_for(start, tmp_path, capsule):
    (tmp_path / "sitecustomize.py").write_text(WAIT_FOR_EVER)
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount" / "is-dead").touch()
    good = (SERVICE + HOST).replace("{root}", str(capsule))
    cases = {
        good.replace("127.0.0.1:0", SLOW_NAME): f"the name {SLOW_NAME} in `listen` could not be resolved",
        good.replace("[log]\n", '[log]\naccess = "{tmp}/mount/access.log"\n'): (
            f"the log {tmp_path}/mount/access.log could not be opened"
        ),
    }
    daemons = []
    for nr, text in enumerate(cases):
        conf = tmp_path / f"gemd{nr}.conf"
        own = text.replace("{tmp}/gemd.pid", f"{{tmp}}/{nr}.pid").replace("{tmp}/control", f"{{tmp}}/control{nr}")
        conf.write_text(own.replace("{tmp}", str(tmp_path)))
        daemons.append(start("-c", conf, as_root=False, env={"PYTHONPATH": str(tmp_path)}))
    for daemon, reason in zip(daemons, cases.values(), strict=True):
        assert daemon.process.wait(LONGEST) == ExitCode.CONFIGURATION
        assert daemon.errors.splitlines()[-1] == f"gemd: {reason} within 3 s"


def test_a_look_at_a_configuration_that_never_comes_to_its_end_says_what_for(start, tmp_path, capsule):
    (tmp_path / "sitecustomize.py").write_text(WAIT_FOR_EVER)
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount" / "is-dead").touch()
    (tmp_path / "gemd.conf").write_text(
        (SERVICE + HOST + '[[host.location]]\npath = "/own/"\nlog = "{tmp}/mount/own.log"\n')
        .replace("{root}", str(capsule))
        .replace("{tmp}", str(tmp_path))
    )
    daemon = start("-t", "-c", tmp_path / "gemd.conf", env={"PYTHONPATH": str(tmp_path)})
    assert daemon.process.wait(LONGEST) == ExitCode.CONFIGURATION
    reason = f"the place of the log {tmp_path}/mount/own.log could not be looked at"
    assert daemon.errors.splitlines()[-1] == f"gemd: {reason} within 3 s"
