"""Uploads that go on to applications behind FastCGI and SCGI, and to Gemini servers behind this one."""

import hashlib
import random
import socket
import threading

import pytest

from gemd.protocol.fastcgi import RecordReader, RecordType, decode_params, encode_end, encode_stream
from tests.support.waiting import LONGEST

from .conftest import read_answer
from .proxies import run  # noqa: F401, a fixture

BODY = random.Random(8).randbytes(3 << 20)
SMALL = b"# Hello\n"
TEXT = """
workers = 1
[[host]]
name = "localhost"
root = "{root}"
[[host.location]]
path = "/app"
titan = { public = true, types = ["*/*"], max-size = 20000000 }
%s
"""
ANSWER = b"30 gemini://localhost/app\r\n"


def send(daemon, path, body, parameters=""):
    tls = daemon.tls()
    tls.sendall(f"titan://localhost:{daemon.port}{path};size={len(body)}{parameters}\r\n".encode() + body)
    with tls:
        return read_answer(tls)


def read_fastcgi(sock):
    reader, params, body = RecordReader(), b"", b""
    while data := sock.recv(65536):
        for kind, content in reader.feed(data):
            params += content if kind is RecordType.PARAMS else b""
            body += content if kind is RecordType.STDIN else b""
            if kind is RecordType.STDIN and not content:
                return decode_params(params), body
    raise AssertionError("the request is not whole")


def read_scgi(sock):
    data = b""
    while data.count(b":") < 1 or len(data) < int(data.partition(b":")[0]) + 10:
        data += sock.recv(65536)
    length, _, rest = data.partition(b":")
    parts = rest[: int(length)].split(b"\0")
    params = dict(zip(parts[::2], parts[1::2], strict=False))
    body = rest[int(length) + 1 :]
    while len(body) < int(params[b"CONTENT_LENGTH"]):
        piece = sock.recv(65536)
        assert piece
        body += piece
    return params, body


class Program:
    """An application that takes one upload after the other."""

    def __init__(self, path, read, answer):
        self.asked = []
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._read = read
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock:
                sock.settimeout(LONGEST)
                self.asked.append(self._read(sock))
                sock.sendall(self._answer)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(LONGEST)


KINDS = {
    "fastcgi": (read_fastcgi, encode_stream(RecordType.STDOUT, ANSWER) + encode_end()),
    "scgi": (read_scgi, ANSWER),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_application_has_all_of_it(configure, tmp_path, kind):
    program = Program(tmp_path / "app.sock", *KINDS[kind])
    try:
        daemon = configure(TEXT % f'{kind} = {{ to = "unix:{{tmp}}/app.sock" }}')
        for body in (SMALL, BODY):
            answer = send(daemon, "/app/x", body, ";mime=image/png;token=hunter2")
            assert (answer.status, answer.meta) == (30, "gemini://localhost/app")
            params, came = program.asked[-1]
            assert hashlib.sha256(came).digest() == hashlib.sha256(body).digest()
            names = (b"SERVER_PROTOCOL", b"CONTENT_LENGTH", b"CONTENT_TYPE", b"TITAN_TOKEN", b"PATH_INFO")
            assert [params[name] for name in names] == [b"TITAN", b"%d" % len(body), b"image/png", b"hunter2", b"/x"]
            assert not any(b"hunter2" in value for name, value in params.items() if name != b"TITAN_TOKEN")
    finally:
        program.close()


BACK = """
workers = 1
[[host]]
name = "localhost"
root = "{root}"
check-port = false
titan = { public = true, types = ["*/*"], max-size = 20000000, tokens = ["hunter2"], delete = true }
"""


def test_another_server_has_all_of_it(run, capsule):  # noqa: F811
    back = run("back", BACK)
    proxy = f'proxy = {{ to = "gemini://127.0.0.1:{back.port}", strip = 1 }}'
    front = run("front", (TEXT % proxy).replace("max-size", "delete = true, max-size"))
    for body in (SMALL, BODY):
        answer = send(front, "/app/a.bin", body, ";mime=application/octet-stream;token=hunter2")
        assert (answer.status, answer.meta) == (30, f"gemini://localhost:{front.port}/a.bin")
        assert (capsule / "a.bin").read_bytes() == body
    refused = send(front, "/app/a.bin", BODY, ";mime=application/octet-stream")
    assert (refused.status, refused.meta) == (50, "A valid token is needed")
    assert (capsule / "a.bin").read_bytes() == BODY
    assert send(front, "/app/a.bin", b"", ";token=hunter2").status == 20
    assert not (capsule / "a.bin").exists()
    (capsule / "a.gmi").write_bytes(SMALL)
    with front.tls() as tls:
        tls.sendall(f"titan://localhost:{front.port}/app/a.gmi;edit\r\n".encode())
        assert read_answer(tls).body == SMALL
