"""The examples, and applications as others write them."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest

from tests.support.processes import free_port

from .applications import EXAMPLES, serve_app, write  # noqa: F401, some are fixtures
from .certificates import make_certificate
from .conftest import wait_for


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
    daemon.reload()
    assert daemon.ask("/dice").status == 44  # a reload forgives nobody


def test_several_hosts(serve_example):
    daemon = serve_example("vhost", keys='aliases = ["apples.example", "pears.example"]\n')
    assert daemon.ask("/", host="apples.example", name="apples.example").text == "# Apples\n"
    assert daemon.ask("/", host="pears.example", name="pears.example").text == "# Pears\n"
    assert daemon.ask("/").text == "# No fruit at localhost\n"


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
    script.parent.mkdir(exist_ok=True)
    script.write_text("#!/bin/sh\necho 20 text/plain\n")
    script.chmod(0o755)
    daemon = serve_app("theirs:app", workers=1, keys='aliases = ["files.example"]\n')
    assert daemon.ask("/user/ada?a%20b").text == "ada a b"
    assert [daemon.ask("/few").status for _ in range(2)] == [20, 44]
    assert daemon.ask("/none").header == "50 Not Found"
    there = {"host": "files.example", "name": "files.example"}
    assert daemon.ask("/index.gmi", **there).text == "# A capsule\n"
    assert daemon.ask("/none", **there).status == 51
    assert [daemon.ask("/cgi-bin/script", **there).header for _ in range(6)] == ["20 text/plain"] * 6
    assert "the application theirs:app (localhost) has a process of its own" in daemon.errors
