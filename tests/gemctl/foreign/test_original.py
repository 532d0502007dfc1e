"""What is read, and what can't be."""

import io
import sys

import pytest

from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.foreign.original import Spot, mistake, read_original


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


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"abc")))
    assert read_original("-") == "abc"
