"""Text and bytes of file names and arguments: UTF-8, whatever the locale says.

Rule: a capsule's files are named in UTF-8, as its URLs are; a process whose Python goes by another encoding can't open
them, nor the paths of its configuration. What is for a terminal alone stays in the locale's encoding.
"""

import locale
import os
import sys

_VARIABLE = "PYTHONUTF8"  # python(1)


def has_utf8() -> bool:
    """Whether Python takes file names and arguments for UTF-8."""
    return sys.getfilesystemencoding() == "utf-8"


def start_again_in_utf8() -> str | None:
    """Run this program anew in Python's UTF-8 mode, unless it has UTF-8 already; why that can't be done, if so."""
    if has_utf8():
        return None
    if not sys.flags.ignore_environment and sys.executable:
        os.environ[_VARIABLE] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    return f"file names have to be UTF-8, and here they are {sys.getfilesystemencoding()}: set LC_ALL=C.UTF-8"


def print_in_locale() -> None:
    """Have standard output and error use the locale's encoding, with escapes for what it lacks."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding=locale.getencoding(), errors="backslashreplace")  # type: ignore[union-attr]


def decode_typed(text: str) -> str:
    """An argument as it was typed at a terminal whose encoding is the locale's, where it is not UTF-8."""
    raw = os.fsencode(text)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(locale.getencoding(), "surrogateescape")
