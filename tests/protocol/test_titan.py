import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.errors import BadRequest
from gemd.protocol.titan import parse_upload, without_parameters
from gemd.protocol.upload import Upload
from gemd.protocol.url import parse_url

READ = {
    "size=5;mime=text/gemini;token=hello": Upload(5, "text/gemini", "hello"),
    "mime=text/plain;size=0": Upload(0, "text/plain"),
    "token=a%3Bb%3Dc%20d;size=3": Upload(3, "text/gemini", "a;b=c d"),
    "size=007": Upload(7),
    "size=999999999999999": Upload(999_999_999_999_999),
    "mime=text/plain%3Bcharset=utf-8;size=1": Upload(1, "text/plain;charset=utf-8"),
    "mime=text%2Fplain%3b%20charset%3Dutf-8;size=1": Upload(1, "text/plain; charset=utf-8"),
    "size=1;token=": Upload(1, token=""),
    "size=1;token=a=b/c": Upload(1, token="a=b/c"),
    "size=1;token=a%252Fb+c": Upload(1, token="a%2Fb+c"),
    "size=1;token=%C3%A4": Upload(1, token="ä"),
    "edit": Upload(is_edit=True),
}

REFUSED = {
    "": "says how much it is",
    "mime=text/plain": "size is missing",
    "token=hunter2": "size is missing",
    "size": "size needs a value",
    "size=": "1 to 15 digits",
    "size=abc": "1 to 15 digits",
    "size=+5": "1 to 15 digits",
    "size=-5": "1 to 15 digits",
    "size=1_0": "1 to 15 digits",
    "size= 5": "1 to 15 digits",
    "size=5.0": "1 to 15 digits",
    "size=%35": "1 to 15 digits",
    "size=٥": "1 to 15 digits",
    "size=5\n": "1 to 15 digits",
    "size=1000000000000000": "1 to 15 digits",
    "size=5;size=5": "size is there twice",
    "size=5;token=a;token=b": "token is there twice",
    "edit;edit": "edit is there twice",
    "edit;size=5": "edit stands alone",
    "token=a;edit": "edit stands alone",
    "edit=1": "edit needs no value",
    "edit=": "edit needs no value",
    "Size=5": "in lower case",
    "size=5;TOKEN=hunter2": "in lower case",
    "size=5;%74oken=hunter2": "in lower case",
    "size=5;length=5": "no others",
    "size=5;": "a semicolon too many",
    ";size=5": "a semicolon too many",
    "b/c;size=5": "has to be %3B",
    "size=5;mime=": "no media type",
    "size=5;mime=gemtext": "no media type",
    "size=5;mime=text/plain%0d%0a": "control character",
    "size=5;mime=text/%C3%A4": "no media type",
    "size=5;mime": "mime needs a value",
    "size=5;token": "token needs a value",
    "size=5;token=%FF": "not UTF-8",
    "size=5;token=a%0A": "control character",
    "size=5;token=a%E2%80%AE": "control character",
}


@pytest.mark.parametrize(("parameters", "upload"), READ.items())
def test_reads(parameters, upload):
    assert parse_upload(parameters) == upload


@pytest.mark.parametrize(("parameters", "said"), REFUSED.items())
def test_refuses_each_fault_in_words_of_its_own(parameters, said):
    with pytest.raises(BadRequest) as refusal:
        parse_upload(parameters)
    assert said in refusal.value.meta
    assert refusal.value.status == 59


PIECES = st.sampled_from(["size=", "5", ";", "mime=", "text/plain", "token=", "edit", "=", "%3B", "%", "hunter2"])


@given(st.lists(PIECES).map("".join) | st.text())
def test_any_parameters_are_an_upload_or_a_refusal_that_repeats_none_of_them(parameters):
    said = ""
    try:
        parse_upload(parameters)
    except BadRequest as refusal:
        said = refusal.meta
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ("titan://h/a.gmi;size=1;token=secret", "titan://h/a.gmi"),
        ("titan://h/a;token=x;edit?query;more", "titan://h/a?query;more"),
        ("titan://h/a.gmi", "titan://h/a.gmi"),
    ],
)
def test_the_text_of_a_url_without_its_parameters(sent, left):
    url = without_parameters(parse_url(sent.encode()))
    assert url.text == left
    assert url.parameters == parse_url(sent.encode()).parameters
