"""What is wrong with one page, by its type, its name and its octets.

Rules: any octets are a page; of one that was not read to its end nothing is said that its rest could change.
"""

import codecs
import re
from collections.abc import Iterator

from gemd.gemctl.check.finding import SPECIFICATION, CheckOutcome, Rule, fault, note
from gemd.protocol.headings import decode_page, has_title
from gemd.protocol.mime import is_gemtext, is_media_type

_CHARSET = re.compile(r';\s*charset\s*=\s*"?(?P<name>[^";]*)"?', re.IGNORECASE)
_EXTENSIONS = (".gmi", ".gemini")
_LINK_LINE = re.compile(r"^=>[ \t]*\S", re.MULTILINE)
_MOST_MARKUP = 2  # links in a plain text
# How files begin that are no text.
_SIGNS = {
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF87a": "a GIF image",
    b"GIF89a": "a GIF image",
    b"RIFF": "a RIFF file, such as WebP",
    b"%PDF-": "a PDF file",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip file",
    b"OggS": "an Ogg file",
    b"ID3": "an MP3 file",
}
_SUCCESS, _GEMTEXT = f'{SPECIFICATION}, "Success"', "gemtext specification 0.24.1"
_MEND_TYPE = "its type follows from its name by `mime`, or from a description in .meta"

TITLE = Rule("title", "a heading of the first level", _GEMTEXT, 'begin the page with "# " and its title')
EMPTY = Rule("empty-page", "a page with something in it", _SUCCESS, "fill the page, or take it and its links out")
TYPE = Rule("type", "the type of what the page is", _SUCCESS, _MEND_TYPE)
MEDIA_TYPE = Rule("media-type", "a media type such as text/gemini", _SUCCESS, _MEND_TYPE)
UTF8 = Rule("charset", "octets in the charset that is said, UTF-8 if none is", _SUCCESS,
            "save the page as UTF-8, or say its charset")  # fmt: skip
BOM = Rule("byte-order-mark", "a text without a byte order mark", _GEMTEXT,
           "save the page without it: some clients take the first line for plain text")  # fmt: skip


def judge_page(media_type: str, url: str, octets: bytes, *, is_whole: bool) -> Iterator[tuple[Rule, CheckOutcome]]:
    """What is wrong with a page at `url` that begins with these octets, or is them."""
    if not is_media_type(media_type):
        yield MEDIA_TYPE, fault(f'"{media_type}" is none')
        return
    if not octets:
        yield EMPTY, fault("it is empty")
        return
    if media_type[:5].lower() != "text/":
        yield from _judge_name(media_type, url)
        return
    sign = next((what for start, what in _SIGNS.items() if octets.startswith(start)), None)
    if sign is not None or b"\0" in octets:
        yield TYPE, fault(f"it is {sign or 'no text'}, and said to be {media_type}")
        return
    charset = _CHARSET.search(media_type)
    if charset is None or charset["name"].strip().lower() in ("utf-8", "utf8", "us-ascii"):
        yield from _judge_utf8(octets, is_whole=is_whole)
    text = decode_page(octets)
    if is_gemtext(media_type):
        if is_whole and not has_title(text):
            yield TITLE, fault("it has no title")
    else:
        yield from _judge_name(media_type, url)
        yield from _judge_markup(media_type, url, text)


def _judge_name(media_type: str, url: str) -> Iterator[tuple[Rule, CheckOutcome]]:
    if url.partition("?")[0].lower().endswith(_EXTENSIONS):
        yield TYPE, fault(f"it is called as gemtext is, and said to be {media_type}")


def _judge_markup(media_type: str, url: str, text: str) -> Iterator[tuple[Rule, CheckOutcome]]:
    """Whether a plain text is gemtext, as far as that can be told."""
    is_called_so = url.partition("?")[0].lower().endswith(_EXTENSIONS)
    if media_type.partition(";")[0].strip().lower() != "text/plain" or is_called_so:
        return
    if has_title(text) and len(_LINK_LINE.findall(text)) > _MOST_MARKUP:
        yield TYPE, note(f"it looks like gemtext, and is said to be {media_type}")


def _judge_utf8(octets: bytes, *, is_whole: bool) -> Iterator[tuple[Rule, CheckOutcome]]:
    if octets.startswith(codecs.BOM_UTF8):
        yield BOM, note("it begins with a byte order mark")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(octets, final=is_whole)
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        yield UTF8, fault(f"it is not UTF-8: line {line} has the octet {octets[error.start]:#04x}")
