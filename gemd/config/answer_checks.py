"""What is wrong with the tables `redirect` and `answer` of a location.

Rule: a pattern that can never match, or that something before it answers for, is a mistake.
"""

import re
from collections.abc import Iterator

from gemd.config.answer_settings import FixedAnswer, Redirect, list_redirects
from gemd.config.host_settings import Location
from gemd.config.settings import Config
from gemd.config.tables import Problem, key_path, show
from gemd.protocol.path_pattern import PathPattern, PathTemplate
from gemd.protocol.reference import check_target
from gemd.protocol.response import META_FORM, is_meta
from gemd.protocol.status import DEFINED, Status, has_body, is_redirect, needs_meta

_ENCODED = re.compile("%[0-9A-Fa-f]{2}")
_BRACES = re.compile(r"\{[^{}]*\}")
_STATUSES = ", ".join(str(status) for status in sorted(DEFINED) if not has_body(status) and not is_redirect(status))


def judge_answers(location: Location) -> Iterator[tuple[str, str]]:
    """What is wrong with a location's `redirect` and `answer`, by key."""
    if location.answer is not None:
        for key, text in _judge_answer(location.answer):
            yield key_path("answer", key), text
    redirects, before = list_redirects(location.redirect), ""
    seen: dict[str, str] = {}
    for i, redirect in enumerate(redirects, 1):
        where = key_path("redirect", i) if isinstance(location.redirect, tuple) else "redirect"
        for key, text in _judge_redirect(redirect, location):
            yield key_path(where, key), text
        if before:
            yield where, f"would never be asked, since {before} answers everything here: put that one last"
        elif redirect.match is None:
            before = where
        elif seen.setdefault(redirect.match, where) != where:
            yield key_path(where, "match"), f"is that of {seen[redirect.match]} already, which is tried before"


def _judge_redirect(redirect: Redirect, location: Location) -> Iterator[tuple[str, str]]:
    if redirect.match is None:
        try:
            check_target(redirect.to)
        except ValueError as error:
            hint = "; names in braces need match, which says what they stand for" if _BRACES.search(redirect.to) else ""
            yield "to", f"{error}; it is {show(redirect.to)}{hint}"
        return
    try:
        pattern = PathPattern(redirect.match)
    except ValueError as error:
        yield "match", f"{error}; it is {show(redirect.match)}"
        return
    if location.match == "prefix" and not pattern.may_match_below(location.names):
        yield "match", f"matches nothing below the location's path: begin it with {show(location.path)}"
    try:
        PathTemplate(redirect.to, pattern)
    except ValueError as error:
        yield "to", f"{error}; it is {show(redirect.to)}"


def _judge_answer(answer: FixedAnswer) -> Iterator[tuple[str, str]]:
    if has_body(answer.status):
        yield "status", f"{answer.status} is for pages: serve one, with root"
    elif is_redirect(answer.status):
        yield "status", f"{answer.status} has a key of its own: redirect = {{ to = ..., status = {answer.status} }}"
    elif answer.status not in DEFINED:
        yield "status", f"expected one of {_STATUSES}, not {answer.status}"
    if not is_meta(answer.meta):
        yield "meta", f"expected {META_FORM}, not {show(answer.meta)}"
    elif answer.status == Status.SLOW_DOWN and not re.fullmatch("[1-9][0-9]{0,8}", answer.meta):
        yield "meta", f'the text of 44 is the seconds to wait, which clients read, as in "60", not {show(answer.meta)}'
    elif answer.status in DEFINED and needs_meta(answer.status) and not answer.meta.strip():
        yield "meta", f"{answer.status} asks for something: say what for"


def find_plain_signs(config: Config) -> Iterator[Problem]:
    """Patterns with what is a sign elsewhere, and is compared as it stands here."""
    for location in config.locations:
        for match in filter(None, (redirect.match for redirect in list_redirects(location.redirect))):
            text = None
            if "*" in match:
                text = "the * stands for itself alone: {name} is for one segment, {name...} for all that follows"
            elif "?" in match:
                text = "the ? stands for itself alone: no pattern is for a query, which is kept"
            elif _ENCODED.search(match):
                text = "is not percent-encoded: write the characters themselves"
            if text is not None:
                yield Problem(key_path(location.where, "redirect"), f"match: {text}; it is {show(match)}")


def find_idle_patterns(config: Config) -> Iterator[Problem]:
    """Redirects whose patterns match nothing but what is in another location."""
    for host in config.hosts:
        for location in host.locations:
            below = [each for each in host.locations if each.match == "prefix" and location.place.is_above(each.place)]
            for redirect in list_redirects(location.redirect):
                pattern = PathPattern(redirect.match) if redirect.match is not None else None
                other = next((each for each in below if pattern is not None and pattern.is_below(each.names)), None)
                if other is not None:
                    text = (
                        f"{show(redirect.match)} is for what is in {other.path}, a location of its own: move it there"
                    )
                    yield Problem(key_path(location.where, "redirect"), text)
