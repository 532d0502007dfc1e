"""Scripts that an application runs, in a thread of its own."""

import gc
import os
import threading
import time

import msgspec
import pytest

from gemd.app import script as script_module
from gemd.app.script import run_script
from gemd.protocol.response import BrokenBody
from gemd.system.script_threads import SCRIPT_THREADS
from tests.support.descriptors import open_descriptors


@pytest.fixture
def run(tmp_path):
    """Run a script in sh with an environ; when the test is over, nothing of it is left."""
    run_script(write(tmp_path, "echo 51 no"), {})
    assert SCRIPT_THREADS.wait(15)
    before = open_descriptors()
    yield lambda text, environ=None: run_script(write(tmp_path, text), environ or {})
    gc.collect()
    assert SCRIPT_THREADS.wait(15)
    assert open_descriptors() == before


def write(tmp_path, text):
    path = tmp_path / "script"
    path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def short(monkeypatch):
    """Time-outs that a test can wait for."""
    changed = msgspec.structs.replace(script_module._SETTINGS, timeout=0.6, header_timeout=0.3)
    monkeypatch.setattr(script_module, "_SETTINGS", changed)
    monkeypatch.setattr(script_module, "_MAX_OUTPUT", 100_000)


def test_its_answer(run):
    response = run("echo 20 text/plain; echo one; sleep 0.1; echo two")
    assert (response.status, response.meta, b"".join(response.body)) == (20, "text/plain", b"one\ntwo\n")


def test_its_body_comes_as_it_is_written(run, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    pieces = filter(None, run(f"echo 20 text/plain; echo one; read x < {tmp_path}/fifo; echo two").body)
    assert next(pieces) == b"one\n"
    (tmp_path / "fifo").write_text("go\n")
    assert next(pieces) == b"two\n"
    assert list(pieces) == []


@pytest.mark.parametrize("text", ["echo 51 None here", "echo 51 None here; echo more; sleep 0.1"])
def test_an_answer_without_a_body(run, text):
    response = run(text)
    assert (response.status, response.meta, response.body) == (51, "None here", None)


@pytest.mark.parametrize("text", ["exit 3", "echo garbage", "true", "#!/nowhere"])
def test_one_that_fails(run, text, caplog):
    response = run(text)
    assert (response.status, response.meta) == (42, "The script failed")
    assert "/script " in caplog.text


def test_one_that_says_nothing_in_time(run, short, caplog):
    before = time.monotonic()
    assert run("sleep 60").status == 42
    assert time.monotonic() - before < 2
    assert "wrote no header within 0.3 s" in caplog.text


@pytest.mark.parametrize(
    ("text", "why"),
    [("sleep 60", "did not end within 0.6 s"), ("yes", "wrote more than"), ("kill -9 $$", "ended by SIGKILL")],
)
def test_a_body_that_breaks_off(run, short, text, why):
    response = run(f"echo 20 text/plain; {text}")
    with pytest.raises(BrokenBody, match=why):
        list(response.body)


def test_the_environment(run):
    environ = {"A": "b", "NUMBER": 7, "lower": "hidden", "LINES": "a\nb", "PATH": "/elsewhere"}
    lines = b"".join(run("echo 20 text/plain; export -p", environ).body).decode()
    for line in ("A='b'", "NUMBER='7'", "LINES='a%0Ab'", "PATH='/elsewhere'", "GATEWAY_INTERFACE='CGI/1.1'", "LANG="):
        assert f"export {line}" in lines
    assert "lower" not in lines


@pytest.mark.parametrize("environ", [{"A=B": "x"}, {"A": "\ud800"}])
def test_an_environment_that_can_not_be_is_a_failure_and_no_end_of_all_scripts(run, environ, caplog):
    assert run("echo 20 text/plain", environ).status == 42
    assert "can't be started: " in caplog.text
    assert run("echo 51 no").status == 51


@pytest.mark.parametrize("how_much", ["nothing", "its beginning"])
@pytest.mark.parametrize("how", ["closes it", "forgets it"])
def test_a_body_that_nobody_wants(run, how_much, how):
    body = run("echo 20 text/plain; echo $$; sleep 60").body
    pid = int(next(filter(None, body))) if how_much != "nothing" else None
    if how == "closes it":
        body.close()
    del body
    gc.collect()
    assert SCRIPT_THREADS.wait(15)
    assert pid is None or not os.path.exists(f"/proc/{pid}")


def test_one_that_is_started_when_nobody_waits_any_more(run, short, monkeypatch):
    """Whoever starts it must not wake somebody by a descriptor that is closed, or another's by now."""
    late = threading.Event()

    class Late(script_module.Script):
        def start(self):
            super().start()
            assert late.wait(15)

    monkeypatch.setattr(script_module, "Script", Late)
    assert run("sleep 60").status == 42
    monkeypatch.undo()
    late.set()
    assert SCRIPT_THREADS.wait(15)
    assert run("echo 51 no").status == 51
