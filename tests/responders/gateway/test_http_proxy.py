"""Requests that are passed on to an HTTP server: a thread with a socket here."""

import socket
import threading

import pytest

from tests.responders.asking import peer
from tests.support.waiting import LONGEST

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


class HTTPServer:
    """Takes one request after the other, and gives each the same answer."""

    def __init__(self, listener):
        self.answer = OK
        self.requests = []
        self._listener = listener
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while True:
            sock, _ = self._listener.accept()
            with sock:
                sock.settimeout(LONGEST)
                came = b""
                while b"\r\n\r\n" not in came and (data := sock.recv(65536)):
                    came += data
                if not came:
                    return
                self.requests.append(came.decode())
                sock.sendall(self.answer)

    def close(self):
        with socket.socket(self._listener.family) as sock:
            sock.connect(self._listener.getsockname())
        self._thread.join(LONGEST)
        assert not self._thread.is_alive()
        self._listener.close()

    def fields(self):
        """The last request's first line, and its fields."""
        first, *lines = self.requests[-1].removesuffix("\r\n\r\n").split("\r\n")
        return first, dict(line.split(": ", 1) for line in lines)


@pytest.fixture
def server():
    server = HTTPServer(socket.create_server(("127.0.0.1", 0)))
    server.place = f"127.0.0.1:{server._listener.getsockname()[1]}"
    yield server
    server.close()


@pytest.fixture
def passed(ask, server):
    """What is answered where a location is passed on to the server."""

    def ask_it(url, asker=None, path="/app/", **keys):
        table = {"to": f"http://{server.place}", **{key.replace("_", "-"): value for key, value in keys.items()}}
        return ask(url, asker, location=[{"path": path, "proxy": table}])

    return ask_it


def test_an_answer(passed, server):
    server.answer += b"hello"
    answer = passed("/app/x%20y/?z")
    assert (answer.status, answer.meta, answer.body) == (20, "text/plain", b"hello")
    first, fields = server.fields()
    assert first == "GET /app/x%20y/?z HTTP/1.1"
    assert fields["Host"] == "h"
    assert fields["Forwarded"] == 'for="192.0.2.1";host="h";proto=gemini'
    assert fields["X-Forwarded-For"] == "192.0.2.1"


def test_a_path_that_is_cut(passed, server):
    assert passed("/app/x", strip=1).status == 20
    assert server.fields()[0] == "GET /x HTTP/1.1"


def test_the_servers_own_name(passed, server):
    assert passed("/app/", rewrite_host=True).status == 20
    assert server.fields()[1]["Host"] == server.place


@pytest.mark.parametrize("host", ["h", "{place}"])
@pytest.mark.parametrize("rewrite_host", [True, False])
def test_a_redirect_within_the_server(passed, server, host, rewrite_host):
    if host == "h" and rewrite_host:
        return  # that name is not told, then
    location = f"http://{host.format(place=server.place)}/new?a".encode()
    server.answer = b"HTTP/1.1 301 Moved\r\nLocation: %b\r\n\r\n" % location
    answer = passed("/app/x", strip=1, rewrite_host=rewrite_host)
    assert (answer.status, answer.meta) == (31, "/app/new?a")


def test_a_redirect_of_a_server_that_adds_its_port(passed, server):
    port = server.place.rpartition(":")[2]
    server.answer = b"HTTP/1.1 301 Moved\r\nLocation: http://h:%b/new/\r\n\r\n" % port.encode()
    assert passed("/app/new", strip=1).meta == "/app/new/"


def test_a_redirect_to_another_port(passed, server):
    server.answer = b"HTTP/1.1 301 Moved\r\nLocation: http://h:1/new/\r\n\r\n"
    assert passed("/app/new", strip=1).meta == "http://h:1/new/"


@pytest.mark.parametrize("path", ["/app/%0a", "/app/%E2%80%AE", "/app/%1b[31m"])
def test_a_path_that_misleads_is_nobodys(passed, server, path):
    assert passed(path).status == 51
    assert server.requests == []


def test_a_path_that_can_t_be_cut_is_nobodys(passed, server):
    assert passed("/app%2Fx", strip=1).status == 51
    assert server.requests == []


def test_who_asks_by_a_unix_socket(passed, server):
    assert passed("/app/", peer(address="unix")).status == 20
    fields = server.fields()[1]
    assert fields["Forwarded"] == 'for=unknown;host="h";proto=gemini'
    assert "X-Forwarded-For" not in fields


def test_a_server_on_a_unix_socket(ask, tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "http.sock"))
    listener.listen()
    server = HTTPServer(listener)
    table = {"to": f"http+unix:{tmp_path}/http.sock", "rewrite-host": True}
    try:
        assert ask("/", proxy=table).status == 20
    finally:
        server.close()
    assert server.fields()[1]["Host"] == "localhost"


def test_a_failure_is_logged_and_not_told(passed, server, caplog):
    server.answer = b"HTTP/1.1 500 Secret\r\n\r\n"
    answer = passed("/app/")
    assert answer.status == 43
    assert "Secret" not in answer.meta
    assert f"the proxy at h/app/: {server.place} answered with 500" in caplog.text
