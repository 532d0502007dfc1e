"""Settings as lines of TOML.

Rule: a value is one line, but for a list of tables, and has no character as itself that could do harm on a terminal.
"""

import json
import re
from collections.abc import Mapping, Sequence

from gemd.gemctl.terminal import escape

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def write_setting(key: str, value: object) -> str:
    """What gives this value, a text, number, boolean, list or table, to a key."""
    if isinstance(value, list) and len(value) > 1 and all(isinstance(each, Mapping) for each in value):
        entries = "".join(f"  {write_value(each)},\n" for each in value)
        return f"{_write_key(key)} = [\n{entries}]"
    return f"{_write_key(key)} = {write_value(value)}"


def write_value(value: object) -> str:
    """The value alone, a table within braces."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _write_text(value)
    if isinstance(value, Mapping):
        return f"{{ {', '.join(write_setting(str(key), each) for key, each in value.items())} }}" if value else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(write_value, value))}]"
    assert isinstance(value, int | float)
    return str(value)


def _write_key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _write_text(key)


def _write_text(text: str) -> str:
    """A basic string, whose escapes are those of JSON and one for what has more than four digits."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(each if escape(each) == each else _escape(ord(each)) for each in written)


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
