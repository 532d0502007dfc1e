"""Which applications have a process of their own."""

import contextlib
import os
import signal
import time

import pytest

from gemd.responders.app.load import AppLoadError
from gemd.startup import trials
from gemd.startup.app_setups import build_app_setups
from gemd.startup.trials import describe_processes, try_applications
from gemd.system.attempt import report_attempts
from tests.support.processes import is_alive
from tests.support.waiting import wait_for


@pytest.fixture
def try_them(configure):
    """Try the applications of these hosts."""

    def try_them(*hosts, tries_all=False):
        config = configure(host=[{"name": f"h{nr}.example", **keys} for nr, keys in enumerate(hosts, 1)])
        return try_applications(config, build_app_setups(config, {}, None, None), tries_all=tries_all)

    return try_them


@pytest.fixture
def write(tmp_path):
    """Write a module, and have the keys for its application."""

    def write(path, text="", **keys):
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text + "\ndef app(environ, send_status): pass\n")
        return {"app": f"{file.stem}:app", "app-path": str(file.parent), **keys}

    return write


def test_one_that_says_nothing_runs_in_the_workers(try_them, write):
    assert try_them(write("a/one.py")) == ()


def test_one_that_is_written_with_jetforce_has_its_own(try_them, write):
    write("a/jetforce.py")
    assert try_them(write("a/one.py", "import jetforce")) == ("host[1].app",)


def test_one_that_takes_signals_has_its_own(try_them, write):
    text = "import signal\nsignal.signal(signal.SIGALRM, lambda *_: None)"
    assert try_them(write("a/one.py", text)) == ("host[1].app",)


def test_a_key_wins(try_them, write):
    write("a/jetforce.py")
    theirs = write("a/one.py", "import jetforce")
    assert try_them({**theirs, "app-process": False}) == ()
    assert try_them(write("a/two.py", **{"app-process": True})) == ("host[1].app",)


def test_one_that_has_its_own_in_any_case_is_not_tried_for_nothing(try_them, write):
    broken = write("a/one.py", "raise KeyError('no')", **{"app-process": True})
    assert try_them(broken) == ("host[1].app",)
    with pytest.raises(AppLoadError, match="KeyError"):
        try_them(broken, tries_all=True)


def test_one_that_master_loads_stays_with_the_workers(try_them, write):
    write("a/jetforce.py")
    assert try_them(write("a/one.py", "import jetforce", preload=True)) == ()


def test_two_with_modules_of_one_name_are_apart(try_them, write):
    write("a/config.py", "X = 1")
    write("b/config.py", "X = 2")
    first, second = write("a/one.py", "import config"), write("b/two.py", "import config")
    third = write("c/three.py")
    assert try_them(first, second, third) == ("host[1].app", "host[2].app")
    assert try_them({**first, "app-process": False}, second) == ("host[2].app",)


def test_two_of_one_name_are_apart(try_them, write):
    assert try_them(write("a/app.py"), write("b/app.py")) == ("host[1].app", "host[2].app")


def test_two_with_a_module_in_common_are_not(try_them, write):
    write("a/config.py")
    first, second = write("a/one.py", "import config"), write("a/two.py", "import config")
    assert try_them(first, second) == ()


def test_two_with_modules_of_one_name_that_must_not_be_apart_are_refused(try_them, write, tmp_path):
    hosts = [write(f"{name}/app.py", **{"app-process": False}) for name in "ab"]
    with pytest.raises(AppLoadError) as caught:
        try_them(*hosts)
    files = f"{tmp_path}/a/app.py and {tmp_path}/b/app.py"
    assert str(caught.value) == (
        f"host[2].app: can't be in one process with app:app (h1.example) (both have a module app: {files}): "
        "set app-process = true for one of them"
    )


@pytest.mark.parametrize(
    ("keys", "others"),
    [
        ({"app-env": {"A": "b", "C": "d"}}, {"app-env": {"A": "c"}}),
        ({"app-directory": "/tmp"}, {"app-directory": "/"}),
        ({"app-directory": "/tmp"}, {}),
    ],
)
def test_two_that_find_something_else_in_their_process_are_apart(try_them, write, keys, others):
    assert try_them(write("a/one.py", **keys), write("a/two.py", **others)) == ("host[1].app", "host[2].app")


def test_two_with_the_same_environment_are_not(try_them, write):
    environment = {"app-env": {"A": "b"}}
    assert try_them(write("a/one.py", **environment), write("a/two.py", **environment)) == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise ValueError('no')", "ValueError: no"),
        ("import none_of_that_name", "No module named 'none_of_that_name'"),
        ("raise SystemExit(3)", "it ends the process (SystemExit: 3)"),
        ("import os; os._exit(3)", "its process ended with exit code 3 before it was imported"),
        ("import os, signal; os.kill(os.getpid(), 9)", "its process was killed by SIGKILL before it was imported"),
        ("import os; os.closerange(3, 100); os._exit(0)", "its process ended with exit code 0 before it was imported"),
    ],
)
def test_one_that_can_not_be_loaded_is_named(try_them, write, text, reason):
    with pytest.raises(AppLoadError) as caught:
        try_them(write("a/one.py", text))
    assert str(caught.value).startswith("host[1].app: the application one:app can't be loaded: ")
    assert reason in str(caught.value)


def test_where_its_own_code_raised_is_told(try_them, write):
    keys = write("a/one.py", "import two")
    write("a/two.py", "1 / 0")
    with pytest.raises(AppLoadError) as caught:
        try_them(keys)
    assert [line.strip() for line in caught.value.trace() if "File" in line] == [
        f'File "{keys["app-path"]}/one.py", line 1, in <module>',
        f'File "{keys["app-path"]}/two.py", line 1, in <module>',
    ]


def test_what_it_prints_is_no_answer(try_them, write, capfd):
    assert try_them(write("a/one.py", "print('hello')\nimport sys; sys.stdout.flush()")) == ()
    assert capfd.readouterr().out == "hello\n"


def test_its_environment_and_its_directory_are_its_own(try_them, write, tmp_path):
    text = f"import os\nassert os.environ['A'] == 'b'\nassert os.getcwd() == {str(tmp_path)!r}"
    assert try_them(write("a/one.py", text, **{"app-env": {"A": "b"}, "app-directory": str(tmp_path)})) == ()
    assert "A" not in os.environ


def test_a_directory_that_is_not_there_is_named(try_them, write):
    with pytest.raises(AppLoadError, match="/none_of_that_name"):
        try_them(write("a/one.py", **{"app-directory": "/none_of_that_name"}))


def test_what_is_being_tried_can_be_told(try_them, write, monkeypatch):
    heard = []
    report_attempts(heard.append)
    try:
        try_them(write("a/one.py"))
    finally:
        report_attempts(None)
    assert "the application one:app could not be loaded" in heard


def test_its_threads_and_its_last_wishes_keep_nobody_waiting(try_them, write):
    text = "import atexit, threading, time\natexit.register(time.sleep, 60)\n"
    began = time.monotonic()
    try_them(write("a/one.py", text + "threading.Thread(target=time.sleep, args=(60,)).start()"))
    assert time.monotonic() - began < 30


def test_one_for_the_workers_is_tried_as_there(try_them, write):
    text = "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)"
    assert try_them(write("a/one.py", text, **{"app-process": True}), tries_all=True) == ("host[1].app",)
    with pytest.raises(AppLoadError, match=r"only works in main thread.*app-process = true"):
        try_them(write("b/two.py", text, **{"app-process": False}), tries_all=True)


def test_one_that_is_never_imported_ends_with_who_tries_it(try_them, write, tmp_path):
    note = tmp_path / "pid"
    text = f"import os, time\nwith open({str(note)!r}, 'w') as file:\n    print(os.getpid(), file=file)\n"
    keys = write("a/one.py", text + "time.sleep(600)")
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            try_them(keys)
        os._exit(99)
    trial = int(wait_for(lambda: note.exists() and note.read_text().endswith("\n") and note.read_text(), "its import"))
    try:
        assert is_alive(trial)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        wait_for(lambda: not is_alive(trial), "its end")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(trial, signal.SIGKILL)


def test_no_descriptor_is_left(try_them, write, monkeypatch):
    keys = write("a/one.py")
    try_them(keys)
    before = len(os.listdir("/proc/self/fd"))
    try_them(keys)
    monkeypatch.setattr(trials.sys, "executable", "/none_of_that_name")
    with pytest.raises(AppLoadError, match="/none_of_that_name can't be executed: No such file"):
        try_them(keys)
    assert len(os.listdir("/proc/self/fd")) == before


def test_where_each_runs_is_said(configure):
    config = configure(host=[{"name": "a", "app": "m:app"}, {"name": "b", "app": "n:app"}])
    assert list(describe_processes(config, ["host[2].app"])) == [
        "the application m:app (a) runs in each worker",
        "the application n:app (b) has a process of its own",
    ]


FORKING = """
import os, time
child = os.fork()
if child == 0:
    time.sleep(600)
open({path!r}, "w").write(str(child))
"""


def test_what_an_import_has_forked_keeps_nobody_waiting_and_ends(try_them, write, tmp_path):
    path = tmp_path / "child"
    began = time.monotonic()
    assert try_them(write("a/one.py", FORKING.format(path=str(path)))) == ()
    assert time.monotonic() - began < 60
    wait_for(lambda: not is_alive(int(path.read_text())), "its end")


def test_an_import_that_hangs_ends_with_who_tried_it(try_them, write, tmp_path):
    path = tmp_path / "pid"
    keys = write("a/one.py", f"import os, time\nopen({str(path)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)")
    pid = os.fork()
    if pid == 0:
        try:
            try_them(keys)
        finally:
            os._exit(1)
    try:
        wait_for(lambda: path.exists() and path.read_text(), "the import")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    wait_for(lambda: not is_alive(int(path.read_text())), "its end")


def test_one_of_another_version_says_so(try_them, write, monkeypatch):
    keys = write("a/one.py")
    monkeypatch.setattr("gemd.__version__", "0.0.1")
    with pytest.raises(AppLoadError, match=r"has taken the place of 0\.0\.1: gemctl upgrade"):
        try_them(keys)


def test_what_nobody_can_read_is_no_result(try_them, write):
    text = "import os, sys\nout = int(sys.argv[2])\nwhile True: os.write(out, b'[' * 65536)"
    with pytest.raises(AppLoadError, match="before it was imported"):
        try_them(write("a/one.py", text))
