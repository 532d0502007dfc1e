import pytest

from gemd.gemctl.answers import explain_header, show_header
from gemd.gemctl.gemini_client import Header
from gemd.gemctl.target import parse_target

PAGE = parse_target("gemini://h/a/b?c")


def test_a_header_as_it_is_shown(capsys):
    show_header(Header(51, ""))
    show_header(Header(40, "a\x1bb"))
    assert capsys.readouterr() == ("", "51\n40 a\\x1bb\n")


EXPLANATIONS = {
    "input": (Header(10, "Who?"), ["it asks: Who?", "to answer: gemctl fetch 'gemini://h/a/b?your%20answer'"]),
    "moved": (Header(31, "../c"), ["moved for good to gemini://h/c"]),
    "certificate": (Header(60, "Who?"), ["it wants a client certificate: --cert FILE --key FILE"]),
    "another": (Header(61, "Not you"), []),
    "success": (Header(20, "text/gemini"), []),
}


@pytest.mark.parametrize(("header", "lines"), EXPLANATIONS.values(), ids=EXPLANATIONS)
def test_what_to_do_about_an_answer(header, lines):
    assert explain_header(header, PAGE) == lines
