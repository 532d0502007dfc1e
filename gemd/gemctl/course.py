"""Where the answers to a request lead: to another URL by a redirect, or to the same one with what is typed at a prompt.

Rules: at most five redirects, none twice and none out of Gemini; what is said for one server (a client certificate,
another address, trust, an answer) is for no other that the first one leads to.
"""

import argparse
import re

from gemd.gemctl.failure import Failure
from gemd.gemctl.gemini_client import Header
from gemd.gemctl.target import Target, parse_target
from gemd.gemctl.terminal import complain, escape
from gemd.protocol.status import MOST_REDIRECTS, asks_for_input, is_redirect
from gemd.protocol.url import resolve

_SCHEME = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9+.-]*):(?P<slashes>//)?")
_FOR_THE_FIRST = {"cert": None, "key": None, "connect": None, "trust": False}


class Course:
    """From the URL `first` on, by the options of `gemctl fetch`; `text` is what is typed at a prompt, if anything."""

    def __init__(self, first: Target, options: argparse.Namespace, text: str | None) -> None:
        self._first = first
        self._options = options
        self._text = text
        self._passed: list[str] = []  # URLs that were redirects

    def options_for(self, target: Target) -> argparse.Namespace:
        """Those that are meant for the server of the target."""
        if target.place == self._first.place:
            return self._options
        return argparse.Namespace(**(vars(self._options) | _FOR_THE_FIRST))

    def find_next(self, target: Target, header: Header) -> Target | None:
        """What to ask for after this answer, which is said; None if it is the last one. Raises Failure for a redirect
        that can't be followed."""
        if is_redirect(header.status) and self._options.follow:
            return self._follow(target, header)
        if asks_for_input(header.status) and self._text is not None:
            return self._answer(target)
        return None

    def say_what_is_left(self) -> list[str]:
        """What was said for a prompt, and not sent to any."""
        return [] if self._text is None else ["what --input says was not sent"]

    def _answer(self, target: Target) -> Target | None:
        if target.place != self._first.place:
            complain(f"{target.place} is another server, which is not told what --input says")
            return None
        assert self._text is not None
        answer, self._text = target.with_query(self._text), None
        complain("it asks, and is told what --input says")
        return answer

    def _follow(self, target: Target, header: Header) -> Target:
        self._passed.append(target.url)
        there = find_redirect(target, header)
        if there.url in self._passed:
            raise Failure(f"the redirects lead in a circle, to {there.url} again")
        if len(self._passed) > MOST_REDIRECTS:
            raise Failure(f"these are more than {MOST_REDIRECTS} redirects; the next one leads to {there.url}")
        complain(f"following it to {there.url}")
        if there.place not in (target.place, self._first.place):
            left = [f"--{name}" for name in _FOR_THE_FIRST if getattr(self._options, name)]
            without = f", which is asked without {', '.join(left)}" if left else ""
            complain(f"{there.place} is another server{without}")
        return there


def find_redirect(target: Target, header: Header) -> Target:
    """The gemini URL that a redirect leads to. Raises Failure for any other."""
    there = resolve(target.url, header.meta)
    scheme = _SCHEME.match(there)
    if scheme is not None and scheme["name"].lower() != "gemini":
        raise Failure(f"it leads out of Gemini, where gemctl does not follow: {escape(there)}")
    if scheme is None or not scheme["slashes"]:
        raise Failure(f"it leads to what is no URL: {escape(there)}")
    try:
        return parse_target(there)
    except Failure as failure:
        raise Failure("it leads to what can't be asked for:", *failure.lines) from None
