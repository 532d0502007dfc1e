import json
import os
import socket
import threading
import time

import pytest

from gemd.gemctl.control_client import ask, find_socket
from gemd.gemctl.failure import ExitCode, Failure
from tests.conftest import need_root

from .conftest import LONGEST, STATUS

OK = b'{"ok": true, "message": "generation 4 serves"}\n'


# Where the socket is


@pytest.fixture
def conf(tmp_path):
    def write(text):
        path = tmp_path / "gemd.conf"
        path.write_text(text)
        return path

    return write


def test_the_socket_of_the_configuration(conf, tmp_path):
    assert str(find_socket(None, conf('control = "/run/s"\n'))) == "/run/s"
    assert find_socket(None, conf('control = "s"\n')) == tmp_path / "s"


def test_a_mistake_elsewhere_in_the_file_does_no_harm(conf):
    assert find_socket(None, conf('control = "/run/s"\nlistn = 4\n[[host]]\n')).name == "s"


def test_what_is_included_is_read_only_for_the_key(conf, tmp_path):
    (tmp_path / "d").mkdir()
    other = tmp_path / "d/other.conf"
    other.write_text('control = "s"\n')
    assert find_socket(None, conf('include = ["d/*.conf"]\n')) == tmp_path / "d/s"
    other.write_text("control = ")
    assert find_socket(None, conf('include = ["d/*.conf"]\ncontrol = "s"\n')) == tmp_path / "s"
    with pytest.raises(Failure, match=r"other\.conf:1: expected a value"):
        find_socket(None, conf('include = ["d/*.conf"]\n'))


def test_the_variable_needs_no_configuration(tmp_path, monkeypatch):
    for text in ("/run/s", '"/run/s"'):
        monkeypatch.setenv("GEMD_CONTROL", text)
        assert str(find_socket(None, tmp_path / "missing.conf")) == "/run/s"
    monkeypatch.setenv("GEMD_CONTROL", "s")
    assert find_socket(None, tmp_path / "missing.conf") == tmp_path / "s"


def test_a_socket_by_flag_needs_no_configuration(tmp_path):
    assert find_socket(tmp_path / "s", tmp_path / "missing.conf") == tmp_path / "s"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", 'has no key "control"'), ("control = 4", "control: expected"), ('control = ""', "expected")],
)
def test_a_file_without_the_key(conf, text, reason):
    with pytest.raises(Failure, match=reason) as caught:
        find_socket(None, conf(text))
    assert caught.value.code == ExitCode.CONFIGURATION


def test_a_file_that_can_not_be_read(conf, tmp_path):
    for path, reason in ((tmp_path / "missing.conf", "No such file"), (conf("control ="), "expected a value")):
        with pytest.raises(Failure, match=reason) as caught:
            find_socket(None, path)
        assert caught.value.code == ExitCode.CONFIGURATION
        assert caught.value.lines[-1] == "-s SOCKET names gemd's socket without it"


# What is said


def test_one_line_each_way(master):
    it = master(OK)
    assert ask(it.path, "reload", LONGEST).message == "generation 4 serves"
    assert [json.loads(line) for line in it.commands] == [{"command": "reload"}]


def test_a_status_larger_than_a_buffer(master):
    status = {**STATUS, "workers": STATUS["workers"] * 1000}
    it = master(json.dumps({"ok": True, "status": status}).encode() + b"\n")
    assert ask(it.path, "status", LONGEST).status == status


def test_an_answer_that_comes_in_pieces(master):
    def dribble(connection):
        for i in range(len(OK)):
            connection.sendall(OK[i : i + 1])

    assert ask(master(dribble).path, "reload", LONGEST).ok


def test_every_reason_is_told_without_what_a_terminal_obeys(master):
    it = master(b'{"ok": false, "errors": ["gemd.conf: listn: no such key", "\\u001b[2J"]}\n')
    with pytest.raises(Failure) as caught:
        ask(it.path, "reload", LONGEST)
    assert caught.value.lines == ("gemd.conf: listn: no such key", "\\x1b[2J")
    assert caught.value.code == ExitCode.FAILED


def test_no_reason_at_all(master):
    with pytest.raises(Failure, match="refused to upgrade"):
        ask(master(b'{"ok": false}\n').path, "upgrade", LONGEST)


WRONG = {
    "not JSON": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "not an object": b"[]\n",
    "no outcome": b"{}\n",
    "broken off": b'{"ok": true, "mess',
    "not UTF-8": b'{"ok": true, "message": "\xff"}\n',
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG)
def test_what_is_no_answer(master, answer):
    with pytest.raises(Failure, match="what answers there is not gemd, or broke off"):
        ask(master(answer).path, "status", LONGEST)


def test_a_master_that_vanishes(master):
    with pytest.raises(Failure, match="the master went away before it answered"):
        ask(master(b"").path, "reload", LONGEST)


def test_a_master_that_never_answers(master):
    release = threading.Event()
    it = master(lambda _: release.wait(LONGEST))
    try:
        with pytest.raises(Failure, match=r"reload: no outcome within 0\.2 s"):
            ask(it.path, "reload", 0.2)
    finally:
        release.set()


def test_bytes_that_dribble_in_do_not_move_the_deadline(master):
    release = threading.Event()

    def dribble(connection):
        while not release.wait(0.02):
            connection.sendall(b" ")

    it = master(dribble)
    start = time.monotonic()
    try:
        with pytest.raises(Failure, match="no outcome"):
            ask(it.path, "reload", 0.5)
    finally:
        release.set()
    assert time.monotonic() - start < LONGEST


# Until it has gone


def test_stop_waits_until_the_connection_ends(master):
    release, gone = threading.Event(), []

    def leave(connection):
        connection.sendall(b'{"ok": true}\n')
        release.wait(LONGEST)
        gone.append(True)

    it = master(leave)
    timer = threading.Timer(0.3, release.set)
    timer.start()
    ask(it.path, "stop", LONGEST, until_gone=True)
    assert gone
    timer.join()


def test_a_master_that_does_not_leave(master):
    release = threading.Event()

    def stay(connection):
        connection.sendall(b'{"ok": true}\n')
        release.wait(LONGEST)

    it = master(stay)
    try:
        with pytest.raises(Failure, match="stop: no outcome"):
            ask(it.path, "stop", 0.3, until_gone=True)
    finally:
        release.set()


# No connection


def test_no_socket(tmp_path):
    with pytest.raises(Failure, match="s: there is no such socket: gemd does not run"):
        ask(tmp_path / "s", "status", LONGEST)


def test_a_socket_that_was_left_behind(tmp_path):
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(tmp_path / "s"))
    with pytest.raises(Failure, match="nobody listens there"):
        ask(tmp_path / "s", "status", LONGEST)


def test_a_path_that_is_no_socket(tmp_path):
    (tmp_path / "s").touch()
    with pytest.raises(Failure, match="nobody listens there"):
        ask(tmp_path / "s", "status", LONGEST)


def test_a_path_that_is_too_long(tmp_path):
    with pytest.raises(Failure, match="too long"):
        ask(tmp_path / ("x" * 200), "status", LONGEST)


def test_a_socket_of_somebody_else(master, monkeypatch):
    it = master(OK)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: (_ for _ in ()).throw(PermissionError(13, "denied")))
    with pytest.raises(Failure, match="permission denied: only root and the user that gemd runs as"):
        ask(it.path, "status", LONGEST)


@need_root
def test_a_socket_that_this_user_may_not_use(master):
    it = master(OK)
    it.path.chmod(0o600)
    os.seteuid(65534)
    try:
        with pytest.raises(Failure, match="permission denied"):
            ask(it.path, "status", LONGEST)
    finally:
        os.seteuid(0)


def test_a_queue_that_is_full(tmp_path):
    waiting = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(0)
        try:
            for _ in range(3):
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                try:
                    waiting[-1].connect(str(tmp_path / "s"))
                except BlockingIOError:
                    break
            with pytest.raises(Failure, match="no outcome within"):
                ask(tmp_path / "s", "status", 0.3)
        finally:
            for one in waiting:
                one.close()
