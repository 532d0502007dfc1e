"""Media types as META carries them (RFC 2045, 5.1; specification 0.24.1, "Success")."""

import re
from collections.abc import Mapping

UNKNOWN = "application/octet-stream"
GEMTEXT = "text/gemini"

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_LANGUAGES = re.compile(rf"{_TOKEN.pattern}(?:,{_TOKEN.pattern})*")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+( *;.*)?")
_PARAMETER = r' *; *{} *=(?: *"(?:[^"\\]|\\.)*"|[^;]*)'
_CHARSET = re.compile(_PARAMETER.format("charset"), re.IGNORECASE)
_LANG = re.compile(_PARAMETER.format("lang"), re.IGNORECASE)


def guess_type(name: str, *tables: Mapping[str, str]) -> str:
    """The media type of a file called `name`; a table maps lower-case extensions, with their dot, to types.

    The first table that knows the extension decides, then the first that has "*", for everything else. The last
    extension counts, so that "notes.txt.gz" is what its octets are: gzip.
    """
    dot = name.rfind(".")
    extension = name[dot:].lower() if dot > 0 else "*"
    for key in (extension, "*"):
        for table in tables:
            if key in table:
                return table[key]
    return UNKNOWN


def add_parameters(media_type: str, *, lang: str | None, charset: str | None, is_forced: bool = False) -> str:
    """`media_type` with charset (any text) and lang (gemtext only) where it has none of its own; a charset that
    `is_forced` takes the place of its own."""
    if charset and media_type[:5].lower() == "text/":
        if is_forced and ";" in media_type:
            media_type = _CHARSET.sub("", media_type)
        if ";" not in media_type or not _CHARSET.search(media_type):
            media_type += f"; charset={quote_parameter(charset)}"
    if lang and is_gemtext(media_type) and not _LANG.search(media_type):
        media_type += f"; lang={write_languages(lang)}"
    return media_type


def append_parameters(media_type: str, parameters: str) -> str:
    """`media_type` with these, which are written as they are, as in ";lang=de", in the place of a charset or language
    of its own."""
    for parameter in (_CHARSET, _LANG):
        if parameter.search(parameters):
            media_type = parameter.sub("", media_type)
    return media_type + parameters


def is_gemtext(media_type: str) -> bool:
    """Whether it is that of gemtext, whatever its parameters."""
    return media_type.partition(";")[0].rstrip().lower() == GEMTEXT


def write_languages(lang: str) -> str:
    """The value of lang. Several languages have a comma between them and no quotes, as in the specification's example
    (gemtext, "Parameters"): text/gemini; lang=en,fr."""
    return lang if _LANGUAGES.fullmatch(lang) else quote_parameter(lang)


def quote_parameter(value: str) -> str:
    """A parameter's value, quoted where it is not a token (RFC 2045, 5.1)."""
    if _TOKEN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_media_type(text: str) -> bool:
    """Whether `text` has the form type/subtype, parameters allowed."""
    return _MEDIA_TYPE.fullmatch(text) is not None and text.isprintable()
