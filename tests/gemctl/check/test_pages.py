"""What is wrong with a page."""

import pytest

from gemd.gemctl.check.pages import judge_page

URL = "gemini://h/a"
MANY = b"# A\n=> a\n=> b\n=> c\n"


def judge(media_type, octets, url=URL, *, is_whole=True):
    judged = judge_page(media_type, url, octets, is_whole=is_whole)
    return [(rule.name, outcome.kind.value, outcome.text) for rule, outcome in judged]


RIGHT = {
    "gemtext": ("text/gemini; lang=en", b"# A\n", "/a.gmi"),
    "in another charset": ("text/gemini; charset=iso-8859-1", b"# A \xe9\n", "/a.gmi"),
    "text": ("text/plain", "é\n".encode(), "/a.txt"),
    "markup in a text": ("text/plain", b"# A\n=> a\n", "/a.txt"),
    "image": ("image/png", b"\x89PNG\r\n\x1a\n", "/a.png"),
    "any octets": ("application/octet-stream", b"\0\xff", "/a"),
    "markdown": ("text/markdown", MANY, "/a.md"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_a_page_that_is_right(case):
    media_type, octets, path = RIGHT[case]
    assert judge(media_type, octets, f"gemini://h{path}") == []


WRONG = {
    "no title": ("text/gemini", b"hello\n## Two\n", "/", [("title", "fault", "it has no title")]),
    "title in preformatted text": ("text/gemini", b"```\n# A\n```\n", "/", [("title", "fault", "it has no title")]),
    "empty": ("text/gemini", b"", "/", [("empty-page", "fault", "it is empty")]),
    "Latin-1": ("text/gemini", b"# A\n\xe9\n", "/",
                [("charset", "fault", "it is not UTF-8: line 2 has the octet 0xe9")]),
    "Latin-1, said otherwise": ('text/plain; charset="UTF-8"', b"\xe9", "/",
                                [("charset", "fault", "it is not UTF-8: line 1 has the octet 0xe9")]),
    "PNG": ("text/plain", b"\x89PNG\r\n\x1a\n", "/",
            [("type", "fault", "it is a PNG image, and said to be text/plain")]),
    "WebP": ("text/gemini", b"RIFF", "/",
             [("type", "fault", "it is a RIFF file, such as WebP, and said to be text/gemini")]),
    "NUL": ("text/gemini", b"# A\0", "/", [("type", "fault", "it is no text, and said to be text/gemini")]),
    "gemtext as text": ("text/plain", b"# A\n", "/a.gmi",
                        [("type", "fault", "it is called as gemtext is, and said to be text/plain")]),
    "gemtext as octets": ("application/octet-stream", b"# A\n", "/a.GEMINI?x",
                          [("type", "fault", "it is called as gemtext is, and said to be application/octet-stream")]),
    "what looks like gemtext": ("text/plain; charset=utf-8", MANY, "/a.txt",
                                [("type", "note",
                                  "it looks like gemtext, and is said to be text/plain; charset=utf-8")]),
    "no media type": ("gemtext", b"# A\n", "/", [("media-type", "fault", '"gemtext" is none')]),
    "a mark": ("text/gemini", b"\xef\xbb\xbf# A\n", "/",
               [("byte-order-mark", "note", "it begins with a byte order mark")]),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_page_that_is_wrong(case):
    media_type, octets, path, expected = WRONG[case]
    assert judge(media_type, octets, f"gemini://h{path}") == expected


def test_nothing_is_said_of_what_was_not_read():
    assert judge("text/gemini", "é".encode()[:1], is_whole=False) == []
    assert judge("text/gemini", b"\xff", is_whole=False) != []
