"""Hosts that are passed on: slow ones on either side, many at once, and a gemd that reloads or stops meanwhile."""

import signal
import socket
import threading
import time
from contextlib import suppress

from tests.support.tls_client import make_context
from tests.support.waiting import LONGEST, wait_for

from .passes import (  # noqa: F401, some are fixtures
    BIG,
    FRONT,
    ada,
    back,
    front,
    lines_of_passes,
    make_hello,
    receive,
    run,
    serve_behind,
    server,
)
from .succession import descriptors, tell

HELLO = make_hello("b.example")


def ask_for(daemon):
    """A client that wants to be passed on."""
    sock = daemon.connect()
    sock.sendall(HELLO)
    return sock


def begin(daemon, server):
    """The same, and the upstream's end of its connection."""
    sock = ask_for(daemon)
    link = server.accept()
    assert receive(link, len(HELLO)) == HELLO
    return sock, link


def is_cut_off(sock):
    """Whether it ends, one way or the other, without a byte."""
    with sock:
        try:
            return not sock.recv(1)
        except ConnectionResetError:
            return True


def test_a_slow_client_has_all_of_a_large_download(front):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    sock.settimeout(LONGEST)
    sock.connect(("127.0.0.1", front.port))
    tls = make_context().wrap_socket(sock, server_hostname="b.example", suppress_ragged_eofs=False)
    with tls:
        tls.sendall(b"gemini://b.example/big.bin\r\n")
        got = b""
        while data := tls.recv(16384):
            got += data
            time.sleep(0.002)  # the pace belongs to the story
    assert got.partition(b"\r\n")[2] == BIG


def test_a_slow_upstream_loses_nothing(run, server):
    front = run("front", FRONT % ("", server.place))
    sock, link = begin(front, server)
    pieces = [BIG[at : at + 999] for at in range(0, 99_900, 999)]

    def speak():
        for piece in pieces:
            link.sendall(piece)
            time.sleep(0.005)  # the pace belongs to the story
        link.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=speak)
    thread.start()
    assert receive(sock, 1 << 20) == b"".join(pieces)
    thread.join()
    sock.close()


def test_many_at_once_leave_nothing_open(run, server, tmp_path):
    front = run("front", FRONT % (f'control = "{tmp_path}/control.sock"', server.place))
    server.listener.listen(256)
    (worker,), control = front.workers, tmp_path / "control.sock"
    before = descriptors(control)[worker]
    made = [begin(front, server) for _ in range(200)]
    wait_for(lambda: tell(control, "status")["status"]["passing"] == 200, "all to be counted")
    wait_for(lambda: descriptors(control)[worker] == before + 400, "two descriptors for each")
    for nr, (_, link) in enumerate(made):
        link.sendall(b"answer %d" % nr)
    for nr, (sock, link) in enumerate(made):
        assert receive(sock, len(b"answer %d" % nr)) == b"answer %d" % nr
        link.close() if nr % 2 else sock.close()
    for sock, link in made:
        sock.close()
        link.close()
    wait_for(lambda: descriptors(control)[worker] == before, "all to be closed")
    wait_for(lambda: len(lines_of_passes(front)) == 200, "a line for each")


def test_a_reload_leaves_those_who_are_passed_on(run, server, tmp_path):
    front = run("front", FRONT % ("", server.place))
    sock, link = begin(front, server)
    path = tmp_path / "front.conf"
    path.write_text(path.read_text().replace(f'pass = "{server.place}"', 'pass = "127.0.0.1:1"'))
    front.reload()
    front.expect("can't be passed on to 127.0.0.1:1")

    def has_no_upstream():
        """A former worker takes connections for a moment yet, and passes this one on as before."""
        other = ask_for(front)
        other.settimeout(1.0)
        with suppress(TimeoutError):
            return is_cut_off(other)

    wait_for(has_no_upstream, "another one to have no upstream")
    sock.sendall(b"question")
    assert receive(link, 8) == b"question"
    link.sendall(b"answer")
    link.close()
    assert receive(sock, 100) == b"answer"
    sock.close()


def test_a_stop_waits_for_those_who_are_passed_on(run, server):
    front = run("front", FRONT % ("", server.place))
    sock, link = begin(front, server)
    front.process.send_signal(signal.SIGTERM)
    wait_for(lambda: is_refused(front), "the listeners to be closed")
    sock.sendall(b"question")
    assert receive(link, 8) == b"question"
    assert front.process.poll() is None
    link.sendall(b"answer")
    link.close()
    assert receive(sock, 100) == b"answer"
    sock.close()
    assert front.process.wait(LONGEST) == 0


def is_refused(daemon):
    try:
        daemon.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_stop_does_not_wait_for_ever(run, server):
    front = run("front", FRONT % ("timeouts.stop = 1.0", server.place))
    front.expect("was killed", "did not stop", "has not ended")
    sock, link = begin(front, server)
    front.process.send_signal(signal.SIGTERM)
    assert front.process.wait(LONGEST) == 0
    assert is_cut_off(sock)
    assert is_cut_off(link)
