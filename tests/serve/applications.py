"""The application that most stories ask, and how it is served."""

import re
from pathlib import Path

import pytest

from .conftest import wait_for

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
    def addCallbacks(self, *functions): pass
    def __await__(self): yield

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
