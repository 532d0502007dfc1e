"""A master that says what it is told to, on a unix socket."""

import contextlib
import socket
import threading

import pytest

from gemd.gemctl.__main__ import main

LONGEST = 30.0  # seconds that anything may take

WORKERS = [
    {
        "nr": 1,
        "pid": 124,
        "generation": 3,
        "state": "serving",
        "uptime": 11_000.0,
        "requests": 1_234_000,
        "bytes": 3_000_000,
        "reading": 4,
        "writing": 6,
        "passing": 5,
        "uploading": 2,
        "threads": 1,
        "memory": 20_000_000,
        "private": 2_300_000,
        "descriptors": 1_021,
        "dropped": 1,
        "refused": 12,
        "received": 1_048_576,
    },
    {"nr": 2, "pid": 125, "generation": 3, "state": "starting", "uptime": 0.4},
    {
        "nr": 1,
        "pid": 99,
        "generation": 2,
        "state": "draining",
        "uptime": 90_000.0,
        "threads": 2,
        "memory": 5_000_000,
        "descriptors": 9,
    },
]

STATUS = {
    "version": "0.2.0",
    "pid": 123,
    "state": "serving",
    "generation": 3,
    "uptime": 273_600.0,
    "configuration": "/etc/gemd.conf",
    "listeners": ["[::]:1965", "unix:/run/gemd/gemd.sock"],
    "slots": 2,
    "serving": 1,
    "requests": 1_234_567,
    "bytes": 5_368_709_120,
    "reading": 4,
    "writing": 6,
    "lingering": 1,
    "passing": 5,
    "uploading": 2,
    "threads": 3,
    "memory": 41_000_000,
    "descriptors": 17,
    "dropped": 1,
    "refused": 12,
    "received": 1_048_576,
    "deaths": 2,
    "reloads": 2,
    "failed_reloads": 1,
    "workers": WORKERS,
    "responses": {"": {"5x": 3}, "localhost": {"2x": 1_234_000, "4x": 564}},
    "durations": {"root": {"seconds": 61_700.0, "2x": [1_000_000, 234_000, *[0] * 11]}},
    "events": {"handshake_failures": {"left": 20}, "refusals": {"rate": 500, "scripts": 64}, "evictions": {}},
    "certificates": {"localhost": 1_900_000_000.0},
}


class FakeMaster:
    """Answers each connection with the next of `answers`: bytes, or a function that is given the connection.

    The last one is kept for all that follow. `commands` are the lines that came.
    """

    def __init__(self, path, *answers):
        self.path = path
        self.answers = list(answers)
        self.commands = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(LONGEST)
                line = b""
                while not line.endswith(b"\n") and (chunk := connection.recv(4096)):
                    line += chunk
                if not line:
                    continue
                self.commands.append(line)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if callable(answer):
                    answer(connection)
                else:
                    connection.sendall(answer)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(LONGEST)
        self._listener.close()


@pytest.fixture
def master(tmp_path):
    """Start fake masters, each on a socket of its own."""
    masters = []

    def start(*answers):
        masters.append(FakeMaster(tmp_path / f"control{len(masters)}.sock", *answers))
        return masters[-1]

    yield start
    for one in masters:
        one.close()


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Start servers of this process's own, which do what they are told to; known hosts are the test's own too."""
    from .server import Server

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    servers = []

    def start(*arguments, kind=Server, **options):
        servers.append(kind(*arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def client(capfdbinary):
    """Run a client's command; return its exit code, what it printed, and what it said."""

    def client(command, *arguments):
        code = main([command, "--timeout", str(LONGEST), *map(str, arguments)])
        printed, said = capfdbinary.readouterr()
        return code, printed, said.decode()

    return client


@pytest.fixture
def fetch(client):
    """Run `gemctl fetch`."""
    return lambda *arguments: client("fetch", *arguments)


@pytest.fixture
def put(client):
    """Run `gemctl put`."""
    return lambda *arguments: client("put", *arguments)


@pytest.fixture
def titan(serve):
    """Start servers that take uploads."""
    from .server import TitanServer

    return lambda *arguments, **options: serve(*arguments, kind=TitanServer, **options)
