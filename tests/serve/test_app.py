"""Python applications in the real daemon."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import need_root

from .certificates import make_certificate
from .conftest import AS_ROOT, is_alive, read_answer, wait_for

EXAMPLES = Path(__file__).parents[2] / "examples"
APP = """{more}
[tls]
certificates = "{tmp}/certificates"
[[host]]
name = "localhost"
app = "{app}"
app-path = "{tmp}/apps"
"""

BASIC = """
import json, os, sqlite3, threading, time
THREAD = threading.get_ident()
DATABASE = sqlite3.connect(":memory:")
COUNT = [0]
INSIDE = [0]

def app(environ, send_status):
    path = environ["GEMINI_URL"].partition("localhost")[2].partition("/")[2].partition("?")[0]
    return globals().get("do_" + path, do_)(environ, send_status)

def do_(environ, send_status):
    send_status(20, "text/plain")
    return ["ok"]

def do_environ(environ, send_status):
    send_status(20, "application/json")
    return json.dumps({key: [type(value).__name__, str(value)] for key, value in environ.items()})

def do_twice(environ, send_status):
    send_status(20, "text/plain")
    send_status(51, "None here")

def do_boom(environ, send_status):
    send_status(20, "text/plain")
    raise ValueError("before")

def do_late(environ, send_status):
    send_status(20, "text/plain")
    yield "begun"
    time.sleep(0.3)
    raise ValueError("after")

def do_silent(environ, send_status):
    return None

class Deferred:
    def addCallback(self, function): pass

def do_deferred(environ, send_status):
    send_status(20, "text/plain")
    yield Deferred()

def do_ticks(environ, send_status):
    send_status(20, "text/plain")
    for number in range(4):
        yield f"tick {number}\\n"
        time.sleep(0.4)

def do_endless(environ, send_status):
    send_status(20, "text/plain")
    try:
        while True:
            yield "x\\n"
            time.sleep(0.1)
    finally:
        with open(os.environ["TRACE"], "a") as file:
            file.write("closed\\n")

def do_hang(environ, send_status):
    while True:
        time.sleep(1)

def do_pid(environ, send_status):
    send_status(20, "text/plain")
    return str(os.getpid())

def do_thread(environ, send_status):
    send_status(20, "text/plain")
    DATABASE.execute("SELECT 1")
    return str(threading.get_ident() == THREAD)

def do_inside(environ, send_status):
    INSIDE[0] += 1
    most = INSIDE[0]
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        most = max(most, INSIDE[0])
        time.sleep(0.01)
    INSIDE[0] -= 1
    send_status(20, "text/plain")
    return str(most)

def do_large(environ, send_status):
    send_status(20, "application/octet-stream")
    for number in range(64):
        yield bytes([number]) * 65_536

LEAK = []
def do_leak(environ, send_status):
    LEAK.append(b"x" * 100_000_000)
    send_status(20, "text/plain")
    return "leaked"
"""


@pytest.fixture
def write(tmp_path):
    """Write a module of an application; the path of the folder."""

    def write(name, text):
        path, new = tmp_path / "apps" / name, tmp_path / "new-module"
        path.parent.mkdir(exist_ok=True)
        new.write_text(text)
        new.replace(path)  # whoever reads it reads all of it
        return path.parent

    return write


@pytest.fixture
def serve_app(start, write, capsule, tmp_path):
    """Serve an application by a configuration: so many workers, tables, and keys of the host."""

    def serve_it(app="basic:app", *, workers=2, more="", keys="", **options):
        write("basic.py", BASIC)
        top = f'listen = ["127.0.0.1:0"]\nworkers = {workers}\n{more}'
        keys += f'app-env = {{ TRACE = "{tmp_path}/trace" }}\n'
        text = APP.replace("{more}", top).replace("{app}", app).replace("{tmp}", str(tmp_path)) + keys
        (tmp_path / "gemd.conf").write_text(text)
        daemon = start("-c", tmp_path / "gemd.conf", **options)

        def listening():
            assert daemon.process.poll() is None, daemon.errors
            return re.search(r"listening on 127\.0\.0\.1:(\d+)", daemon.errors)

        daemon.port = int(wait_for(listening, "gemd to listen")[1])
        wait_for(lambda: len(daemon.workers) >= workers, "its workers")
        return daemon

    return serve_it


def reload_and_wait(daemon, words="reloaded: "):
    before = daemon.errors.count(words)
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: daemon.errors.count(words) > before, words)


TYPES = {
    "GEMINI_URL": "str",
    "HOSTNAME": "str",
    "QUERY_STRING": "str",
    "REMOTE_ADDR": "str",
    "REMOTE_HOST": "str",
    "SERVER_NAME": "str",
    "SERVER_PORT": "int",
    "SERVER_PROTOCOL": "str",
    "SERVER_SOFTWARE": "str",
    "TLS_CIPHER": "str",
    "TLS_VERSION": "str",
    "client_certificate": "NoneType",
    "gemd.location": "str",
}
CERTIFICATE_TYPES = {
    "client_certificate": "Certificate",
    "AUTH_TYPE": "str",
    "REMOTE_USER": "str",
    "TLS_CLIENT_AUTHORISED": "int",
    "TLS_CLIENT_HASH": "str",
    "TLS_CLIENT_HASH_B64": "str",
    "TLS_CLIENT_NOT_AFTER": "str",
    "TLS_CLIENT_NOT_BEFORE": "str",
    "TLS_CLIENT_SERIAL_NUMBER": "int",
}


def test_the_environ_has_jetforces_types(serve_app, tmp_path):
    daemon = serve_app()
    environ = json.loads(daemon.ask("/environ?a%20b").text)
    assert {key: kind for key, (kind, _) in environ.items()} == TYPES
    values = {key: value for key, (_, value) in environ.items()}
    assert values["GEMINI_URL"] == daemon.url("/environ?a%20b")
    assert (values["QUERY_STRING"], values["SERVER_PORT"]) == ("a%20b", str(daemon.port))
    assert (values["REMOTE_ADDR"], values["TLS_VERSION"]) == ("127.0.0.1", "TLSv1.3")
    make_certificate(tmp_path / "ada.pem", "Ada")
    environ = json.loads(daemon.ask("/environ", cert=tmp_path / "ada.pem").text)
    assert {key: kind for key, (kind, _) in environ.items()} == TYPES | CERTIFICATE_TYPES
    assert environ["REMOTE_USER"][1] == "Ada"
    assert environ["TLS_CLIENT_SERIAL_NUMBER"][1] == "4711"


def test_the_contract(serve_app):
    daemon = serve_app()
    daemon.expect("the application basic:app failed", "broke off", "Traceback", "Error")
    assert daemon.ask("/").text == "ok"
    assert daemon.ask("/twice").header == "51 None here"
    for path in ("/boom", "/silent", "/deferred"):
        answer = daemon.ask(path)
        assert (answer.header, answer.complete) == ("42 An unexpected error occurred", True), path
    answer = daemon.ask("/late")
    assert (answer.header, answer.text, answer.complete) == ("20 text/plain", "begun", False)
    assert "ValueError: before" in daemon.errors
    assert "never called send_status" in daemon.errors
    assert "a Deferred (there is no reactor here" in daemon.errors
    wait_for(lambda: "ValueError: after" in daemon.errors, "the second traceback")
    answer = daemon.ask("/large")
    assert answer.complete
    assert answer.body == b"".join(bytes([number]) * 65_536 for number in range(64))


FORGING = """
from urllib.parse import unquote
def app(environ, send_status):
    error = ValueError(unquote(environ["QUERY_STRING"]))
    error.add_note(unquote(environ["QUERY_STRING"]))
    raise error
"""


def test_what_a_client_sends_forges_no_line_of_a_log(serve_app, write, tmp_path):
    write("forging.py", FORGING)
    with pytest.warns(UserWarning, match="length"):
        make_certificate(tmp_path / "long.pem", "x" * 7_000)
    daemon = serve_app("forging:app")
    daemon.expect("the application forging:app failed", "Traceback", "ValueError", "forged")
    fake = "a%0A2026-01-31%2012:00:00%20gemd%5B1%5D%20error:%20forged%1B%5B2J%E2%80%AE"
    assert daemon.ask(f"/?{fake}", cert=tmp_path / "long.pem").status == 42
    lines = daemon.errors.splitlines()
    assert [line for line in lines if line.startswith("2026-01-31")] == []
    assert "ValueError: a\\x0a2026-01-31 12:00:00 gemd[1] error: forged\\x1b[2J\\u202e" in lines
    assert all(line.isprintable() for line in lines)
    (entry,) = wait_for(lambda: [line for line in daemon.access if "forged" in line], "its line")
    assert "x" * 61 + "..." in entry
    assert f'/?{fake}" 42 ' in entry


def test_a_stream_comes_as_it_is_made(serve_app):
    daemon = serve_app(keys="app-threads = 2\n")
    answer = daemon.ask("/ticks")
    assert answer.text == "".join(f"tick {number}\n" for number in range(4))
    assert answer.complete
    # On a loaded machine pieces come late, never early; the first must not wait for the others.
    assert len(answer.times) >= 3
    assert answer.times[-1] - answer.times[0] > 0.6


def test_a_stream_does_not_keep_others_waiting_for_its_end(serve_app):
    daemon = serve_app(workers=1)
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/endless").encode() + b"\r\n")
        assert tls.recv(100)
        for _ in range(3):
            assert daemon.ask("/").text == "ok"
        assert tls.recv(100)


def test_an_endless_stream_ends_with_its_client(serve_app, tmp_path):
    daemon = serve_app()
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/endless").encode() + b"\r\n")
        assert tls.recv(100)
    wait_for((tmp_path / "trace").exists, "the application to clean up")


def test_the_end_of_the_service_ends_endless_streams(serve_app, tmp_path):
    daemon = serve_app(more="[timeouts]\nstop = 3\n")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/endless").encode() + b"\r\n")
        assert tls.recv(100)
        assert daemon.stop() == 0
        assert not read_answer(tls).complete
    assert (tmp_path / "trace").read_text() == "closed\n"
    assert "killing" not in daemon.errors


def test_a_reload_ends_endless_streams_of_the_old_workers(serve_app, tmp_path):
    daemon = serve_app(more="[timeouts]\nstop = 2\n")
    old = daemon.workers
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/endless").encode() + b"\r\n")
        assert tls.recv(100)
        reload_and_wait(daemon)
        assert not read_answer(tls).complete
    wait_for(lambda: not any(map(is_alive, old)), "the old workers to leave")


def test_what_does_not_come_back_costs_its_worker(serve_app):
    daemon = serve_app(more="[timeouts]\napp = 0.5\nstop = 2\n")
    daemon.expect(r"did not answer in time \(timeouts.app\)")
    first = daemon.workers
    answer = daemon.ask("/hang")
    assert answer.header == "42 The application took too long"
    wait_for(lambda: "does not come back; another follows" in daemon.errors, "the worker to be recycled")
    wait_for(lambda: len(set(daemon.workers) - set(first)) == 1, "another worker")
    wait_for(lambda: sum(map(is_alive, first)) == 1, "the worker to leave")
    for _ in range(10):
        assert daemon.ask("/").text == "ok"


def test_others_are_served_meanwhile(serve_app):
    daemon = serve_app(workers=1, more="[timeouts]\napp = 1\nstop = 2\n", keys="app-threads = 2\n")
    daemon.expect(r"did not answer in time \(timeouts.app\)")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/hang").encode() + b"\r\n")
        for _ in range(10):
            assert daemon.ask("/").text == "ok"
        assert read_answer(tls).status == 42


def ask_at_once(daemon, path, count):
    """The answers to so many requests that are there together."""
    connections = [daemon.tls() for _ in range(count)]
    try:
        for tls in connections:
            tls.sendall(daemon.url(path).encode() + b"\r\n")
        return [read_answer(tls).text for tls in connections]
    finally:
        for tls in connections:
            tls.close()


def test_one_thread_at_a_time_and_always_the_same(serve_app):
    daemon = serve_app(workers=1)
    assert ask_at_once(daemon, "/inside", 4) == ["1"] * 4
    assert ask_at_once(daemon, "/thread", 4) == ["True"] * 4


def test_several_threads(serve_app):
    daemon = serve_app(workers=1, keys="app-threads = 4\n")
    assert max(map(int, ask_at_once(daemon, "/inside", 4))) > 1


def test_what_can_not_be_imported_ends_the_start(start, write, tmp_path):
    write("broken.py", "1 / 0\n")
    (tmp_path / "gemd.conf").write_text(
        APP.replace("{more}", "").replace("{app}", "broken:app").replace("{tmp}", str(tmp_path))
    )
    flags = ("-c", tmp_path / "gemd.conf", "--host", "127.0.0.1", "--port", "0")
    daemon = start(*flags)
    daemon.expect("can't be loaded", "Traceback", "ZeroDivisionError", "ended with exit code 8")
    assert daemon.process.wait(30) == 8
    assert "host[1].app: the application broken:app can't be loaded: ZeroDivisionError" in daemon.errors
    assert 'broken.py", line 1, in <module>' in daemon.errors


PAGE = 'def app(environ, send_status):\n    send_status(20, "text/plain")\n    return "{text}"\n'


@pytest.mark.parametrize("keys", ["", "preload = true\n"])
def test_a_reload_loads_new_code_and_a_broken_one_changes_nothing(serve_app, write, keys):
    write("page.py", PAGE.replace("{text}", "one"))
    daemon = serve_app("page:app", keys=keys)
    daemon.expect("can't be loaded", "Traceback", "SyntaxError", "ended with exit code 8", "not reloaded")
    assert daemon.ask("/").text == "one"
    write("page.py", PAGE.replace("{text}", "two, longer"))
    reload_and_wait(daemon)
    wait_for(lambda: daemon.ask("/").text == "two, longer", "the new code")
    write("page.py", "def app(:\n")
    reload_and_wait(daemon, "not reloaded: ")
    assert daemon.ask("/").text == "two, longer"
    write("page.py", PAGE.replace("{text}", "three"))
    reload_and_wait(daemon)
    wait_for(lambda: daemon.ask("/").text == "three", "the mended code")


def test_a_factory_with_environment_and_options(serve_app, write):
    write(
        "made.py",
        "import os\nHOME = os.environ['TRACE']\n"
        "def make(word, how_often=1):\n"
        "    def app(environ, send_status):\n"
        "        send_status(20, 'text/plain')\n        return [HOME.rpartition('/')[2], word * how_often]\n"
        "    return app\n",
    )
    daemon = serve_app("made:make()", keys='app-options = { word = "hi", how-often = 2 }\n')
    assert daemon.ask("/").text == "tracehihi"


def test_a_preloaded_application_shares_what_it_made(serve_app, write):
    shutil.copy(EXAMPLES / "counter.py", write("x.py", ""))
    daemon = serve_app("counter:app", keys="preload = true\n")
    numbers = [int(re.search(r"number (\d+)", daemon.ask("/").text)[1]) for _ in range(20)]
    assert numbers == list(range(1, 21))


def test_a_leak_is_answered_with_another_worker(serve_app, tmp_path):
    look_more_often = "import gemd.processes.worker\ngemd.processes.worker._MEMORY_INTERVAL = 0.1\n"
    (tmp_path / "sitecustomize.py").write_text(look_more_often)
    daemon = serve_app(more="max-memory = 80_000_000\n", env={"PYTHONPATH": str(tmp_path)})
    first = set(daemon.workers)
    for _ in range(8):
        assert daemon.ask("/leak").text == "leaked"
    wait_for(lambda: "bytes of memory; another follows" in daemon.errors, "a worker to be recycled", 30)
    wait_for(lambda: not first <= set(daemon.workers), "another worker")


# The command line


@pytest.fixture
def serve_by_flags(start, write):
    def serve_it(*flags):
        folder = write("page.py", PAGE.replace("{text}", "one"))
        return start("--app", "page:app", "--port", "0", *flags, cwd=folder).wait_until_ready()

    return serve_it


def test_an_application_by_a_flag(serve_by_flags):
    daemon = serve_by_flags()
    assert daemon.ask("/whatever").text == "one"


TOLD_APART = """
import os

def app(environ, send_status):
    send_status(20, "text/plain")
    return f"{text} {os.getpid()}"
"""


def wait_for_text(daemon, text):
    """Until every worker that serves answers so."""

    def is_everywhere():
        answers = [daemon.ask("/").text.rpartition(" ") for _ in range(8)]
        return {answer[0] for answer in answers} == {text} and len({answer[2] for answer in answers}) == 2

    wait_for(is_everywhere, f"{text!r} from both workers", 30)


def test_it_is_reloaded_when_its_files_change(start, write):
    folder = write("page.py", TOLD_APART.replace("{text}", "one"))
    daemon = start("--app", "page:app", "--port", "0", "--workers", "2", "--reload", cwd=folder).wait_until_ready()
    daemon.expect("can't be loaded", "Traceback", "NameError", "ended with exit code 8", "not reloaded")
    wait_for_text(daemon, "one")
    write("page.py", TOLD_APART.replace("{text}", "two, longer"))
    wait_for_text(daemon, "two, longer")
    assert "page.py has changed: reloading" in daemon.errors
    wait_for(lambda: "reloaded: generation 2" in daemon.errors, "all of its workers")
    write("page.py", "nonsense\n")
    wait_for(lambda: "not reloaded: " in daemon.errors, "the broken file to be reported", 30)
    wait_for_text(daemon, "two, longer")
    write("other.py", "TEXT = 'three'\n")
    write("page.py", "from other import TEXT\n" + TOLD_APART.replace("{text}", "{TEXT}"))
    wait_for_text(daemon, "three")


SLOW_TO_LOAD = """
import os, sys, time

print("importing", flush=True, file=sys.stderr)
while not os.path.exists("{gate}"):
    time.sleep(0.01)

"""


def test_a_change_while_it_is_imported_is_not_missed(start, write, tmp_path):
    gate = tmp_path / "gate"
    folder = write("page.py", SLOW_TO_LOAD.replace("{gate}", str(gate)) + TOLD_APART.replace("{text}", "one"))
    daemon = start("--app", "page:app", "--port", "0", "--workers", "2", "--reload", cwd=folder)
    wait_for(lambda: daemon.errors.count("importing\n") == 2, "both workers to have read the file")
    write("page.py", TOLD_APART.replace("{text}", "two"))
    gate.touch()
    daemon.wait_until_ready()
    wait_for_text(daemon, "two")
    assert "page.py has changed: reloading" in daemon.errors


def check(*arguments, cwd):
    command = [sys.executable, "-m", "gemd", "-t", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_the_configuration_test_loads_applications(write, tmp_path):
    folder = write("page.py", PAGE)
    write("broken.py", "1 / 0\n")
    good = check("--app", "page:app", *AS_ROOT, cwd=folder)
    assert (good.returncode, good.stderr) == (0, "gemd: the configuration by flags is in order\n")
    missing = check("--app", "nowhere:app", *AS_ROOT, cwd=folder)
    assert missing.returncode == 8
    assert missing.stderr == (
        "gemd: host[1].app: the application nowhere:app can't be loaded: "
        "ModuleNotFoundError(\"No module named 'nowhere'\")\n"
    )
    broken = check("--app", "broken:app", *AS_ROOT, cwd=folder)
    assert broken.returncode == 8
    assert 'broken.py", line 1' in broken.stderr


@need_root
def test_root_does_not_load_the_applications_of_another_user(write):
    folder = write("broken.py", "1 / 0\n")
    result = check("--app", "broken:app", "--user", "nobody", cwd=folder)
    assert result.returncode == 0
    assert "not loaded as root" in result.stderr


# Real applications


@pytest.fixture
def serve_example(serve_app, write):
    def serve_it(name, app="app", **options):
        shutil.copy(EXAMPLES / f"{name}.py", write("x.py", ""))
        return serve_app(f"{name}:{app}", **options)

    return serve_it


def test_a_guestbook_of_all_workers(serve_example, tmp_path):
    path = tmp_path / "guestbook.sqlite"
    daemon = serve_example("guestbook", "build()", keys=f'app-options = {{ database = "{path}" }}\n')
    assert daemon.ask("/guestbook/sign?Hello").status == 60
    make_certificate(tmp_path / "ada.pem", "Ada")
    for number in range(10):
        assert daemon.ask(f"/guestbook/sign?Hello%20{number}", cert=tmp_path / "ada.pem").header == "30 /guestbook"
    text = daemon.ask("/guestbook").text
    assert [f"> Hello {number}" in text for number in range(10)] == [True] * 10
    assert ", Ada" in text
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM entry").fetchone() == (10,)
    database.close()


def test_a_rate_limit_over_all_workers(serve_example):
    daemon = serve_example("rate_limit", workers=4)
    answers = [daemon.ask("/dice") for _ in range(12)]
    assert sorted(answer.status for answer in answers) == [20] * 3 + [44] * 9
    assert re.fullmatch(r"Rate limit exceeded, wait \d+ seconds\.", answers[-1].meta)
    reload_and_wait(daemon)
    assert daemon.ask("/dice").status == 44  # a reload forgives nobody


def test_several_hosts(serve_example):
    daemon = serve_example("vhost", keys='aliases = ["apples.example", "pears.example"]\n')
    assert daemon.ask("/", host="apples.example", name="apples.example").text == "# Apples\n"
    assert daemon.ask("/", host="pears.example", name="pears.example").text == "# Pears\n"
    assert daemon.ask("/").text == "# No fruit at localhost\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def test_a_program_that_serves_itself(tmp_path):
    port = free_port()
    user = ', user="root"' if os.geteuid() == 0 else ""
    (tmp_path / "program.py").write_text(
        "import os\nimport part\nfrom gemd.app import Application, GeminiServer, Response\napp = Application()\n"
        "PID = os.getpid()\npart.word = 'same'\n"
        "@app.route('/(?P<name>.*)')\n"
        "def hello(request, name):\n    from part import word\n"
        "    return Response(20, 'text/plain', f'{name} {word} {PID == os.getppid()}')\n"
        f"GeminiServer(app, port={port}{user}).run()\nprint('over')\n"
    )
    (tmp_path / "part.py").write_text("word = 'other'\n")
    log = (tmp_path / "log").open("wb")
    program = subprocess.Popen(
        [sys.executable, tmp_path / "program.py"],
        stdout=log,
        stderr=log,
        cwd=tmp_path,
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path)},
    )
    log.close()
    try:
        text = (tmp_path / "log").read_text
        wait_for(lambda: "listening on" in text(), "it to listen")
        from .conftest import Daemon

        client = Daemon.__new__(Daemon)
        client.port = port
        assert client.ask("/x").text == "x same True"
        program.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded: generation 2" in text(), "the reload")
        assert client.ask("/x").text == "x same True"
    finally:
        program.terminate()
        code = program.wait(15)
    assert code == 0
    assert text().endswith("over\n")


def test_an_application_of_jetforces_own_classes(serve_app, write, tmp_path):
    from ..app.conftest import load_jetforce

    load_jetforce()
    write(
        "theirs.py",
        "from jetforce import JetforceApplication, RateLimiter, Response, Status, StaticDirectoryApplication\n"
        "from jetforce import CompositeApplication\n"
        "limit = RateLimiter('1/h')\n"
        "hello = JetforceApplication()\n"
        "@hello.route('/user/(?P<name>[a-z]+)')\n"
        "def user(request, name):\n"
        "    return Response(Status.SUCCESS, 'text/plain', [name, ' ', request.query])\n"
        "@hello.route('/few')\n@limit.apply\n"
        "def few(request):\n    return Response(Status.SUCCESS, 'text/plain', 'few')\n"
        f"files = StaticDirectoryApplication({str(tmp_path / 'capsule')!r})\n"
        "app = CompositeApplication({'localhost': hello, 'files.example': files})\n",
    )
    script = tmp_path / "capsule" / "cgi-bin" / "script"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\necho 20 text/plain\n")
    script.chmod(0o755)
    daemon = serve_app("theirs:app", workers=1, keys='aliases = ["files.example"]\n')
    daemon.expect("Deferred", "Traceback", "the application theirs:app failed")
    assert daemon.ask("/user/ada?a%20b").text == "ada a b"
    assert [daemon.ask("/few").status for _ in range(2)] == [20, 44]
    assert daemon.ask("/none").header == "50 Not Found"
    there = {"host": "files.example", "name": "files.example"}
    assert daemon.ask("/index.gmi", **there).text == "# A capsule\n"
    assert daemon.ask("/none", **there).status == 51
    assert daemon.ask("/cgi-bin/script", **there).status == 42  # its scripts need a reactor
    wait_for(lambda: "a Deferred (there is no reactor here" in daemon.errors, "the reason")
