"""What is read, and what can't be."""

import io
import os
import sys

import pytest

from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.foreign.original import Spot, find_port, mistake, parse_number, read_original


def test_a_place_is_shown_without_harm():
    assert str(Spot("/etc/a\x1b.conf", 3)) == "/etc/a\\x1b.conf:3"
    assert str(Spot("/etc/a.conf")) == "/etc/a.conf"
    assert Spot("/etc/a.conf", 3).short == "a.conf:3"


def test_a_mistake_has_its_place():
    failure = mistake(Spot("a", 2), "expected \x07")
    assert (failure.lines, failure.code) == (("a:2: expected \\x07",), ExitCode.CONFIGURATION)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"a\nb\xff\n", ":2: is not UTF-8"),
        (b"a\n\n\0", ":3: has a NUL"),
        (b"#" * (1 << 20) + b"#", "has more than 1048576 bytes"),
        (None, "can't be read: No such file or directory"),
    ],
)
def test_what_is_no_configuration(content, fault, tmp_path):
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(Failure, match=fault):
        read_original(str(tmp_path / "a"))


def test_lines_of_other_systems(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfa\r\nb")
    assert read_original(str(tmp_path / "a")) == "a\nb"


def test_a_pipe_that_nobody_writes_to(tmp_path):
    os.mkfifo(tmp_path / "a")
    assert read_original(str(tmp_path / "a")) == ""


def test_a_pipe_as_a_shell_makes_one():
    reading, writing = os.pipe()
    os.write(writing, b"abc")
    os.close(writing)
    assert read_original(f"/dev/fd/{reading}") == "abc"
    os.close(reading)


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"abc")))
    assert read_original("-") == "abc"


@pytest.mark.parametrize("text", ["", "-1", "+1", "1_0", "٣", "²", "1.0", "9" * 10, "9" * 5000])
def test_no_number(text):
    with pytest.raises(ValueError, match="expected a number"):
        parse_number(text)


def test_ports():
    assert [find_port(Spot("a"), text) for text in ("1", "0080", "domain", "65535")] == [1, 80, 53, 65535]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("0", "a:3: expected a port up to 65535, not 0"),
        ("65536", "not 65536"),
        ("no-such", "a:3: no service is called no-such here"),
        ("١", "no service is called ١ here"),
        ("9" * 5000, "no service is called 9999"),
        ("a\ud800", "no service is called"),
    ],
)
def test_no_port(text, fault):
    with pytest.raises(Failure, match=fault):
        find_port(Spot("a", 3), text)
