import fcntl
import os
import stat

import pytest

from gemd.system.sinks import DescriptorSink, LogError, NoSink, open_sink
from tests.conftest import need_root


@pytest.fixture
def pipe():
    """A pipe that is full, and the sink that writes to it."""
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
    assert os.write(writer, b"x" * size) == size
    yield reader, DescriptorSink(writer, owned=False), size
    os.close(reader)
    os.close(writer)


def test_a_line_is_appended(tmp_path):
    path = tmp_path / "log"
    path.write_text("before\n")
    sink = open_sink(str(path))
    sink.write("müde")
    sink.close()
    assert path.read_text() == "before\nmüde\n"


def test_a_new_file_is_not_for_everybody(tmp_path):
    open_sink(str(tmp_path / "log")).close()
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) & ~0o640 == 0


def test_a_stray_octet_costs_nothing(tmp_path):
    sink = open_sink(str(tmp_path / "log"))
    sink.write("a\udcffb")
    sink.close()
    assert (tmp_path / "log").read_text() == "a\\udcffb\n"


@pytest.mark.parametrize("length", [4094, 4095, 4096, 100_000])
def test_a_long_line_is_cut_to_what_is_never_mixed(tmp_path, length):
    sink = open_sink(str(tmp_path / "log"))
    sink.write("x" * length)
    sink.write("next")
    sink.close()
    first, second = (tmp_path / "log").read_text().splitlines()
    assert len(first) + 1 <= 4096
    assert first.endswith(" ...") == (length > 4095)
    assert second == "next"


@pytest.mark.timeout(10)
def test_a_full_pipe_drops_lines_and_does_not_block(pipe):
    reader, sink, size = pipe
    sink.write("lost")
    assert sink.dropped == 1
    assert os.read(reader, size) == b"x" * size
    sink.write("kept")
    assert sink.dropped == 1
    assert os.read(reader, 100) == b"kept\n"


def test_a_pipe_without_a_reader_drops_lines():
    reader, writer = os.pipe()
    sink = DescriptorSink(writer, owned=True)
    os.close(reader)
    sink.write("lost")
    sink.close()
    assert sink.dropped == 1


def test_a_full_disk_drops_lines():
    sink = DescriptorSink(os.open("/dev/full", os.O_WRONLY), owned=True)
    sink.write("lost")
    sink.close()
    assert sink.dropped == 1


def test_standard_output_is_not_closed():
    copy = os.dup(1)
    try:
        open_sink("stdout").close()
        assert os.fstat(1)
    finally:
        os.dup2(copy, 1)
        os.close(copy)


def test_off_goes_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sink = open_sink("off")
    sink.write("x")
    sink.close()
    assert isinstance(sink, NoSink)
    assert not list(tmp_path.iterdir())


def make_link(path):
    path.with_name("target").touch()
    path.symlink_to("target")


def make_nothing(_path):
    pass


TARGETS = {
    "link": (make_link, "Too many levels of symbolic links"),
    "dangling link": (lambda path: path.symlink_to("nothing"), "Too many levels of symbolic links"),
    "directory": (lambda path: path.mkdir(), "Is a directory"),
    "FIFO": (os.mkfifo, "No such device or address"),
    "missing directory": (lambda path: path.parent.rmdir(), "No such file or directory"),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("make", "reason"), TARGETS.values(), ids=TARGETS)
def test_refuses_what_is_no_file_of_its_own(tmp_path, make, reason):
    path = tmp_path / "logs" / "log"
    path.parent.mkdir()
    make(path)
    with pytest.raises(LogError) as caught:
        open_sink(str(path))
    assert str(caught.value) == f"can't open the log {path}: {reason}"


def test_refuses_a_fifo_with_a_reader(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(LogError, match="not a regular file"):
        open_sink(str(path))
    os.close(reader)


def test_refuses_a_device():
    with pytest.raises(LogError, match="/dev/null: it is not a regular file"):
        open_sink("/dev/null")


def test_a_directory_that_everyone_may_write_is_refused(tmp_path):
    tmp_path.chmod(0o1777)
    with pytest.raises(LogError, match="everyone may write in"):
        open_sink(str(tmp_path / "log"))


@need_root
def test_root_refuses_a_directory_of_somebody_else(tmp_path):
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(LogError, match="another user may write in"):
        open_sink(str(tmp_path / "log"))
