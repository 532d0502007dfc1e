"""Patterns for the paths of files, as a `.meta` file has them.

Rules: `*` stands for any characters of a name, `?` for one, `[abc]`, `[a-c]` and `[!abc]` for one of these or one of
all others, and the name `**` for any number of names; a dot at the beginning of a name has to be written. No pattern
takes longer than its length times that of the path.
"""

import re

MAX_PATTERN = 255  # characters

_CLASS = re.compile(r"\[(!?)(\]?[^\]]*)\]")  # a bracket that comes first is one of the characters
_TOKEN = re.compile(rf"{_CLASS.pattern}|(\*)|(\?)|([^\[*?]+)")
_SEVERAL = "**"
_NAME = r"(?!\.)[^/]+"  # that wildcards stand for


def check_pattern(pattern: str) -> None:
    """Raise ValueError for what is none; the text says what was expected."""
    if not pattern or len(pattern) > MAX_PATTERN:
        raise ValueError(f"expected a pattern of 1 to {MAX_PATTERN} characters before the colon")
    for name in pattern.split("/"):
        if name in ("", ".", ".."):
            raise ValueError("expected a path below the directory, without a slash at its beginning and without dots")
        if _SEVERAL in name and name != _SEVERAL:
            raise ValueError("** stands for names, and has to be alone between slashes")
        if "[" in _CLASS.sub("", name):
            raise ValueError("there is a bracket without its end")


def is_glob(pattern: str) -> bool:
    """Whether it may match several paths."""
    return any(character in pattern for character in "*?[")


def translate_pattern(pattern: str) -> str:
    """A regular expression that matches what the pattern does. Between stars it never tries again what once matched,
    since the earliest match leaves the most to the others."""
    names = pattern.split("/")
    if names[-1] == _SEVERAL:
        names.append("*")
    parts, chunk = [], ""
    for number, name in enumerate(names):
        if name == _SEVERAL:
            parts.append(chunk)
            chunk = ""
        else:
            chunk += _translate_name(name) + ("/" if number < len(names) - 1 else "")
    several = rf"(?:{_NAME}/)*"
    between = "".join(rf"(?>{several}?{part})" for part in parts[1:])
    return parts[0] + between + several + chunk if parts else chunk


def _translate_name(name: str) -> str:
    """The same for one name. Stars at its end may be tried again, and then once for each character."""
    parts = [""]
    for token in _TOKEN.finditer(name):
        negation, characters, star, question, literal = token.groups()
        if star:
            parts.append("")
        elif literal:
            parts[-1] += re.escape(literal)
        else:
            parts[-1] += "[^/]" if question else _translate_class(bool(negation), characters)
    begin = "" if name.startswith(".") or not is_glob(name[:1]) else r"(?!\.)"
    if len(parts) == 1:
        return begin + parts[0]
    first, *middle, last = parts
    if not first and not middle and not last:
        return _NAME
    between = "".join(f"(?>[^/]*?{part})" for part in middle)
    return f"{begin}{first}{between}[^/]*{last}"


def _translate_class(is_negated: bool, characters: str) -> str:
    """Ranges are those between a character, a hyphen and another one."""
    ranges, at = [], 0
    while at < len(characters):
        if characters[at + 1 : at + 2] == "-" and at + 2 < len(characters):
            low, high = characters[at], characters[at + 2]
            if low <= high:
                ranges.append(f"{re.escape(low)}-{re.escape(high)}")
            at += 3
        else:
            ranges.append(re.escape(characters[at]))
            at += 1
    if not ranges:
        return "[^/]" if is_negated else r"(?!)"
    return f"[^/{''.join(ranges)}]" if is_negated else f"[{''.join(ranges)}]"
