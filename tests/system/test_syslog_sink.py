import os
import re
import socket
import threading
from typing import get_args

import pytest

from gemd.config.types import Facility
from gemd.system import syslog_sink
from gemd.system.level import Level
from gemd.system.syslog_sink import SyslogSink


def write(sink, *lines):
    """Write lines of the usual level; how many were lost."""
    return sink.write([(line, Level.INFO) for line in lines])


class Daemon:
    """Who listens at a path, with a socket of this kind."""

    def __init__(self, path, kind):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, kind)
        self.socket.settimeout(15)
        self.socket.bind(path)
        self.kind = kind
        if kind == socket.SOCK_STREAM:
            self.socket.listen()

    def read(self):
        return self.socket.recv(65536).decode()

    def end(self):
        self.socket.close()
        os.unlink(self.path)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(syslog_sink, "_PATH", str(tmp_path / "log"))
    return str(tmp_path / "log")


@pytest.fixture
def listen(path):
    daemons = []

    def listen(kind=socket.SOCK_DGRAM):
        daemons.append(Daemon(path, kind))
        return daemons[-1]

    yield listen
    for daemon in daemons:
        daemon.socket.close()


@pytest.fixture
def sink(path):
    sink = SyslogSink()
    yield sink
    sink.close()


@pytest.mark.parametrize(("level", "number"), [(Level.DEBUG, 31), (Level.INFO, 30), (Level.ERROR, 27)])
def test_a_line_has_facility_level_date_and_process(sink, listen, level, number):
    daemon = listen()
    assert sink.write([("müde \udcff", level)]) == 0
    date = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
    assert re.fullmatch(rf"<{number}>{date} gemd\[{os.getpid()}\]: müde \\udcff", daemon.read())


@pytest.mark.parametrize(
    ("facility", "number"), [("daemon", 30), ("user", 14), ("ftp", 94), ("local0", 134), ("local7", 190)]
)
def test_a_line_has_the_facility_that_is_wanted(path, listen, facility, number):
    daemon = listen()
    sink = SyslogSink(facility)
    assert write(sink, "line") == 0
    sink.close()
    assert daemon.read().startswith(f"<{number}>")


def test_every_facility_of_the_configuration_is_one():
    assert set(syslog_sink._FACILITIES) == set(get_args(Facility))
    assert len(set(syslog_sink._FACILITIES.values())) == len(syslog_sink._FACILITIES)


def test_a_daemon_that_does_not_read_blocks_nobody(sink, listen):
    """As syslog(3) would, and a master with it."""
    daemon = listen()
    sent = 0
    while write(sink, f"line {sent}") == 0:
        sent += 1
    assert 0 < sent < 100_000
    assert sink.reason == "nobody reads it"
    assert write(sink, "one", "two") == 2
    assert [daemon.read().rpartition(" ")[2] for _ in range(sent)] == [str(number) for number in range(sent)]
    assert write(sink, "again") == 0
    assert daemon.read().endswith(": again")


def test_one_that_was_started_anew_is_found(sink, listen):
    first = listen()
    assert write(sink, "one") == 0
    first.end()
    assert write(sink, "two") == 1
    assert sink.reason == "No such file or directory"
    second = listen()
    assert write(sink, "three") == 0
    assert second.read().endswith(": three")


def test_it_is_kept_within_reach(sink, listen, path):
    """As from a chroot, where its path leads nowhere."""
    daemon = listen()
    sink.connect()
    os.rename(path, path + ".away")
    assert write(sink, "one") == 0
    sink.connect()
    assert write(sink, "two") == 0
    assert [daemon.read()[-3:] for _ in range(2)] == ["one", "two"]


def test_one_that_reads_gets_time_for_it_where_a_thread_writes(sink, listen):
    daemon = listen()
    sink.patience.seconds = 60
    read = []
    reader = threading.Thread(target=lambda: read.extend(daemon.read() for _ in range(2000)))
    reader.start()
    assert sum(write(sink, *(f"line {nr}" for nr in range(start, start + 500))) for start in range(0, 2000, 500)) == 0
    reader.join()
    assert [line.rpartition(" ")[2] for line in read] == [str(nr) for nr in range(2000)]


def test_one_that_has_stopped_reading_is_waited_for_once(sink, listen):
    daemon = listen()
    sink.patience.seconds = 0.05
    while write(sink, "line") == 0:
        pass
    assert sink.reason == "nobody reads it"
    sink.patience.seconds = 600
    assert write(sink, "one", "two") == 2
    daemon.read()
    assert write(sink, "three") == 0
    sink.patience.seconds = 0.05
    assert write(sink, *["four"] * 10_000) > 0


def test_a_line_is_cut_rather_than_lost(sink, listen):
    """As one is that a datagram has no room for."""
    daemon = listen()
    assert write(sink, "é" * 1_000_000, "next") == 0
    line = daemon.read()
    assert line.endswith("é ...")
    assert 4094 <= len(line.encode()) <= 4096
    assert daemon.read().endswith(": next")


def test_who_was_disconnected_connects_again(sink, listen):
    daemon = listen()
    sink.connect()
    sink.close()
    assert write(sink, "one") == 0
    assert daemon.read().endswith(": one")


def test_none_at_all_is_a_reason(sink):
    sink.connect()
    assert write(sink, "one") == 1
    assert sink.reason == "No such file or directory"


def read_stream(daemon):
    """What each connection had to say that ended with a NUL, and what did not."""
    daemon.socket.setblocking(False)
    lines, rests = [], []
    while True:
        try:
            connection, _ = daemon.socket.accept()
        except BlockingIOError:
            return lines, rests
        with connection:
            data = b""
            while chunk := connection.recv(65536):
                data += chunk
        *whole, rest = data.decode().split("\0")
        lines += whole
        rests.append(rest)


def test_in_a_stream_a_nul_ends_a_line(sink, listen):
    daemon = listen(socket.SOCK_STREAM)
    assert write(sink, "one", "two") == 0
    sink.close()
    lines, rests = read_stream(daemon)
    assert [line.rpartition(": ")[2] for line in lines] == ["one", "two"]
    assert rests == [""]


def test_in_a_stream_nothing_is_taken_for_the_rest_of_a_line_that_was_lost(sink, listen, monkeypatch):
    daemon = listen(socket.SOCK_STREAM)
    with monkeypatch.context() as context:
        context.setattr(socket.socket, "send", lambda sock, data, _flags: os.write(sock.fileno(), data[:40]))
        assert write(sink, "x" * 100) == 1
    assert sink.reason == "nobody reads it"
    assert write(sink, "y") == 0
    sink.close()
    lines, rests = read_stream(daemon)
    assert [line.rpartition(": ")[2] for line in lines] == ["y"]
    assert [len(rest) for rest in rests] == [40, 0]


def test_a_stream_that_does_not_read_blocks_nobody(sink, listen):
    listen(socket.SOCK_STREAM)
    sent = 0
    while write(sink, "x" * 1000) == 0:
        sent += 1
    assert 0 < sent < 100_000
    assert sink.reason == "nobody reads it"
