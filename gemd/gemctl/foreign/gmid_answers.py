"""What gmid answers by `block return`, as an answer or a redirect.

Rule: what can't be told is no page either: the answer is a refusal then, and a remark says why.
"""

import re
from urllib.parse import quote

import msgspec

from gemd.config.answer_checks import judge_answers
from gemd.config.host_settings import Location
from gemd.config.placement import Placement
from gemd.protocol.response import is_meta
from gemd.protocol.status import DEFINED, REDIRECTS, Status, needs_meta

_SPECIAL = re.compile(r"%(.?)", re.DOTALL)
REFUSAL: dict[str, object] = {"status": 40, "meta": "temporary failure"}  # what gmid says of `block` alone
_SAFE = "/~!$&'()*+,;=:@?%[]#"  # what a URL has (RFC 3986, 2.2), and what is encoded already


class Blocked(msgspec.Struct):
    """A key and its value, and what is not the same about it."""

    key: str
    value: dict[str, object]
    remark: str = ""


class Names(msgspec.Struct, frozen=True):
    """What stands for the host and the port, where there is only one of each."""

    host: str | None
    port: str | None


def make_answer(code: int, meta: str, strip: int, placement: Placement, names: Names) -> Blocked:
    """The answer of a location."""
    if 30 <= code <= 39:
        return _make_redirect(code, meta, strip, placement, names)
    remarks = []
    text, is_whole = _fill(meta, names)
    if not is_whole:
        remarks.append("A text is the same for all requests here: what differs is left out.")
    if code not in DEFINED:
        remarks.append(f"There is no status {code}: clients take it for {code // 10 * 10}, which is sent.")
        code = code // 10 * 10
    if code == Status.SLOW_DOWN and not re.fullmatch("[1-9][0-9]{0,8}", text):
        remarks.append("The text of 44 is a number of seconds: 41 is sent.")
        code = int(Status.SERVER_UNAVAILABLE)
    if not is_meta(text) or (needs_meta(code) and not text.strip()):
        remarks.append("The text is none that a header may have.")
        text = "-"
    if code // 10 == 1:
        remarks.append("A URL with a query is answered as if this were not here.")
    return Blocked("answer", {"status": code, "meta": text}, " ".join(remarks))


def _fill(meta: str, names: Names) -> tuple[str, bool]:
    """The text with what is known, and whether that is all."""
    known = {"%": "%", "N": names.host, "P": names.port}
    found = [known.get(match[1]) for match in _SPECIAL.finditer(meta)]
    return _SPECIAL.sub(lambda match: known.get(match[1]) or "", meta), None not in found


def _make_redirect(code: int, meta: str, strip: int, placement: Placement, names: Names) -> Blocked:
    remark = "" if code in REDIRECTS else f"There is no status {code}: 30 is sent."
    status = code if code in REDIRECTS else 30
    keeps_query, meta = meta.endswith("?%q"), meta.removesuffix("?%q")
    filled, _ = _fill(meta.replace("%p", "\0"), names)
    has_query = re.search(r"%q", meta.replace("%%", ""))
    is_known = all(names.host if sign == "N" else names.port for sign in re.findall(r"%([NP])", meta.replace("%%", "")))
    before, *after = (quote(part, safe=_SAFE) for part in filled.split("\0"))
    if has_query or not is_known or len(after) > 1:
        return _refuse("The target has something that a redirect can't say: a query in its middle, or one of several"
                       " hosts or ports.")  # fmt: skip
    table: dict[str, object]
    if not after:
        is_fixed = not before.endswith("/") or placement.match == "exact"
        table = {"to": before, "status": status}
        if keeps_query or not is_fixed:
            table = {"match": "/{...}"} | table
    elif after == [""] and not placement.is_glob and strip <= len(placement.names):
        rest = "/".join(quote(name, safe="~!$&'()*+,;=:@") for name in placement.names[strip:])
        end = "/" if placement.match == "prefix" or not rest else ""
        to = f"{before.rstrip('/')}/{rest}{end if rest else ''}"
        table = {"to": to, "status": status}
        if keeps_query and not to.endswith("/"):
            table = {"match": "/{...}"} | table
    else:
        match = "/" + "{}/" * strip + "{rest...}"
        table = {"match": match, "to": f"{before.rstrip('/')}/{{rest}}{after[0]}", "status": status}
    location = msgspec.convert({"redirect": table, "path": "/"}, Location)
    for _, fault in judge_answers(location):
        return _refuse(f"The target can't be that of a redirect: {fault}.")
    return Blocked("redirect", table, remark)


def _refuse(reason: str) -> Blocked:
    return Blocked("answer", REFUSAL, f"{reason} It is refused instead.")
