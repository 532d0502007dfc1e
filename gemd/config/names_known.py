"""Names that others have registered, as far as they can be told from mistakes: charsets and languages.

Rule: what is right by its form and known to nobody here is a mistake, for no client could do anything with it.
"""

import codecs
import re

_CHARSET = re.compile(r"[A-Za-z0-9!#$%&'+^_`{}~.:-]+")  # RFC 2978, 2.3, and what was registered before it
# RFC 5646, 2.1: a code of ISO 639, or a tag of one's own or from before it; no language has a longer one.
_LANGUAGE = r"(?:[A-Za-z]{2,3}|[iIxX](?=-))(?:-[A-Za-z0-9]{1,8})*"
_LANGUAGES = re.compile(f"{_LANGUAGE}(?:,{_LANGUAGE})*")
# What Python has codecs for, and is no charset of text that is sent.
_NO_CHARSETS = frozenset({"idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
# Registered with IANA, or on their way there, and unknown to Python.
_OTHERS = frozenset(
    {"bocu-1", "cesu-8", "iso-8859-6-e", "iso-8859-6-i", "iso-8859-8-e", "iso-8859-8-i", "iso-10646-ucs-2"}
    | {"iso-10646-ucs-4", "scsu", "tscii", "viscii", "x-user-defined"}
)


def is_charset(name: str) -> bool:
    """Whether a name is that of a charset."""
    if not _CHARSET.fullmatch(name):
        return False
    if name.lower() in _OTHERS:
        return True
    try:
        found = codecs.lookup(name)
        "".encode(name)  # which has to make octets of text
    except (LookupError, ValueError):
        return False
    return found.name.replace("_", "-") not in _NO_CHARSETS


def is_languages(text: str) -> bool:
    """Whether a text is a language tag, or several with commas between."""
    return _LANGUAGES.fullmatch(text) is not None
