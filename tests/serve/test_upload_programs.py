"""Uploads to scripts and applications: they have all of it, and nobody waits for a slow client."""

import hashlib
import os
import random
import re
import signal
import socket
import struct
import sys
from pathlib import Path

import pytest

from tests.conftest import need_root
from tests.support.waiting import wait_for

from .conftest import is_alive, read_answer

BODY = random.Random(7).randbytes(3 << 20)
SMALL = b"# Hello\n"
TEXT = """
workers = 1
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
titan = { public = true, types = ["*/*"], max-size = 20000000, delete = true, tokens = ["hunter2"] }
%s
"""
ECHO = f"""#!{sys.executable} -I
import hashlib, os, sys
body = sys.stdin.buffer.read()
names = "SERVER_PROTOCOL CONTENT_LENGTH CONTENT_TYPE TITAN_TOKEN TITAN_EDIT GEMINI_URL PATH_INFO".split()
print("20 text/plain\\r")
print(hashlib.sha256(body).hexdigest(), [os.environ.get(name) for name in names])
"""
WITH_LIMITS = "cgi-cpu-seconds = 20"


def send(daemon, path, body=b"", parameters="", query=""):
    """The answer to an upload."""
    tls = daemon.tls()
    line = f"titan://localhost:{daemon.port}{path};size={len(body)};token=hunter2{parameters}{query}\r\n"
    tls.sendall(line.encode() + body)
    with tls:
        return read_answer(tls)


def edit(daemon, path):
    tls = daemon.tls()
    tls.sendall(f"titan://localhost:{daemon.port}{path};edit\r\n".encode())
    with tls:
        return read_answer(tls)


@pytest.fixture
def script(capsule):
    """Write a script in Python."""

    def write(name, text=ECHO):
        path = capsule / "cgi-bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    return write


def said_of(daemon, body, media_type="text/gemini", *, path="/cgi-bin/s/x", query=""):
    url = f"titan://localhost:{daemon.port}{path}{query}"
    said = ["TITAN", str(len(body)), media_type, "hunter2", None, url, "/x"]
    return f"{hashlib.sha256(body).hexdigest()} {said}\n"


@pytest.mark.parametrize("limits", ["", WITH_LIMITS], ids=["free", "limited"])
@pytest.mark.parametrize("body", [SMALL, BODY], ids=["small", "large"])
def test_a_script_reads_what_is_uploaded(configure, script, limits, body):
    script("s")
    daemon = configure(TEXT % limits)
    answer = send(daemon, "/cgi-bin/s/x", body, ";mime=image/png", "?a=b")
    assert (answer.status, answer.text) == (20, said_of(daemon, body, "image/png", query="?a=b"))
    assert answer.complete


@pytest.mark.parametrize("limits", ["", WITH_LIMITS], ids=["free", "limited"])
def test_what_has_no_body_has_nothing_to_be_read(configure, script, limits):
    script("s")
    daemon = configure(TEXT % limits)
    assert send(daemon, "/cgi-bin/s/x").text == said_of(daemon, b"")
    answer = edit(daemon, "/cgi-bin/s/x")
    assert "'TITAN', None, None, None, '1'," in answer.text
    assert "'GEMINI', None, None, None, None," in daemon.ask("/cgi-bin/s/x").text


def test_a_location_s_script(configure, script):
    path = script("own")
    own = 'titan = { public = true, tokens = ["hunter2"] }'
    daemon = configure(TEXT % f'[[host.location]]\npath = "/wiki"\nscript = "{path}"\n{own}\n')
    answer = send(daemon, "/wiki/x", BODY)
    assert (answer.meta, answer.text) == ("text/plain", said_of(daemon, BODY, path="/wiki/x"))


def test_what_can_be_refused_is_refused_before_the_body(configure, script, tmp_path):
    """The client has sent nothing yet, and hears why."""
    script("s")
    daemon = configure(TEXT % "")
    for path, status in (("/cgi-bin/none", 51), ("/cgi-bin/", 51), ("/cgi-bin/s/.git", 51)):
        tls = daemon.tls()
        tls.sendall(f"titan://localhost:{daemon.port}{path};size=1000000;token=hunter2\r\n".encode())
        with tls:
            assert read_answer(tls).status == status


def test_a_slow_client_holds_no_script(configure, script):
    """Though the only place for one would be its own."""
    script("s")
    daemon = configure("[limits]\ncgi = 1\n" + TEXT.replace("workers = 1", "") % "")
    slow = daemon.tls()
    slow.sendall(
        f"titan://localhost:{daemon.port}/cgi-bin/s/x;size={len(SMALL)};token=hunter2\r\n".encode() + SMALL[:2]
    )
    for _ in range(3):
        assert send(daemon, "/cgi-bin/s/x", SMALL).text == said_of(daemon, SMALL)
    slow.sendall(SMALL[2:])
    with slow:
        assert read_answer(slow).text == said_of(daemon, SMALL)


APP = """
import hashlib

def app(environ, send_status):
    send_status(20, "text/plain")
    names = "SERVER_PROTOCOL CONTENT_LENGTH CONTENT_TYPE TITAN_TOKEN TITAN_EDIT GEMINI_URL".split()
    body = environ.get("titan.body")
    digest = hashlib.sha256()
    while body is not None and (piece := body.read(100_000)):
        digest.update(piece)
    yield f"{body is not None and digest.hexdigest()} {[environ.get(name) for name in names]}"
"""


@pytest.mark.parametrize("apart", ["false", "true"])
def test_an_application_reads_what_is_uploaded(configure, tmp_path, apart):
    (tmp_path / "uploads.py").write_text(APP)
    keys = f'app = "uploads:app"\napp-path = "{tmp_path}"\napp-process = {apart}\n'
    daemon = configure(TEXT.replace('root = "{root}"\ncgi = "cgi-bin"\n', keys) % "")
    url = f"titan://localhost:{daemon.port}/x"
    for body in (b"", SMALL, BODY):
        said = ["TITAN", len(body), "text/plain", "hunter2", None, url]
        assert send(daemon, "/x", body, ";mime=text/plain").text == f"{hashlib.sha256(body).hexdigest()} {said}"
    assert edit(daemon, "/x").text == f"False {['TITAN', None, None, None, '1', url]}"
    assert daemon.ask("/x").text.startswith("False ['GEMINI', None,")
    if os.geteuid() == 0:  # who alone may see them
        pids = [*daemon.workers, *children(daemon.process.pid)]
        wait_for(lambda: not any(map(unnamed_files, pids)), "the files to be closed")


def children(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def unnamed_files(pid):
    """Which files without a name it has open."""
    paths = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()]
    return [path for path in paths if path.endswith(" (deleted)") and "/#" in path]


def test_a_reload_loses_no_upload_to_a_program(configure, script):
    """The file that it waits in is only made when all of it is there, in a directory that the new workers have anew."""
    script("s")
    daemon = configure(TEXT % "")
    old = daemon.workers
    tls = daemon.tls()
    tls.sendall(f"titan://localhost:{daemon.port}/cgi-bin/s/x;size={len(SMALL)};token=hunter2\r\n".encode() + SMALL[:2])
    os.kill(daemon.process.pid, signal.SIGHUP)
    wait_for(lambda: set(daemon.workers) - set(old), "new workers")
    assert send(daemon, "/cgi-bin/s/x", SMALL).text == said_of(daemon, SMALL)
    tls.sendall(SMALL[2:])
    with tls:
        assert read_answer(tls).text == said_of(daemon, SMALL)


SLEEPER = """#!/bin/sh
echo $$ >"$PWD/pid"
exec sleep 60
"""


@need_root
def test_nothing_is_left_of_an_upload_whose_client_leaves(configure, script, capsule):
    script("sleep", SLEEPER)
    daemon = configure(TEXT % "")
    tls = daemon.tls()
    tls.sendall(f"titan://localhost:{daemon.port}/cgi-bin/sleep;size={len(BODY)};token=hunter2\r\n".encode() + BODY)
    pid = wait_for(lambda: (capsule / "cgi-bin/pid").exists() and (capsule / "cgi-bin/pid").read_text(), "the script")
    (worker,) = daemon.workers
    assert unnamed_files(worker)
    reset(tls)
    wait_for(lambda: not is_alive(int(pid)), "the script to be ended")
    wait_for(lambda: not unnamed_files(worker), "the file to be closed")


def reset(tls):
    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.socket(fileno=tls.detach()).close()


COUNTER = """#!/bin/sh
echo 20 text/plain
wc -c
"""
COUNTING = """
def app(environ, send_status):
    send_status(20, "text/plain")
    return [str(sum(map(len, iter(lambda: environ["titan.body"].read(65536), b""))))]
"""
LARGE = 48 << 20
MOST = 16 << 20  # bytes by which a process may grow


@pytest.mark.parametrize("kind", ["script", "app"])
def test_memory_does_not_grow_with_an_upload(configure, script, tmp_path, kind):
    script("count", COUNTER)
    (tmp_path / "counting.py").write_text(COUNTING)
    app = f'[[host.location]]\npath = "/app"\napp = "counting:app"\napp-path = "{tmp_path}"\napp-process = true\n'
    titan = 'titan = { public = true, types = ["*/*"], max-size = 60000000 }\n'
    daemon = configure(TEXT.replace("20000000", "60000000") % (app + titan))
    path = "/cgi-bin/count" if kind == "script" else "/app"
    assert send(daemon, path, SMALL).text.strip() == str(len(SMALL))
    pids = [*daemon.workers, *children(daemon.process.pid)]
    before = {pid: peak_of(pid) for pid in pids}
    assert send(daemon, path, bytes(LARGE)).text.strip() == str(LARGE)
    assert {pid: grown for pid in pids if (grown := peak_of(pid) - before[pid]) > MOST} == {}


def peak_of(pid):
    """Bytes of memory that a process has had at most."""
    return int(re.search(r"^VmHWM:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1]) * 1024
