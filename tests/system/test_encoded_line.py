import pytest

from gemd.system.encoded_line import MAX_LINE, encode_line


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_that_fits_stays_as_it_is(end):
    text = "x" * (MAX_LINE - len(end))
    assert encode_line(text, end) == text.encode() + end


@pytest.mark.parametrize("end", [b"\n", b""])
def test_one_that_does_not_is_cut(end):
    line = encode_line("x" * (MAX_LINE + 1), end)
    assert len(line) == MAX_LINE
    assert line.endswith(b"x ..." + end)


def test_no_half_of_a_character_is_left():
    line = encode_line("x" + "\N{SNOWMAN}" * MAX_LINE)
    assert len(line) <= MAX_LINE
    assert line.decode().endswith("\N{SNOWMAN} ...\n")


def test_octets_that_are_no_text_are_escapes():
    assert encode_line("a\udcffb") == b"a\\udcffb\n"
