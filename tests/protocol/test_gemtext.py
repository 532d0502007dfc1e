from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.gemtext import heading, link


@given(st.text())
def test_any_text_stays_in_its_line(text):
    for line, start in [(heading(text, 2), "## "), (link("/a", text), "=> /a")]:
        assert line.startswith(start)
        assert line.endswith("\n")
        assert len(line.splitlines()) == 1


@given(st.text(st.characters() | st.sampled_from("\udcff\ud800")))
def test_any_text_can_be_sent(text):
    assert len(heading(text).encode()) >= len(text)


def test_a_link_without_a_label_has_no_blank_at_its_end():
    assert link("/a") == "=> /a\n"


def test_direction_can_not_be_turned_around():
    assert heading("a\u202egpj.exe\u2066\u200f") == "# a\ufffdgpj.exe\ufffd\ufffd\n"
