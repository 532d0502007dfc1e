"""Upgrades by SIGUSR2: a new master with the sockets of the old one, or the old one as if nothing had been."""

import hashlib
import os
import re
import shutil
import signal
import socket
import stat
import sys
import time
from pathlib import Path

import pytest

import gemd
from tests.support.tls_client import make_context

from .conftest import children_of, is_alive, read_answer, wait_for, workers_of
from .load import Load, SlowDownload
from .succession import (
    FRESH,
    HOST,
    SERVICE,
    Succession,
    descriptors,
    held_by,
    wait_for_descriptors,
    write_script,
)

SLOW = 'sleep 0.3\nprintf "20 text/plain\\r\\n$PPID\\n"\n'


@pytest.fixture
def code(tmp_path) -> Path:
    """The folder of a copy of the program, which a test may change."""
    folder = tmp_path / "code"
    shutil.copytree(Path(gemd.__file__).parent, folder / "gemd", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def prepend(code: Path, line: str) -> None:
    """Have the program begin with another line, for who starts it from now on."""
    path = code / "gemd" / "__init__.py"
    path.write_text(line + "\n" + path.read_text())


def wait_at(gate: Path) -> str:
    """A line of code that is held by `held_by`, and passes once that is over."""
    return f'with __import__("contextlib").suppress(FileNotFoundError): open("{gate}").close()'


def successor(service: Succession) -> int:
    """The pid of the new master that was started last."""
    return int(re.findall(r"a new master starts with pid (\d+)", service.errors)[-1])


def begin_upgrade(service: Succession) -> int:
    """Send USR2; the pid of the new master, which may not serve yet."""
    before = service.errors.count("a new master starts")
    service.send(signal.SIGUSR2)
    wait_for(lambda: service.errors.count("a new master starts") > before, "a new master")
    return successor(service)


@pytest.mark.parametrize("count", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_upgrades_under_load_lose_no_request(configure, tmp_path, capsule, count):
    write_script(capsule, "slow", SLOW)
    with Succession(configure(SERVICE + HOST), tmp_path) as service:
        workers, masters = set(service.workers), {service.pid}
        with Load(service.daemon.port, "/", "/", "/cgi-bin/slow", clients=8) as load:
            for _ in range(count):
                load.wait_for_more(30)
                service.upgrade()
                workers |= set(service.workers)
                masters.add(service.pid)
            load.wait_for_more(30)
        assert load.failures == []
        assert len(masters) == count + 1
        pids = {int(raw.split()[-1]) for raw in load.answers if b"text/plain" in raw}
        assert len(pids & workers) > count + 1
        assert service.status()["pid"] == service.pid
        assert service.has_workers(2)


def test_the_new_code_and_the_new_configuration_serve(configure, tmp_path, code):
    with Succession(configure(SERVICE + HOST, env={"PYTHONPATH": str(code)}), tmp_path) as service:
        first = service.status()
        assert (first["version"], first["slots"]) == (gemd.__version__, 2)
        assert service.ask().meta == "text/gemini"
        path = code / "gemd" / "__init__.py"
        path.write_text(path.read_text() + '\n__version__ = "27.1"\n')
        conf = tmp_path / "gemd.conf"
        conf.write_text(conf.read_text().replace("workers = 2", "workers = 3") + 'lang = "fr"\n')
        service.upgrade()
        wait_for(lambda: service.has_workers(3), "three workers")
        now = service.status()
        assert (now["version"], now["slots"], now["pid"]) == ("27.1", 3, service.pid)
        assert service.ask().meta == "text/gemini; lang=fr"


def test_an_upgrade_may_change_where_it_listens(configure, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    user = 'user = "root"\n' if os.geteuid() == 0 else ""
    both = f'listen = ["127.0.0.1:0", "127.0.0.1:{port}"]\n'
    with Succession(configure(user + SERVICE + both + HOST), tmp_path) as service:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        conf = tmp_path / "gemd.conf"
        conf.write_text(conf.read_text().replace(f', "127.0.0.1:{port}"', ""))
        service.upgrade()
        assert service.ask().status == 20
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        conf.write_text(conf.read_text().replace(":0", f':0", "127.0.0.1:{port}'))
        service.upgrade()
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_what_listeners_are_for_goes_with_the_configuration(configure, tmp_path):
    user = 'user = "root"\n' if os.geteuid() == 0 else ""
    table = f'{{ address = "unix:{tmp_path}/s", tls = false, mode = "0600" }}'
    with Succession(configure(f'{user}{SERVICE}listen = ["127.0.0.1:0", {table}]\n{HOST}'), tmp_path) as service:
        conf = tmp_path / "gemd.conf"
        conf.write_text(conf.read_text().replace('tls = false, mode = "0600"', 'mode = "0640"'))
        service.upgrade()
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o640
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(tmp_path / "s"))
            with make_context().wrap_socket(sock, server_hostname="localhost") as tls:
                tls.sendall(b"gemini://localhost/\r\n")
                assert read_answer(tls).complete


@pytest.mark.parametrize("count", [4, pytest.param(10, marks=pytest.mark.slow)])
def test_upgrades_leave_no_descriptor_behind(configure, tmp_path, count):
    with Succession(configure(SERVICE + HOST), tmp_path) as service:
        service.upgrade()
        wait_for(lambda: service.has_workers(2), "two workers")
        time.sleep(FRESH)  # until everybody has counted what stays open
        first = census(service)
        for _ in range(count - 1):
            service.upgrade()
            wait_for(lambda: service.has_workers(2), "two workers")
            wait_for(lambda: census(service) == first, "no more than at first")
        wait_for_descriptors(service.control_path, lambda now: [*now.values()] == first[1:], "nothing to be added")
        assert census(service) == first


def census(service: Succession) -> list[int]:
    """How many descriptors master and workers have, and the caller that asks the master."""
    return [service.status()["descriptors"], *descriptors(service.control_path).values()]


def stays(service: Succession, said: str) -> None:
    """Start an upgrade that fails with these words; everything is as it was."""
    service.daemon.expect("not upgraded: ")
    pid, workers = service.pid, service.workers
    seen = service.errors
    service.send(signal.SIGUSR2)
    wait_for(lambda: said in service.errors.removeprefix(seen), "the failure")
    assert "not upgraded: " in service.errors.removeprefix(seen)
    assert (service.pid, service.workers) == (pid, workers)
    assert service.ask().status == 20
    assert service.status()["state"] == "serving"


def test_a_bad_configuration_upgrades_nothing(configure, tmp_path):
    with Succession(configure(SERVICE + HOST), tmp_path) as service:
        conf = tmp_path / "gemd.conf"
        good = conf.read_text()
        conf.write_text("wrkers = 2\n" + good)
        with Load(service.daemon.port, "/", clients=2) as load:
            stays(service, "this one goes on")
        assert load.failures == []
        assert "did you mean 'workers'?" in service.errors
        conf.write_text(good)
        service.upgrade()


def test_code_that_breaks_upgrades_nothing(configure, tmp_path, code):
    with Succession(configure(SERVICE + HOST, env={"PYTHONPATH": str(code)}), tmp_path) as service:
        service.daemon.expect("Traceback", "RuntimeError")
        init = code / "gemd" / "__init__.py"
        good = init.read_text()
        prepend(code, 'raise RuntimeError("broken")')
        stays(service, "this one goes on")
        init.write_text(good)
        service.upgrade()


def test_workers_that_break_upgrade_nothing(configure, tmp_path, code):
    with Succession(configure(SERVICE + HOST, env={"PYTHONPATH": str(code)}), tmp_path) as service:
        service.daemon.expect("Traceback", "RuntimeError", "has to stop", "ended with exit code 1", "giving up")
        worker = code / "gemd" / "worker" / "main.py"
        worker.write_text(worker.read_text() + '\ndef _serve(*_):\n    raise RuntimeError("broken")\n')
        stays(service, "this one goes on")


def test_a_missing_interpreter_upgrades_nothing(configure, tmp_path, code, monkeypatch):
    interpreter = tmp_path / "python"
    interpreter.symlink_to(Path(sys.executable).resolve())
    paths = os.pathsep.join([str(code), *filter(None, sys.path)])
    monkeypatch.setattr(sys, "executable", str(interpreter))  # what the harness starts it by
    with Succession(configure(SERVICE + HOST, env={"PYTHONPATH": paths}), tmp_path) as service:
        target = interpreter.readlink()
        interpreter.unlink()
        stays(service, "the program can't be started again: No such file or directory")
        interpreter.symlink_to(target)
        service.upgrade()


def test_a_new_master_that_never_serves_is_ended(configure, tmp_path, code):
    text = SERVICE + HOST.replace("[[host]]", "[timeouts]\nstart = 1\n[[host]]")
    with Succession(configure(text, env={"PYTHONPATH": str(code)}), tmp_path) as service:
        prepend(code, wait_at(tmp_path / "gate"))
        with held_by(tmp_path / "gate"):
            stays(service, "did not serve in time")


def test_a_new_master_killed_before_it_serves_changes_nothing(configure, tmp_path, code):
    with Succession(configure(SERVICE + HOST, env={"PYTHONPATH": str(code)}), tmp_path) as service:
        service.daemon.expect("not upgraded: ")
        old, workers = service.pid, service.workers
        prepend(code, wait_at(tmp_path / "gate"))
        with held_by(tmp_path / "gate"):
            os.kill(begin_upgrade(service), signal.SIGKILL)
            wait_for(lambda: "this one goes on" in service.errors, "the failure to be noticed")
        assert (service.pid, service.workers) == (old, workers)
        service.upgrade()


def test_a_second_usr2_is_refused_while_the_first_is_under_way(configure, tmp_path, code):
    with Succession(configure(SERVICE + HOST, env={"PYTHONPATH": str(code)}), tmp_path) as service:
        service.daemon.expect("an upgrade is under way already")
        old = service.pid
        prepend(code, wait_at(tmp_path / "gate"))
        with held_by(tmp_path / "gate"):
            new = begin_upgrade(service)
            for nr in (1, 2):
                service.send(signal.SIGUSR2)
                wait_for(lambda nr=nr: service.errors.count("is under way already") == nr, "the refusal")
            assert service.pid == old
            assert service.status()["state"] == "upgrading"
        wait_for(lambda: service.pid == new, "the new master to serve")
        assert service.errors.count("a new master starts") == 1


@pytest.mark.parametrize("when", ["before it has begun", "while its workers start"])
def test_an_old_master_killed_midway_is_succeeded_all_the_same(configure, tmp_path, code, when):
    with Succession(configure(SERVICE + HOST, env={"PYTHONPATH": str(code)}), tmp_path) as service:
        service.daemon.expect("the master is gone")
        gate = wait_at(tmp_path / "gate")
        if when == "before it has begun":
            prepend(code, gate)
        else:
            worker = code / "gemd" / "worker" / "main.py"
            worker.write_text(worker.read_text().replace("        adopt_orphans()\n", f"        {gate}\n", 1))
        old, workers = service.pid, service.workers
        with held_by(tmp_path / "gate"):
            new = begin_upgrade(service)
            if when != "before it has begun":
                wait_for(lambda: len(children_of(new)) == 2, "workers that start")
            service.daemon.process.kill()
            service.daemon.process.wait()
            wait_for(lambda: not any(is_alive(pid) for pid in workers), "the old workers to leave")
            assert service.pid == old  # nobody serves, and nobody says so
        wait_for(lambda: service.pid == new, "the new master to take over")
        assert service.ask().status == 20
        wait_for(lambda: service.has_workers(2), "two workers")
        service.upgrade()


def test_a_new_master_that_dies_while_the_old_one_drains_is_replaced_by_it(configure, tmp_path, capsule):
    content = os.urandom(5_000_000)
    (capsule / "large").write_bytes(content)
    with Succession(configure(SERVICE + HOST), tmp_path) as service:
        service.daemon.expect("not upgraded: ", "the master is gone")
        old = service.pid
        download = SlowDownload(service.daemon.port, "/large")
        new = begin_upgrade(service)
        wait_for(lambda: service.pid == new, "the new master to serve")
        assert service.ask().status == 20
        os.kill(new, signal.SIGKILL)
        wait_for(lambda: service.pid == old, "the old one's pid in the file")
        wait_for(lambda: len(service.workers) >= 2, "the old one's new workers")
        assert service.ask().status == 20
        assert download.received < len(content)
        assert download.finish() == hashlib.sha256(content).hexdigest()
        wait_for(lambda: service.has_workers(2), "two workers")
        service.upgrade()
        assert service.pid not in (old, new)


def test_an_old_master_killed_while_it_drains_takes_nothing_along(configure, tmp_path, capsule):
    (capsule / "large").write_bytes(bytes(5_000_000))
    with Succession(configure(SERVICE + HOST), tmp_path) as service:
        service.daemon.expect("the master is gone", "broke off")
        download = SlowDownload(service.daemon.port, "/large")
        new = begin_upgrade(service)
        wait_for(lambda: service.pid == new, "the new master to serve")
        with Load(service.daemon.port, "/", clients=2) as load:
            load.wait_for_more(5)
            service.daemon.process.kill()
            service.daemon.process.wait()
            load.wait_for_more(20)
        assert load.failures == []
        assert service.pid == new
        assert download.finish() is not None
        service.upgrade()


def test_a_slow_download_survives_an_upgrade(configure, tmp_path, capsule):
    content = os.urandom(5_000_000)
    (capsule / "large").write_bytes(content)
    with Succession(configure(SERVICE + HOST), tmp_path) as service:
        old = service.pid
        download = SlowDownload(service.daemon.port, "/large")
        new = begin_upgrade(service)
        wait_for(lambda: service.pid == new, "the new master to serve")
        wait_for(lambda: len(workers_of(old)) == 1, "the old one's idle worker to leave")
        assert service.ask().status == 20
        assert download.received < len(content)
        assert is_alive(old)
        assert download.finish() == hashlib.sha256(content).hexdigest()
        wait_for(lambda: service.daemon.process.poll() == 0, "the old master to leave")


def test_a_reload_and_an_upgrade_at_once_lose_no_request(configure, tmp_path):
    with Succession(configure(SERVICE + HOST), tmp_path) as service:
        for numbers in ((signal.SIGHUP, signal.SIGUSR2), (signal.SIGUSR2, signal.SIGHUP)):
            old = service.pid
            with Load(service.daemon.port, "/", clients=4) as load:
                for number in numbers:
                    os.kill(old, number)
                wait_for(lambda old=old: service.pid != old, "the new master to serve")
                service.wait_for_end(old)
                load.wait_for_more(10)
            assert load.failures == []
            wait_for(lambda: service.has_workers(2), "two workers")


def test_a_stop_during_an_upgrade_stops_everything(configure, tmp_path, code):
    daemon = configure(SERVICE + HOST, env={"PYTHONPATH": str(code)})
    service = Succession(daemon, tmp_path)
    wait_for(service.pid_path.exists, "the pid file")
    daemon.expect("not upgraded: ")
    prepend(code, wait_at(tmp_path / "gate"))
    with held_by(tmp_path / "gate"):
        new = begin_upgrade(service)
        assert daemon.stop() == 0
        wait_for(lambda: not is_alive(new), "the new master to end")
    assert not service.pid_path.exists()
