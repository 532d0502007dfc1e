"""Links to other capsules: whether what they lead to is there.

Rules: one request for each, and one for what its server says to robots, with a pause before each; what is found there
is not read further; a server that can't be reached is tried once, however many links lead there.
"""

from collections.abc import Iterator
from urllib.parse import unquote

from gemd.gemctl.check.finding import SPECIFICATION, Finding, Rule, fault, make_finding, note
from gemd.gemctl.check.links import path_of
from gemd.gemctl.check.meter import Meter
from gemd.gemctl.check.pace import Pace
from gemd.gemctl.check.robots import is_barred, read_robots
from gemd.gemctl.check.visit import SlowedDown, Subject, Visitor
from gemd.gemctl.failure import Failure
from gemd.gemctl.target import Target, parse_target
from gemd.protocol.response import ResolveError
from gemd.system.addresses import look_up

_HEADER_ALONE = 1  # byte
_MOST_ADDRESSES = 4  # of a server that are tried

OUTER_LINK = Rule("outer-link", "a link that leads to something", f'{SPECIFICATION}, "Status codes"',
                  "ask for it again another day, then mend the link")  # fmt: skip
LIMIT = Rule("outer-limit", "all links to other capsules", "", "--limit N looks at more")


class Elsewhere:
    """At most `limit` URLs of other servers, each with the first place that links to it."""

    def __init__(self, pace: Pace, timeout: float, limit: int) -> None:
        self.asked = 0
        self._pace, self._timeout, self._limit = pace.for_others(), timeout, limit
        self._sources: dict[str, str] = {}
        self._left = 0
        self._visitors: dict[str, tuple[Visitor, tuple[str, ...]]] = {}
        self._failures: dict[str, Failure] = {}  # of servers that are not asked again

    def learn(self, url: str, source: str) -> None:
        """Keep in mind a link, and where it is."""
        if url in self._sources:
            return
        if len(self._sources) < self._limit:
            self._sources[url] = source
        else:
            self._left += 1

    def run(self, meter: Meter) -> Iterator[Finding]:
        """Ask. Raises OutOfTime."""
        for url, source in self._sources.items():
            meter(self.asked, len(self._sources), url)
            self.asked += 1
            try:
                found = self._ask(url)
            except SlowedDown as slowed:
                yield make_finding(OUTER_LINK, source, note(f"{url}: {slowed}"))
                continue
            if found:
                yield make_finding(OUTER_LINK, source, fault(f"{url} {found}"))
        if self._left:
            yield make_finding(LIMIT, "other capsules", note(f"{self._left} more links to them were not looked at"))

    def _ask(self, url: str) -> str:
        """What is wrong with it, if anything is. Raises SlowedDown."""
        try:
            visitor, barred = self._find(url)
            if is_barred(unquote(path_of(url)), barred):
                return ""
            reply = visitor.ask(url, most=_HEADER_ALONE)
        except Failure as failure:
            return f"got no answer: {'; '.join(failure.lines)}"
        return f"got {reply.say()}" if reply.header is None or reply.status // 10 in (4, 5) else ""

    def _find(self, url: str) -> tuple[Visitor, tuple[str, ...]]:
        """Who visits its server, and what that wants to be left alone. Raises Failure."""
        target = parse_target(url)
        if target.place in self._failures:
            raise self._failures[target.place]
        if target.place not in self._visitors:
            try:
                self._visitors[target.place] = self._reach(target)
            except Failure as failure:
                self._failures[target.place] = failure
                raise
        return self._visitors[target.place]

    def _reach(self, target: Target) -> tuple[Visitor, tuple[str, ...]]:
        """The same at the first address that somebody answers at. Raises Failure."""
        try:
            found = look_up(target.host, target.port)
        except ResolveError as error:
            raise Failure(str(error)) from None
        addresses = tuple((str(place[0]), target.port) for _, place in found if isinstance(place, tuple))
        subject = Subject(target.host, target.port, "/", addresses, {}, self._timeout, is_own=False)
        for address in addresses[:_MOST_ADDRESSES]:
            visitor = Visitor(subject, address, self._pace, self._timeout)
            try:
                return visitor, read_robots(visitor)
            except Failure as failure:
                refusal = failure
        raise refusal
