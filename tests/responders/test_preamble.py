import os

import pytest

from gemd.config.host_settings import Location
from gemd.responders.preamble import MAX_SIZE, read_preamble
from gemd.responders.protection import Protection
from gemd.responders.viewer import Viewer
from gemd.system.beneath import open_root
from tests.support.descriptors import open_descriptors

from .asking import peer


@pytest.fixture
def read(tmp_path):
    """What is read of a file with these octets, or of what the test has made."""

    def read(octets=None, name="head"):
        if octets is not None:
            (tmp_path / name).write_bytes(octets)
        viewer = Viewer(Protection({}), Location(root=str(tmp_path)), peer())
        root, before = open_root(str(tmp_path)), open_descriptors()
        try:
            return read_preamble(root, [name], viewer)
        finally:
            assert open_descriptors() == before
            os.close(root)

    return read


TEXTS = {
    "as it is": (b"# A\n\n=> /b b\n", "# A\n\n=> /b b\n"),
    "without a line end": (b"a", "a\n"),
    "CR LF": (b"a\r\nb\r\n", "a\nb\n"),
    "byte order mark": (b"\xef\xbb\xbf# A\n", "# A\n"),
    "no UTF-8": (b"\xff\n", "\N{REPLACEMENT CHARACTER}\n"),
    "empty": (b"", ""),
    "preformatted": (b"```\na\n```\n", "```\na\n```\n"),
    "preformatted to the end": (b"```\na", "```\na\n```\n"),
}


@pytest.mark.parametrize(("octets", "text"), TEXTS.values(), ids=TEXTS)
def test_texts(read, octets, text):
    assert read(octets) == text


def test_it_is_bounded_by_whole_lines(read):
    line = b"x" * 99 + b"\n"
    assert read(line * 1000) == (line * (MAX_SIZE // 100)).decode()
    assert read(line * (MAX_SIZE // 100)) == (line * (MAX_SIZE // 100)).decode()
    assert read(b"x" * (MAX_SIZE + 1)) == ""


@pytest.mark.timeout(10)
def test_what_is_no_file_is_none(read, tmp_path):
    assert read() == ""
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "out").symlink_to("/etc/passwd")
    (tmp_path / "device").symlink_to("/dev/zero")
    assert [read(name=name) for name in ("directory", "fifo", "out", "device")] == [""] * 4


def test_a_link_that_would_be_served_is_read(read, tmp_path):
    (tmp_path / "link").symlink_to("head")
    read(b"text\n")
    assert read(name="link") == "text\n"
