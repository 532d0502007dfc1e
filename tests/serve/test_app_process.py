"""An application in a process of its own, by the whole daemon."""

import concurrent.futures
import os
import re
import signal
import subprocess
import sys

import pytest

from gemd.system.privileges import find_identity
from tests.conftest import need_root

from .applications import serve_app, write  # noqa: F401, fixtures
from .conftest import AS_ROOT, children_of, is_alive, title_of, wait_for
from .load import Load
from .succession import HOST, SERVICE, Succession, public_folder, tell

OWN = "app-process = true\n"
COUNTER = """
import os
COUNT = []

def app(environ, send_status):
    send_status(20, "text/plain")
    COUNT.append(1)
    return f"{os.getpid()} {len(COUNT)}"
"""


def processes_of(master, name="counter:app"):
    """The pids of the application's processes."""
    return [pid for pid in children_of(master) if title_of(pid) == f"gemd: app {name}"]


def ask(daemon):
    """The pid of who answers, and how often it has."""
    pid, number = daemon.ask("/").text.split()
    return int(pid), int(number)


@pytest.fixture
def serve_counter(serve_app, write):
    def serve_it(**options):
        write("counter.py", COUNTER)
        keys = OWN + options.pop("keys", "")
        daemon = serve_app("counter:app", keys=keys, **options)
        daemon.ask("/")
        return daemon

    return serve_it


def test_all_workers_ask_one_process(serve_counter):
    daemon = serve_counter(workers=4)
    (pid,) = processes_of(daemon.process.pid)
    assert [ask(daemon) for _ in range(40)] == [(pid, number) for number in range(2, 42)]
    assert "the application counter:app (localhost) has a process of its own" in daemon.errors


def test_one_that_dies_is_replaced_within_a_second(serve_counter):
    daemon = serve_counter()
    daemon.expect("was killed by SIGKILL")
    pid, _ = ask(daemon)
    os.kill(pid, signal.SIGKILL)
    other, number = ask(daemon)  # which waits for the next one
    assert (other != pid, number) == (True, 1)
    assert "the application counter:app (pid" in daemon.errors


def test_a_reload_has_another_before_the_old_one_ends(serve_counter, write):
    daemon = serve_counter()
    first, _ = ask(daemon)
    with Load(daemon.port, "/", clients=4) as load:
        load.wait_for_more(20)
        daemon.reload()
        wait_for(lambda: not is_alive(first), "the old process to end")
        load.wait_for_more(20)
    assert load.failures == []
    (second,) = processes_of(daemon.process.pid)
    assert {int(raw.split()[-2]) for raw in load.answers} == {first, second}


def test_a_reload_that_can_not_load_it_changes_nothing(serve_counter, write):
    daemon = serve_counter()
    daemon.expect("not reloaded", "can't be loaded", "Traceback", "ZeroDivisionError", "ended with exit code 8")
    pid, _ = ask(daemon)
    write("counter.py", "1 / 0\n")
    daemon.reload("not reloaded: ")
    assert ask(daemon)[0] == pid
    write("counter.py", COUNTER)
    daemon.reload()
    wait_for(lambda: ask(daemon)[0] != pid, "the next one to answer")  # when the old workers have drained


def test_one_that_has_done_enough_is_replaced_without_a_loss(serve_counter):
    daemon = serve_counter(more="max-requests = 50\n")
    first, _ = ask(daemon)
    with Load(daemon.port, "/", clients=4) as load:
        wait_for(lambda: not is_alive(first), "the first one to end", 30)
        load.wait_for_more(20)
    assert load.failures == []
    assert len({raw.split()[-2] for raw in load.answers}) > 1
    assert "requests; another follows" in daemon.errors


def run(folder, data, *arguments):
    """What a gemd says that ends by itself."""
    command = [sys.executable, "-m", "gemd", *arguments, *AS_ROOT]
    environment = {**os.environ, "XDG_DATA_HOME": str(data)}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment, timeout=60)


def test_one_that_can_not_be_loaded_ends_the_start(write, tmp_path):
    result = run(write("broken.py", "1 / 0\n"), tmp_path, "--app", "broken:app", "--port", "0")
    assert result.returncode == 8
    assert ": app: the application broken:app can't be loaded: ZeroDivisionError" in result.stderr


@pytest.mark.parametrize("keys", [OWN, "app-process = false\n", ""])
def test_one_that_is_never_imported_is_named(write, tmp_path, keys):
    folder = write("slow.py", "import time\ntime.sleep(600)\n")
    text = f'[timeouts]\nstart = 1\n[[host]]\nname = "localhost"\napp = "slow:app"\napp-path = "{folder}"\n{keys}'
    (tmp_path / "gemd.conf").write_text(text)
    flags = ["-c", str(tmp_path / "gemd.conf"), "--host", "127.0.0.1", "--port", "0"]
    for test in (["-t"], []):
        result = run(folder, tmp_path, *test, *flags)
        assert result.returncode in (3, 8)
        assert "the application slow:app" in result.stderr
        assert "loaded within 1 s" in result.stderr


def test_its_state_is_shown(serve_counter, tmp_path):
    daemon = serve_counter(more=f'control = "{tmp_path}/control.sock"\n')

    def hosts():
        return tell(tmp_path / "control.sock", "status")["status"]["hosts"]

    for _ in range(5):
        daemon.ask("/")
    (host,) = wait_for(lambda: [host for host in hosts() if host.get("requests", 0) >= 6], "its figures")
    assert (host["kind"], host["name"], host["state"]) == ("application", "counter:app", "serving")
    assert host["pid"] == processes_of(daemon.process.pid)[0]
    assert host["memory"] > 1_000_000
    shown = subprocess.check_output(
        [sys.executable, "-m", "gemd.gemctl", "-s", str(tmp_path / "control.sock"), "status"], text=True
    )
    assert re.search(r"application counter:app +\d+ +serving", shown)
    metrics = subprocess.check_output(
        [sys.executable, "-m", "gemd.gemctl", "-s", str(tmp_path / "control.sock"), "status", "--openmetrics"],
        text=True,
    )
    assert 'gemd_application_processes{application="counter:app"} 1' in metrics


TICKS = """
import time

def app(environ, send_status):
    send_status(20, "text/plain")
    open("{begun}", "w").close()
    for number in range(1000):
        yield f"tick {number}\\n"
        time.sleep(0.02)
"""


def test_a_stop_breaks_off_what_goes_on_and_ends_in_time(serve_app, write, tmp_path):
    begun = tmp_path / "begun"
    write("ticks.py", TICKS.replace("{begun}", str(begun)))
    daemon = serve_app("ticks:app", keys=OWN, more="[timeouts]\nstop = 2\n")
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        answer = executor.submit(daemon.ask, "/")
        wait_for(begun.exists, "the answer to begin")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(30) == 0
        assert not answer.result(30).complete


def test_nothing_is_left_of_it_when_the_master_is_killed(serve_counter):
    daemon = serve_counter()
    (pid,) = processes_of(daemon.process.pid)
    workers = daemon.workers
    daemon.expect("the master is gone")
    daemon.process.kill()
    daemon.process.wait()
    wait_for(lambda: not any(map(is_alive, [pid, *workers])), "all to end")


def test_a_new_master_has_a_process_of_its_own(configure, tmp_path, write):
    folder = write("counter.py", COUNTER)
    app = f'app = "counter:app"\napp-path = "{folder}"\n{OWN}'
    with Succession(configure(SERVICE + HOST.replace('root = "{root}"\ncgi = "cgi-bin"\n', app)), tmp_path) as service:
        first, _ = ask(service)
        with Load(service.daemon.port, "/", clients=4) as load:
            load.wait_for_more(20)
            service.upgrade()
            load.wait_for_more(20)
        assert load.failures == []
        assert ask(service)[0] != first
        wait_for(lambda: not is_alive(first), "the old process to end")


@need_root
def test_it_runs_as_its_user(configure):
    with public_folder() as folder:
        (folder / "who.py").write_text(
            "import os\ndef app(environ, send_status):\n    send_status(20, 'text/plain')\n"
            "    return f\"{os.getuid()} {os.environ['HOME']}\"\n"
        )
        daemon = configure(
            f'user = "nobody"\nmaster-user = "root"\nworkers = 2\n[tls]\ncertificates = "{{tmp}}/certificates"\n'
            f'[[host]]\nname = "localhost"\napp = "who:app"\napp-path = "{folder}"\napp-user = "bin"\n'
        )
        identity = find_identity("bin", None)
        assert daemon.ask("/").text == f"{identity.uid} {identity.home}"
        assert "has a process of its own" in daemon.errors
