import fcntl
import os
import socket
import stat
import threading

import pytest

from gemd.system.level import Level
from gemd.system.log_file import LogError
from gemd.system.sinks import DescriptorSink, open_sink
from gemd.system.standard_streams import StandardStreams


def write(sink, *lines):
    """Write lines of the usual level; how many were lost."""
    return sink.write([(line, Level.INFO) for line in lines])


@pytest.fixture
def streams():
    """The standard streams, as they were afterwards."""
    before = {number: os.dup(number) for number in (1, 2)}
    streams = StandardStreams()
    yield streams
    streams.close()
    for number, copy in before.items():
        os.dup2(copy, number)
        os.close(copy)


@pytest.fixture
def open_file(tmp_path):
    """The sink of a file."""
    sinks = []

    def open_file(name="log"):
        sinks.append(open_sink(str(tmp_path / name), None))
        return sinks[-1]

    yield open_file
    for sink in sinks:
        sink.close()


@pytest.fixture
def pipe():
    """A pipe that is full, and the sink that writes to it."""
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
    assert os.write(writer, b"x" * size) == size
    sink = DescriptorSink(writer)
    yield reader, sink, size
    os.close(reader)
    sink.close()


def test_a_line_is_appended(open_file, tmp_path):
    path = tmp_path / "log"
    path.write_text("before\n")
    assert write(open_file(), "müde") == 0
    assert path.read_text() == "before\nmüde\n"


def test_a_new_file_is_not_for_everybody(open_file, tmp_path):
    open_file()
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) & ~0o640 == 0


def test_a_stray_octet_costs_nothing(open_file, tmp_path):
    write(open_file(), "a\udcffb")
    assert (tmp_path / "log").read_text() == "a\\udcffb\n"


@pytest.mark.parametrize("length", [4094, 4095, 4096, 100_000])
def test_a_long_line_is_cut_to_what_is_never_mixed(open_file, tmp_path, length):
    write(open_file(), "x" * length, "next")
    first, second = (tmp_path / "log").read_text().splitlines()
    assert len(first) + 1 <= 4096
    assert first.endswith(" ...") == (length > 4095)
    assert second == "next"


@pytest.mark.parametrize("start", ["", "a", "aa", "aaa"])
def test_no_character_is_cut_in_two(open_file, tmp_path, start):
    write(open_file(), start + "\U0001f600" * 2000)
    text = (tmp_path / "log").read_bytes().decode()
    assert text.strip("a\U0001f600") == " ...\n"


@pytest.mark.parametrize("count", [1, 100, 5000])
def test_many_lines_are_few_writes_and_all_there(open_file, tmp_path, monkeypatch, count):
    sink = open_file()
    writes = []
    real = sink._send
    monkeypatch.setattr(sink, "_send", lambda data: writes.append(len(data)) or real(data))
    lines = [f"{nr:099}" for nr in range(count)]
    assert write(sink, *lines) == 0
    assert (tmp_path / "log").read_text().splitlines() == lines
    assert max(writes) <= 65536
    assert len(writes) == -(-count * 100 // 65536)


@pytest.mark.timeout(10)
def test_a_full_pipe_loses_lines_and_does_not_block(pipe):
    reader, sink, size = pipe
    assert write(sink, "lost") == 1
    assert sink.reason == "nobody reads it"
    assert os.read(reader, size) == b"x" * size
    assert write(sink, "kept") == 0
    assert os.read(reader, 100) == b"kept\n"


@pytest.mark.timeout(10)
def test_a_pipe_takes_what_it_has_room_for(pipe):
    """In pieces that other writers do not come between."""
    reader, sink, size = pipe
    os.read(reader, size)
    lines = [f"{nr:01023}" for nr in range(200)]
    lost = write(sink, *lines)
    assert lost == 200 - size // 1024
    assert os.read(reader, size).decode().splitlines() == lines[: 200 - lost]


def test_a_pipe_that_is_read_gets_time_for_it_where_a_thread_writes(pipe):
    reader, sink, size = pipe
    sink.patience.seconds = 60
    lines = ["x" * 99 for _ in range(20_000)]
    read = bytearray()

    def read_all():
        while len(read) < size + 100 * len(lines):
            read.extend(os.read(reader, 65536))

    thread = threading.Thread(target=read_all)
    thread.start()
    assert write(sink, *lines) == 0
    thread.join()
    assert read[size:].count(b"\n") == len(lines)


def test_a_pipe_that_nobody_reads_is_waited_for_once(pipe):
    reader, sink, size = pipe
    sink.patience.seconds = 0.05
    assert write(sink, "one") == 1
    sink.patience.seconds = 600
    assert write(sink, "two", "three") == 2
    assert sink.reason == "nobody reads it"
    os.read(reader, size)
    assert write(sink, "four") == 0
    assert os.read(reader, size) == b"four\n"


def test_a_pipe_without_a_reader_loses_lines():
    reader, writer = os.pipe()
    sink = DescriptorSink(writer)
    os.close(reader)
    assert write(sink, "lost") == 1
    sink.close()
    assert sink.reason == "Broken pipe"


def test_a_full_disk_loses_lines():
    sink = DescriptorSink(os.open("/dev/full", os.O_WRONLY))
    assert write(sink, "lost", "lost") == 2
    sink.close()
    assert sink.reason == "No space left on device"


# What was there before, how much of "one\ntwo\n" fits, how many lines are lost, and what is there when all fits.
TORN = {0: (2, "three\n"), 2: (2, "on\nthree\n"), 4: (1, "one\nthree\n"), 6: (1, "one\ntw\nthree\n")}


@pytest.mark.parametrize(("fits", "expected"), TORN.items())
def test_a_disk_that_fills_up_in_the_middle_tears_no_later_line(open_file, tmp_path, monkeypatch, fits, expected):
    sink = open_file()
    real = sink._send
    with monkeypatch.context() as patched:
        patched.setattr(sink, "_send", lambda data: real(data[:fits]) if fits else 0)
        assert write(sink, "one", "two") == expected[0]
        patched.setattr(sink, "_send", lambda data: 0)
        assert write(sink, "lost") == 1
    assert write(sink, "three") == 0
    assert (tmp_path / "log").read_text() == expected[1]


def test_standard_output_is_not_closed(streams):
    open_sink("stdout", streams).close()
    assert os.fstat(1)


def test_a_stream_that_is_closed_is_no_log(streams):
    os.close(2)
    streams.copy()
    with pytest.raises(LogError, match="stderr: it is closed"):
        open_sink("stderr", streams)


# The journal


@pytest.fixture
def journal(streams, monkeypatch):
    """The other end of what is standard error, and named as the journal."""
    ours, its = socket.socketpair()
    os.dup2(its.fileno(), 2)
    status = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    streams.copy()
    yield ours
    ours.close()
    its.close()


@pytest.mark.parametrize(("level", "number"), [("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3)])
def test_the_journal_is_told_how_much_a_line_matters(journal, streams, level, number):
    sink = open_sink("stderr", streams)
    assert sink.is_dated
    assert sink.write([("one", Level[level]), ("two", Level[level])]) == 0
    assert journal.recv(100) == f"<{number}>one\n<{number}>two\n".encode()
    sink.close()


def test_another_stream_is_not_the_journal(journal, streams, tmp_path):
    with (tmp_path / "out").open("wb") as out:
        os.dup2(out.fileno(), 1)
        streams.copy()
    sink = open_sink("stdout", streams)
    assert not sink.is_dated
    write(sink, "line")
    sink.close()
    assert (tmp_path / "out").read_text() == "line\n"


@pytest.mark.timeout(10)
def test_a_journal_that_does_not_read_blocks_nobody(journal, streams):
    sink = open_sink("stderr", streams)
    lost = 0
    for _ in range(10_000):
        lost += write(sink, "x" * 1000)
    sink.close()
    assert lost
    assert sink.reason == "nobody reads it"
