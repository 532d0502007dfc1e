"""The process of an application: what it becomes, what it answers, and how it ends."""

import json
import os
import signal
from pathlib import Path

import pytest

from gemd.exit_codes import ExitCode
from gemd.protocol.fastcgi import End, ProtocolStatus
from gemd.system.level import Level
from gemd.system.privileges import find_identity
from tests.conftest import need_root
from tests.serve.conftest import title_of
from tests.support.waiting import wait_for

from .conftest import read_answer

DONE = End(0, 0)
PLAIN = 'def app(environ, send_status):\n    send_status(20, "text/plain")\n    '
ECHO = PLAIN + "return environ['GEMINI_URL']\n"


def test_it_is_ready_and_answers(start):
    host = start(ECHO)
    assert host.wait_for("ready") == "ready"
    assert title_of(host.pid) == "gemd: app mine:app"
    assert host.ask("/x") == ("20 text/plain\r\ngemini://localhost/x", DONE)


def test_what_is_asked_before_it_is_ready_is_answered(start):
    host = start("import time; time.sleep(0.3)\n" + ECHO)
    assert host.ask("/x")[1] == DONE


def test_one_whose_master_has_left_the_terminal(start):
    host = start(ECHO, closed=(1, 2))
    assert host.ask()[1] == DONE


def test_what_one_leaves_another_answers(start):
    first = start(ECHO)
    first.wait_for("ready")
    first.end()
    assert first.code() == ExitCode.OK
    with first.send("/later") as sock:
        start(ECHO, host=first.host)
        assert read_answer(sock) == ("20 text/plain\r\ngemini://localhost/later", DONE)


def test_the_main_thread_is_the_applications(start):
    text = "import threading, signal\nMAIN = threading.main_thread() is threading.current_thread()\n"
    text += "signal.signal(signal.SIGALRM, lambda *_: None)\n"
    host = start(text + PLAIN + "return f'{MAIN} {threading.current_thread() is threading.main_thread()}'\n")
    assert host.ask()[0].endswith("True True")


def test_what_is_kept_in_memory_is_kept(start):
    host = start("COUNT = []\n" + PLAIN + "COUNT.append(1)\n    return str(len(COUNT))\n")
    assert [host.ask()[0][-1] for _ in range(3)] == ["1", "2", "3"]


def test_a_connection_to_a_database_made_at_import_can_be_used(start, tmp_path):
    text = f"import sqlite3\nDB = sqlite3.connect({str(tmp_path / 'db')!r})\n"
    host = start(text + PLAIN + "return str(DB.execute('SELECT 6 * 7').fetchone()[0])\n")
    assert host.ask()[0].endswith("42")


def test_as_many_calls_at_once_as_it_has_threads(start):
    text = "import threading\nBARRIER = threading.Barrier(3)\n" + PLAIN + "BARRIER.wait(15)\n    return 'met'\n"
    host = start(text, app_threads=3)
    sockets = [host.send("/", **{"gemd.client": f"192.0.2.{nr}"}) for nr in range(3)]
    assert [read_answer(sock) for sock in sockets] == [("20 text/plain\r\nmet", DONE)] * 3
    for sock in sockets:
        sock.close()


def test_an_application_that_fails_is_42_and_the_log_says_why(start):
    host = start(PLAIN + "raise ValueError('no\\ngemd[1] error: forged')\n")
    assert host.ask() == ("42 An unexpected error occurred\r\n", DONE)
    assert host.wait_for("<3>the application mine:app failed")
    assert host.wait_for("<3+>Traceback")
    assert host.wait_for("<3+>ValueError: no\\x0agemd[1] error: forged")


def test_an_answer_that_breaks_off_is_told_from_one_that_is_complete(start):
    host = start(PLAIN + "yield 'half'\n    raise ValueError('no')\n")
    text, end = host.ask()
    assert text == "20 text/plain\r\nhalf"
    assert end == End(1, 0)
    host.wait_for("<3+>ValueError: no")


def test_one_that_is_killed_breaks_off_what_it_had_begun(start):
    host = start("import os\n" + PLAIN + "os.kill(os.getpid(), 9)\n")
    assert host.ask() == ("", None)
    assert host.code() == -9


def test_a_body_that_does_not_end_is_not_kept_in_memory(start):
    host = start(PLAIN + "return (b'x' * 65536 for _ in range(1 << 30))\n")
    with host.send("/") as sock:
        assert sock.recv(100)
        assert host.give_sign()  # while the worker takes no more
        status = Path(f"/proc/{host.pid}/status").read_text()
        assert int(status.partition("VmRSS:")[2].split()[0]) < 150_000


def test_who_hangs_up_wants_no_more(start, tmp_path):
    mark = tmp_path / "closed"
    body = "    try:\n        while True:\n            yield 'x' * 100\n    finally:\n"
    body += f"        open({str(mark)!r}, 'w').close()\n"
    host = start('def app(environ, send_status):\n    send_status(20, "text/plain")\n' + body)
    with host.send("/") as sock:
        assert sock.recv(100)
    wait_for(mark.exists, "its body to be closed")


def test_it_gives_a_sign_of_life_while_the_application_computes(start):
    host = start("import time\n" + PLAIN + "time.sleep(60)\n")
    host.wait_for("ready")
    with host.send("/"):
        assert host.give_sign()


def test_it_gives_one_while_the_application_is_imported(start):
    assert start("import time; time.sleep(60)\n").give_sign()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ValueError('no')", "can't be loaded: ValueError: no"),
        ("raise SystemExit(3)", "can't be loaded: it ends the process (SystemExit: 3)"),
        ("app = 1", "can't be loaded: it can't be called: it is an int"),
    ],
)
def test_one_that_can_not_be_loaded_says_why(start, text, said):
    host = start(text)
    assert host.code() == ExitCode.APPLICATION
    line = host.wait_for("<3>app: the application mine:app ")
    assert said in line


def test_its_end_is_told_by_the_last_who_could_ask(start):
    host = start(ECHO)
    host.wait_for("ready")
    host.host.close()
    assert host.code() == ExitCode.OK


def test_it_answers_what_it_has_before_it_ends(start, tmp_path):
    gate = tmp_path / "gate"
    begun = tmp_path / "begun"
    wait = f"open({str(begun)!r}, 'w').close()\n    while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    host = start("import os, time\n" + PLAIN + wait + "    return 'done'\n")
    with host.send("/") as sock:
        wait_for(begun.exists, "the call to begin")
        host.end()
        gate.touch()
        assert read_answer(sock) == ("20 text/plain\r\ndone", DONE)
    assert host.code() == ExitCode.OK


def test_what_it_has_registered_for_its_end_runs(start, tmp_path):
    mark = tmp_path / "mark"
    host = start(f"import atexit\natexit.register(lambda: open({str(mark)!r}, 'w').close())\n" + ECHO)
    host.wait_for("ready")
    host.end()
    assert host.code() == ExitCode.OK
    assert mark.exists()


def test_one_that_is_being_imported_ends_with_its_master(start, tmp_path):
    mark = tmp_path / "mark"
    host = start(f"import time\nopen({str(mark)!r}, 'w').close()\ntime.sleep(600)\n")
    wait_for(mark.exists, "the import")
    host.hang_up()
    assert host.code() == ExitCode.OK


def test_code_that_does_not_come_back_keeps_no_process_that_nobody_asks(start, tmp_path):
    mark = tmp_path / "mark"
    text = f"import time\n{PLAIN}open({str(mark)!r}, 'w').close()\n    while True: time.sleep(0.1)\n"
    host = start(text)
    with host.send("/"):
        wait_for(mark.exists, "the call to begin")
    host.host.close()
    assert host.code(seconds=60) == ExitCode.OK


def test_one_that_can_not_be_loaded_ends_whatever_it_has_begun(start):
    host = start("import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n1 / 0\n")
    assert host.code() == ExitCode.APPLICATION


def test_what_does_not_end_by_itself_is_ended(start):
    text = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n"
    host = start(text + ECHO)
    host.wait_for("ready")
    host.end()
    assert host.code() == ExitCode.OK


def test_a_call_that_does_not_come_back_does_not_keep_it_from_ending(start):
    host = start("import time\n" + PLAIN + "time.sleep(600)\n", setup={"seconds": 0.2})
    assert host.ask()[0] == "42 The application took too long\r\n"
    host.end()
    assert host.code() == ExitCode.OK


def test_one_of_another_version_tells_its_master(start, monkeypatch):
    monkeypatch.setattr("gemd.__version__", "0.0.1")
    host = start(ECHO)
    assert host.code() == ExitCode.PRIVILEGES
    assert "has taken the place of 0.0.1: gemctl upgrade" in host.wait_for("<3>the application can't have a process")


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1"])
def test_signals_to_a_group_are_the_masters(start, number):
    host = start(ECHO)
    host.wait_for("ready")
    os.kill(host.pid, getattr(signal, number))
    assert host.ask()[1] == DONE


def test_what_it_starts_ignores_no_signal(start):
    call = "subprocess.check_output(['grep', 'SigIgn', '/proc/self/status'])"
    host = start("import subprocess\n" + PLAIN + f"return {call}\n")
    ignored = int(host.ask()[0].split()[-1], 16)
    assert not ignored & (1 << (signal.SIGTERM - 1) | 1 << (signal.SIGINT - 1))


def test_its_directory_and_its_environment_are_its_own(start, tmp_path):
    host = start(
        "import os\nHERE = os.getcwd()\n" + PLAIN + "return f\"{HERE} {os.environ['A']}\"\n",
        app_directory=str(tmp_path),
        app_env={"A": "b"},
    )
    assert host.ask()[0].endswith(f"{tmp_path} b")


def test_a_directory_that_is_not_there_is_named(start):
    host = start(ECHO, app_directory="/none_of_that_name")
    assert host.code() == ExitCode.PRIVILEGES
    assert "/none_of_that_name" in host.wait_for("<3>the application can't have a process")


def test_no_key_can_be_in_its_memory_and_nothing_is_inherited(start):
    host = start("import os\n" + PLAIN + "return ' '.join(sorted(os.listdir('/proc/self/fd'), key=int))\n")
    said = host.ask()[0].split("\r\n")[1].split()
    assert len(said) < 16
    assert said[:3] == ["0", "1", "2"]


@pytest.fixture
def nobody(tmp_path):
    """A user that may see what is below `tmp_path`."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path("/tmp"):
            break
        folder.chmod(folder.stat().st_mode | 0o055)
    return find_identity("nobody", None)


@need_root
def test_it_is_that_user_with_its_home(start, nobody):
    text = "import os\n" + PLAIN + "return f\"{os.getuid()} {os.environ['HOME']} {os.environ['USER']}\"\n"
    host = start(text, setup={"identity": nobody}, app_user="nobody")
    assert host.ask()[0].endswith(f"\r\n{nobody.uid} {nobody.home} nobody")


@need_root
def test_its_figures_are_told_where_it_is_shut_in_too(start, nobody, tmp_path):
    host = start(ECHO, setup={"identity": nobody, "chroot": str(tmp_path)}, app_path="/apps")
    figures = json.loads(host.wait_for("figures ").removeprefix("figures "))
    assert figures["memory"] > 0
    assert figures["descriptors"] > 0


def test_another_takes_its_place_after_so_many_requests(start):
    host = start(ECHO, setup={"max_requests": 2})
    for _ in range(2):
        host.ask()
    assert host.wait_for("leave ") == "leave has answered 2 requests"
    assert host.ask()[1] == DONE  # until there is another


def test_another_takes_its_place_when_it_has_too_much_memory(start):
    host = start(ECHO, setup={"max_memory": 1})
    assert "bytes of memory" in host.wait_for("leave ")


def test_another_takes_its_place_when_no_descriptor_is_left(start, tmp_path):
    mark = tmp_path / "mark"
    text = f"import os, threading, time\nLEFT = []\nMARK = open({str(mark)!r}, 'wb', buffering=0)\ndef leak():\n"
    text += "    while True:\n        try:\n            LEFT.append(os.dup(0))\n"
    text += "        except OSError:\n            MARK.write(b'x')\n            time.sleep(0.01)\n"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n    "
    host = start(text + PLAIN + limit + "threading.Thread(target=leak, daemon=True).start()\n    return 'x'\n")
    with host.send("/") as sock:
        assert read_answer(sock)[1] == DONE
        assert sock.recv(1) == b""  # closed there
    before = len(mark.read_bytes())
    wait_for(lambda: len(mark.read_bytes()) > before + 1, "a look since then that has found none left")
    with host.send("/later") as sock:
        assert host.wait_for("leave ") == "leave has no descriptor left"
        host.end()
        host.code()
        start(ECHO, host=host.host)
        assert read_answer(sock)[1] == DONE  # it was left to the next one


def test_its_figures_are_told(start):
    host = start(ECHO)
    for _ in range(3):
        host.ask()
    wait_for(lambda: any('"requests": 3' in line for line in host.hear()), "the figures")
    (line,) = [line for line in host.lines if '"requests": 3' in line]
    assert '"active": 0' in line


def test_a_change_of_its_files_is_told(start, write):
    write("part", "")
    host = start("import part\n" + ECHO, setup={"watches": True})
    host.wait_for("figures")  # it has looked
    path = write("part", "X = 1\n")
    assert host.wait_for("changed") == "changed"
    assert host.wait_for("<6>") == f"<6>{path} has changed: reloading"


def test_one_client_does_not_have_all_that_wait(start):
    host = start("import time\n" + PLAIN + "time.sleep(60)\n")
    host.wait_for("ready")
    sockets = [host.send("/") for _ in range(130)]
    assert read_answer(sockets[-1]) == ("", End(0, ProtocolStatus.OVERLOADED))
    for sock in sockets:
        sock.close()


def test_one_that_takes_too_long_is_42(start):
    host = start("import time\n" + PLAIN + "time.sleep(60)\n", setup={"seconds": 0.3})
    assert host.ask() == ("42 The application took too long\r\n", DONE)
    host.wait_for("<3>the application mine:app did not answer in time (timeouts.app)")
    assert host.wait_for("leave ") == "leave has a thread that does not come back"


def test_what_matters_less_than_is_logged_is_not_said(start):
    host = start(PLAIN + "raise ValueError\n", setup={"level": Level.ERROR})
    host.ask()
    host.wait_for("<3>")
    assert not [line for line in host.lines if line.startswith(("<4>", "<6>", "<7>"))]


def test_what_is_no_request_is_an_error_of_its_own(start):
    host = start(ECHO)
    for request in (b"HTTP/1.1 200 OK\r\n", b"\x01\x09\0\1" + bytes(4)):
        with host.process.hand_over(request) as sock:
            sock.settimeout(15)
            read_answer(sock)
    assert host.ask()[1] == DONE


def test_what_ends_its_main_thread_is_told_of(start):
    text = "import os, signal, threading\ndef fail(*_): raise TimeoutError('no')\nsignal.signal(signal.SIGALRM, fail)\n"
    host = start(text + PLAIN + "signal.setitimer(signal.ITIMER_REAL, 0.05)\n    return 'armed'\n")
    assert host.ask()[0].endswith("armed")
    assert host.code() == ExitCode.INTERNAL
    host.wait_for("<3>the application mine:app has ended its process")
    host.wait_for("<3+>TimeoutError: no")
