import io
import sys

import pytest

from gemd.gemctl.terminal import BodyWriter, complain


class Output(io.StringIO):
    """Standard output, a terminal or none."""

    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal
        self.buffer = io.BytesIO()

    def isatty(self):
        return self.is_terminal


@pytest.fixture
def write(monkeypatch):
    """What a body in these pieces comes to on a terminal, or as bytes elsewhere."""

    def write(*pieces, is_terminal):
        output = Output(is_terminal)
        monkeypatch.setattr(sys, "stdout", output)
        writer = BodyWriter()
        for piece in pieces:
            writer.write(piece)
        return output.getvalue() if is_terminal else output.buffer.getvalue()

    return write


BODIES = {
    "cursor": ([b"\x1b[2Ja\x07"], "\\x1b[2Ja\\x07"),
    "lines": ([b"a\r\nb\nc\rd\te"], "a\nb\nc\nd\te"),
    "a character in pieces": ([b"m\xc3", b"\xbcde"], "müde"),
    "a line end in pieces": ([b"a\r", b"\nb"], "a\nb"),
    "not UTF-8": ([b"a\xffb"], "a\\xffb"),
    "turned around": (["a\u202eb\u2066".encode()], "a\\u202eb\\u2066"),
    "an emoji of several": (["\U0001f469\u200d\U0001f680".encode()], "\U0001f469\u200d\U0001f680"),
    "invisible": (["a\u200bb".encode()], "a\\u200bb"),
}


@pytest.mark.parametrize(("pieces", "shown"), BODIES.values(), ids=BODIES)
def test_a_body_on_a_terminal(write, pieces, shown):
    assert write(*pieces, is_terminal=True) == shown


@pytest.mark.parametrize("pieces", [pieces for pieces, _ in BODIES.values()], ids=BODIES)
def test_elsewhere_its_very_bytes(write, pieces):
    assert write(*pieces, is_terminal=False) == b"".join(pieces)


def test_each_line_names_the_command(capsys):
    complain("one", "two")
    assert capsys.readouterr().err == "gemctl: one\ngemctl: two\n"


def test_no_complaint_is_more_than_its_line(capsys):
    complain("a\x1b[2Jb\nc\u202ed", r"a\x1b")
    assert capsys.readouterr().err == "gemctl: a\\x1b[2Jb\\x0ac\\u202ed\ngemctl: a\\x1b\n"
