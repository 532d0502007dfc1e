"""An application by FastCGI, SCGI or HTTP that answers as a test wants it: octet by octet, too much, or not at all.

Rule: it reads a request as the protocol has it, so that what it is asked is checked as well.
"""

import contextlib
import socket
import struct
from collections.abc import Callable, Mapping

from gemd.protocol.fastcgi import ParamsReader
from tests.support.threaded_listener import ThreadedListener
from tests.support.waiting import LONGEST

Read = Callable[[socket.socket], Mapping[bytes, bytes]]


def read_fastcgi(sock):
    """The variables of a request, all of which has been read."""
    reader = ParamsReader()
    while not reader.feed(_receive(sock)):
        pass
    return reader.params


def read_scgi(sock):
    """The same. What is no netstring of pairs, each once and CONTENT_LENGTH the first, is a failure."""
    data = b""
    while b":" not in data:
        data += _receive(sock)
    length, _, content = data.partition(b":")
    while len(content) <= int(length):
        content += _receive(sock)
    assert content[int(length) :] == b","
    parts = content[: int(length)].split(b"\0")
    assert parts.pop() == b""
    names = parts[::2]
    assert names[:2] == [b"CONTENT_LENGTH", b"SCGI"]
    assert len(set(names)) == len(names)
    return dict(zip(names, parts[1::2], strict=True))


def read_http(sock):
    """The fields of a request without a body, and beside them its path; what is no GET is a failure."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += _receive(sock)
    first, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, version = first.split(b" ")
    assert (method, version) == (b"GET", b"HTTP/1.1")
    return {**dict(line.split(b": ", 1) for line in lines), b"PATH_INFO": target.partition(b"?")[0]}


def _receive(sock):
    data = sock.recv(65536)
    if not data:
        raise EOFError
    return data


class Application:
    """Listens at a path, or on the loopback. Each connection is a thread's: when the request has been read,
    `answers[name]` is called with the connection and what follows the name in PATH_INFO, "/name/rest"."""

    def __init__(self, path, read, answers):
        if path is None:
            listener = socket.create_server(("127.0.0.1", 0))
            self.place = f"127.0.0.1:{listener.getsockname()[1]}"
        else:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
            listener.listen(64)
            self.place = f"unix:{path}"
        self._read = read
        self._answers = answers
        self.asked = []  # variables, of each request
        self._listener = ThreadedListener(listener, self._serve)

    def _serve(self, sock):
        sock.settimeout(LONGEST)
        with sock, contextlib.suppress(EOFError, OSError):
            params = self._read(sock)
            self.asked.append(params)
            _, name, *rest = params[b"PATH_INFO"].decode().split("/")
            self._answers[name](sock, *rest)

    def close(self):
        """No more connections, and none is left."""
        self._listener.close()


def send(data):
    """An answer of these octets, as one would write them; then it closes."""
    return lambda sock, *_: sock.sendall(data)


def send_slowly(data):
    """The same octet by octet."""

    def answer(sock, *_):
        for at in range(len(data)):
            sock.sendall(data[at : at + 1])

    return answer


def cut(data):
    """So many octets of them, and then it closes."""
    return lambda sock, size: sock.sendall(data[: int(size)])


def reset(data):
    """The same by a reset, as when a process is killed that has not read all, or a machine goes down."""

    def answer(sock, size):
        sock.sendall(data[: int(size)])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return answer
