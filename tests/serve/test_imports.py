"""What a worker needs it has from the start: there may be no file system to import it from when somebody asks. And the
garbage collector leaves that alone, in pages that all processes share."""

import subprocess
import sys

from .certificates import fingerprint, make_certificate
from .scripts import write_into

CONFIG = """
workers = 1
[tls]
ca-file = "{tmp}/ca.pem"
[log]
format = "json"
addresses = "hashed"
[limits]
rate = "1000/1m"
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
listing = true
  [[host.location]]
  path = "/modules"
  app = "reporter:app"
  app-path = "{tmp}/apps"
  titan = { public = true }
  [[host.location]]
  path = "/collector"
  app = "reporter:collector"
  app-path = "{tmp}/apps"
  [[host.location]]
  path = "/fastcgi/"
  fastcgi = { to = "unix:{tmp}/none" }
  titan = { public = true }
  [[host.location]]
  path = "/scgi/"
  scgi = { to = "unix:{tmp}/none" }
  titan = { public = true }
  [[host.location]]
  path = "/gemini/"
  proxy = { to = "gemini+unix:{tmp}/none" }
  titan = { public = true }
  [[host.location]]
  path = "/http/"
  proxy = { to = "http+unix:{tmp}/none" }
  [[host.location]]
  path = "/uploads/"
  titan = { public = true, delete = true, mkdir = true }
  [[host.location]]
  path = "/cgi-bin/"
  titan = { public = true }
  [[host.location]]
  path = "/log/"
  listing = { feed = true, recursive = 1, preamble = "head" }
  [[host.location]]
  path = "/any/"
  client-certificate = "any"
  [[host.location]]
  path = "/ada/"
  client-certificate = ["SHA256:%s", "SPKI-SHA256:%s"]
  [[host.location]]
  path = "/ca/"
  client-certificate = { ca = "{tmp}/ca.pem" }
[[host]]
name = "*.example"
root = "{root}"
"""
REPORTER = """
import gc, sys

def app(environ, send_status):
    send_status(20, "text/plain")
    return ["\\n".join(sorted(sys.modules))]

def collector(environ, send_status):
    send_status(20, "text/plain")
    return [f"{gc.isenabled()} {gc.get_freeze_count()} {len(gc.get_objects())}"]
"""
# What is imported before root, or the file system, is given up.
LATER = "import sys; from gemd.startup import later; later.import_all(); print(*sys.modules)"
KINDS = {
    "/": 20,
    "/files/": 20,  # a listing
    "/log/": 20,
    "/files": 31,
    "/files/big.bin": 20,
    "/nowhere": 51,
    "/cgi-bin/env": 20,
    "/cgi-bin/broken": 42,
    "/cgi-bin/endless?word": 20,
    "/fastcgi/": 43,
    "/scgi/": 43,
    "/gemini/": 43,
    "/http/": 43,
    "/any/": 60,
    "/ada/": 60,
    "/ca/": 60,
}
# What is uploaded there, and what comes of it.
UPLOADS = {
    "/modules;size=4": 20,
    "/fastcgi/;size=4": 43,
    "/scgi/;size=4": 43,
    "/gemini/;size=4": 43,
    "/cgi-bin/env;size=4": 20,
    "/uploads/new/a.gmi;size=4": 30,
    "/uploads/new/a.gmi;edit": 20,
    "/uploads/new/a.gmi;size=0": 20,
    "/uploads/new/a.gmi;size=3": 59,
    "/uploads/a.html;size=4": 59,
}
WITH_CERTIFICATE = {"/any/": 20, "/ada/": 20, "/ca/": 20, "/cgi-bin/env": 20, "/modules": 20}


def test_a_worker_imports_nothing_more_whatever_is_asked(configure, capsule, tmp_path):
    certificate, _ = make_certificate(tmp_path / "ada.pem")
    (tmp_path / "ca.pem").write_bytes((tmp_path / "ada.pem").read_bytes())
    furnish(capsule, tmp_path / "apps")
    daemon = configure(CONFIG.replace("%s", fingerprint(certificate), 1).replace("%s", "00" * 32))
    daemon.expect("broken", "can.t be reached")
    before = modules(daemon)
    assert "gemd.worker.main" in before

    assert {path: daemon.ask(path).status for path in KINDS} == KINDS
    cert = tmp_path / "ada.pem"
    assert {path: daemon.ask(path, cert=cert).status for path in WITH_CERTIFICATE} == WITH_CERTIFICATE
    assert daemon.ask("/", name=None, host="bücher.example").status == 20
    assert daemon.ask("/", name="other.example", host="other.example").status == 20
    for wrong in (b"gemini://localhost:1/\r\n", b"http://x/\r\n", b"\xff\r\n", b"/\r\n", b"x" * 2000):
        assert daemon.send(wrong).status in (53, 59)
    for path, status in UPLOADS.items():
        body = b"" if path.endswith(("=0", ";edit")) else b"text"
        assert daemon.send(f"titan://localhost{path}\r\n".encode() + body).status == status
    with daemon.connect() as sock:  # no TLS
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        sock.recv(100)

    expected = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True, check=True).stdout.split()
    grown = modules(daemon) - before
    assert "idna" in grown  # else it would not be seen
    assert grown - set(expected) == set()


def test_the_garbage_collector_is_on_and_leaves_alone_what_was_there_before_the_fork(configure, capsule, tmp_path):
    make_certificate(tmp_path / "ca.pem")
    furnish(capsule, tmp_path / "apps")
    is_on, frozen, others = configure(CONFIG.replace("%s", "00" * 32)).ask("/collector").text.split()
    assert is_on == "True"
    assert int(frozen) > 10 * int(others)


def furnish(capsule, apps):
    """Something of each kind to ask for."""
    for name in ("files", "uploads", "log", "any", "ada", "ca"):
        (capsule / name).mkdir()
    apps.mkdir()
    for name in ("head", "2026-11-26.gmi"):
        (capsule / "log" / name).write_text("# A title\n")
    for name in ("any", "ada", "ca"):
        (capsule / name / "index.gmi").write_text("# For some\n")
    (capsule / "files" / "big.bin").write_bytes(b"x" * 3_000_000)
    (capsule / "files" / "ünï.txt").touch()
    write_script = write_into(capsule / "cgi-bin")
    write_script("env", 'printf "20 text/plain\\r\\n"; env\n')
    write_script("broken", "exit 3\n")
    write_script("endless", 'printf "20 text/plain\\r\\n"; head -c 200000 /dev/zero\n')
    (apps / "reporter.py").write_text(REPORTER)


def modules(daemon):
    return set(daemon.ask("/modules").text.split())
