"""Regular expressions for paths, as Molly Brown has them, and the patterns of redirects that say the same.

Rule: what an expression could match beyond that is told, never guessed.
"""

import re
from collections.abc import Iterable
from urllib.parse import quote

import msgspec

_PART = re.compile(
    r"(?P<open>\((?:\?P?<(?P<name>\w+)>|\?:)?)"
    r"|(?P<any>\.[*+]\??)"
    r"|(?P<some>(?:\[\^/\]|\[[\w-]+\]|\\w|\\d)[*+]\??)"
    r"|(?P<one>\.)"
    r"|\\(?P<escaped>[^\w\s])"
    r"|(?P<literal>[^\\.*+?()\[\]{}|^$])"
)
_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")
_NAME = re.compile(r"[^\W\d][\w]*")
_IN_A_PATH = "/~!$&'()*+,;=:@"  # RFC 3986, 3.3, besides letters, digits and -._


class Hole(msgspec.Struct):
    """What may be different: within a name, or with `is_any` also several names. `groups` are what it is called."""

    groups: tuple[str, ...] = ()
    is_any: bool = False
    is_one: bool = False
    is_free: bool = True  # whether any characters will do


class Expression(msgspec.Struct):
    """One of them, in parts: texts that stand for themselves, and holes."""

    parts: list[str | Hole]
    is_begun: bool
    is_ended: bool

    @property
    def beginning(self) -> str:
        """The text that each match begins with, if it begins with one."""
        first = self.parts[0] if self.parts else ""
        return first if isinstance(first, str) else ""


def parse_expression(text: str) -> Expression:
    """Raises ValueError, which says what can't be told by anything else."""
    body = text.removeprefix("^")
    is_ended = body.endswith("$") and not body.endswith("\\$")
    body = body[:-1] if is_ended else body
    parts: list[str | Hole] = []
    groups, place = 0, 0
    while place < len(body):
        match = _PART.match(body, place)
        if match is None:
            raise ValueError(f"{body[place:][:20]!r} has no counterpart in patterns")
        place = match.end()
        if match["open"] is None:
            _add(parts, match, ())
            continue
        names: tuple[str, ...] = ()
        if match["open"] != "(?:":
            groups += 1
            names = (str(groups), match["name"]) if match["name"] else (str(groups),)
        inner = _PART.match(body, place)
        if inner is None or inner["open"] is not None or body[inner.end() : inner.end() + 1] != ")":
            raise ValueError("a group with more than one part has no counterpart in patterns")
        place = inner.end() + 1
        if body[place : place + 1] in tuple("*+?{"):
            raise ValueError("a group that is repeated has no counterpart in patterns")
        _add(parts, inner, names)
    return Expression(parts, text.startswith("^"), is_ended)


def _add(parts: list[str | Hole], match: re.Match[str], groups: tuple[str, ...]) -> None:
    if match["any"] or match["some"]:
        is_free = bool(match["any"]) or match["some"].startswith("[^")
        parts.append(Hole(groups, is_any=bool(match["any"]), is_free=is_free))
    elif match["one"]:
        parts.append(Hole(groups, is_one=True))
    else:
        literal = match["escaped"] or match["literal"]
        if groups:
            raise ValueError("a group of fixed text has no counterpart in patterns")
        if parts and isinstance(parts[-1], str):
            parts[-1] += literal
        else:
            parts.append(literal)


class Rewrite(msgspec.Struct):
    """A redirect by a pattern, with what is not the same about it."""

    match: str
    to: str
    remarks: list[str]


def make_redirect(expression: Expression, target: str) -> Rewrite:
    """The redirect that replaces what matches by `target`. Raises ValueError where there is none."""
    expression = _join_dots(expression)
    remarks = []
    if not expression.beginning.startswith("/"):
        raise ValueError("it may begin anywhere in a path, and a pattern is for a whole one")
    if not expression.is_begun:
        remarks.append("The expression was also found further behind in longer paths, where nothing is redirected now.")
    parts = expression.parts
    last = parts[-1]
    tail = ""
    if isinstance(last, Hole) and last.is_any:
        parts, tail = parts[:-1], "rest"
    elif not expression.is_ended and isinstance(last, str) and "." in last.rsplit("/", 1)[-1]:
        remarks.append("What is longer than this path was redirected as well.")
    elif not expression.is_ended:
        tail, target = "rest", target.rstrip("/") + "/${rest}"
        last = Hole(("rest",), is_any=True)
    if any(isinstance(part, Hole) and part.is_any for part in parts):
        raise ValueError("a part that may have slashes is followed by others, and in a pattern it is the last one")
    if any(isinstance(part, Hole) and not part.is_free for part in parts):
        remarks.append("Names in braces stand for any characters, the expression for some alone.")
    if tail and not str(parts[-1]).endswith("/"):
        if isinstance(parts[-1], Hole):
            raise ValueError("what follows a part that may differ can't be a part of the same name")
        if expression.is_ended or isinstance(expression.parts[-1], Hole):
            remarks.append("It is for whole names: what only begins with the last one is not redirected.")
    names = {group: f"part{hole.groups[0]}" for hole in parts if isinstance(hole, Hole) for group in hole.groups}
    if tail and isinstance(last, Hole):
        names |= dict.fromkeys(last.groups, "rest")
    to = _write_target(target, names, has_slash=str(parts[-1]).endswith("/"))
    used = set(re.findall(r"\{(\w+)\}", to))
    match = "".join(_write_part(part, used) for part in parts)
    if tail:
        match = match.rstrip("/") + ("/{rest...}" if "rest" in used else "/{...}")
    return Rewrite(match, to, remarks)


def _join_dots(expression: Expression) -> Expression:
    """The same with each lone dot as a dot: in a name such as file.gmi nobody means more."""
    parts = expression.parts
    joined = join_parts("." if isinstance(part, Hole) and part.is_one and not part.groups else part for part in parts)
    return Expression(joined, expression.is_begun, expression.is_ended)


def join_parts(parts: Iterable[str | Hole]) -> list[str | Hole]:
    """These with texts that follow each other as one."""
    joined: list[str | Hole] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return joined


def _write_part(part: str | Hole, used: set[str]) -> str:
    if isinstance(part, str):
        return part.replace("{", "{{").replace("}", "}}")
    name = f"part{part.groups[0]}" if part.groups else ""
    return f"{{{name}}}" if name in used else "{}"


def _write_target(target: str, names: dict[str, str], *, has_slash: bool) -> str:
    """The template of the target, percent-encoded; a reference to what is not there is nothing, as in Go."""
    is_url = target.startswith("gemini://")
    written, place = "", 0
    for match in _REFERENCE.finditer(target):
        written += _encode(target[place : match.start()], is_url=is_url)
        place = match.end()
        name = names.get(match[2] or match[3] or "")
        if match[1]:
            written += "$"
        elif name == "rest" and not has_slash:
            written = written.rstrip("/") + "/{rest}"
        elif name is not None:
            written += f"{{{name}}}"
    written += _encode(target[place:], is_url=is_url)
    if not is_url and not written.startswith("/"):
        raise ValueError("the target begins with no slash")
    return written


def _encode(text: str, *, is_url: bool) -> str:
    return quote(text, safe=_IN_A_PATH + "%?" if is_url else _IN_A_PATH)
