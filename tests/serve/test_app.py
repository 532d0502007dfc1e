"""Applications in the workers: what they are told, and may say."""

import json

import pytest

from .applications import serve_app, write  # noqa: F401, some are fixtures
from .certificates import make_certificate
from .conftest import read_answer, wait_for

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
    "gemd.client": "str",
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
    assert "gave a Deferred, for which it needs a reactor" in daemon.errors
    wait_for(lambda: "ValueError: after" in daemon.errors, "the second traceback")
    answer = daemon.ask("/large")
    assert answer.complete
    assert answer.body == b"".join(bytes([number]) * 65_536 for number in range(64))


PATIENT = """
import socket
socket.setdefaulttimeout(600)

def app(environ, send_status):
    send_status(20, "text/plain")
    return "x" * 8_000_000 if environ["GEMINI_URL"].endswith("long") else "ok"
"""


@pytest.mark.parametrize("keys", ["", "preload = true\n", "app-process = true\n"], ids=["inside", "preloaded", "own"])
def test_a_timeout_for_all_sockets_is_for_the_application_alone(serve_app, write, keys):
    """The event loop, and what relays to an application, never wait for one socket."""
    write("patient.py", PATIENT)
    daemon = serve_app("patient:app", keys=keys, workers=1)
    with daemon.connect(), daemon.tls() as reads_nothing:
        reads_nothing.sendall(daemon.url("/long").encode() + b"\r\n")
        for _ in range(3):
            assert daemon.ask("/").text == "ok"


FORGING = """
import threading
from urllib.parse import unquote
def fail(environ):
    error = ValueError(unquote(environ["QUERY_STRING"]))
    error.add_note(unquote(environ["QUERY_STRING"]))
    raise error
def app(environ, send_status):
    thread = threading.Thread(target=fail, args=(environ,), name="its own")
    thread.start()
    thread.join()
    fail(environ)
"""


def test_what_a_client_sends_forges_no_line_of_a_log(serve_app, write, tmp_path):
    write("forging.py", FORGING)
    with pytest.warns(UserWarning, match="length"):
        make_certificate(tmp_path / "long.pem", "x" * 7_000)
    daemon = serve_app("forging:app", more='[log]\nqueries = "full"\n')
    daemon.expect("the application forging:app failed", "in the thread its own", "Traceback", "ValueError", "forged")
    fake = "a%0A2026-01-31%2012:00:00%20gemd%5B1%5D%20error:%20forged%1B%5B2J%E2%80%AE"
    assert daemon.ask(f"/?{fake}", cert=tmp_path / "long.pem").status == 42
    lines = daemon.errors.splitlines()
    assert [line for line in lines if line.startswith("2026-01-31")] == []
    assert lines.count("ValueError: a\\x0a2026-01-31 12:00:00 gemd[1] error: forged\\x1b[2J\\u202e") == 2
    assert all(line.isprintable() for line in lines)
    (entry,) = wait_for(lambda: [line for line in daemon.access if "forged" in line], "its line")
    assert "x" * 61 + "..." in entry
    assert f'/?{fake}" 42 ' in entry


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


def test_what_needs_a_main_thread_is_told_where_there_is_one(serve_app, write):
    write("bound.py", "import signal\ndef app(environ, send_status): signal.signal(signal.SIGUSR1, signal.SIG_DFL)\n")
    daemon = serve_app("bound:app", workers=1)
    daemon.expect("the application bound:app failed", "Traceback", "ValueError: signal only works in main thread")
    assert daemon.ask("/").status == 42
    lines = daemon.errors.splitlines()
    error = next(number for number, line in enumerate(lines) if line.startswith("ValueError: signal only works"))
    assert "app-process = true" in lines[error + 1]
