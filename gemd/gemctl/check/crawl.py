"""Goes through a capsule from its start page, along the links of its gemtext pages.

Rules: each URL is asked for once, and nothing is typed at a prompt; nothing leads out of the capsule, and other
capsules are asked for what is linked there only if that was said; as many pages as were allowed, no more links than fit
into memory, and no longer than was said, whatever a page has.
"""

from collections import deque
from collections.abc import Iterator
from urllib.parse import unquote

import msgspec

from gemd.gemctl.check.chains import find_chains
from gemd.gemctl.check.elsewhere import Elsewhere
from gemd.gemctl.check.finding import SPECIFICATION, Finding, Rule, fault, make_finding, note
from gemd.gemctl.check.links import Way, find_links, follow_link, path_of
from gemd.gemctl.check.meter import Meter
from gemd.gemctl.check.pace import OutOfTime
from gemd.gemctl.check.pages import judge_page
from gemd.gemctl.check.robots import is_barred, read_robots
from gemd.gemctl.check.visit import Reply, ReplyEnd, SlowedDown, Visitor
from gemd.gemctl.failure import Failure
from gemd.protocol.headings import decode_page
from gemd.protocol.mime import is_gemtext
from gemd.protocol.quantities import count
from gemd.protocol.status import has_body, is_redirect

_MOST_KNOWN = 50_000  # URLs
_MOST_TOLD = 20  # links of one page that are no URLs

LINK = Rule("dead-link", "a link that leads to something", f'{SPECIFICATION}, "Status codes"',
            "mend the link, or have a redirect lead from there to where the page has gone")  # fmt: skip
NO_URL = Rule("link", "a URL, percent-encoded", 'gemtext specification 0.24.1, "Link lines"', "mend the link")
CUT = Rule(
    "cut",
    "close_notify behind the page",
    f'{SPECIFICATION}, "Closing connections"',
    "see the error log for why it broke off",
)
LIMIT = Rule("limit", "all pages", "", "--limit N looks at more")


class LinkedFrom(msgspec.Struct, frozen=True):
    """Where a URL was found first: on a page, in a line of it, or 0 for a redirect; `more` say how many others were."""

    page: str
    line: int
    more: int = 0

    def __str__(self) -> str:
        return f"{self.page}:{self.line}" if self.line else self.page


class Crawl:
    """Through the capsule that a visitor can see, at most `limit` URLs of it, from `start` on. `pages` and `links`
    count what was looked at, `barred` what was not since robots.txt says so."""

    def __init__(self, visitor: Visitor, limit: int, meter: Meter, elsewhere: Elsewhere | None) -> None:
        self.pages = self.links = self.barred = 0
        self.start = visitor.subject.url(visitor.subject.path)
        self._visitor = visitor
        self._limit = limit
        self._meter = meter
        self._elsewhere = elsewhere
        self._sources: dict[str, LinkedFrom] = {}
        self._moved: dict[str, str] = {}
        self._queue: deque[str] = deque()
        self._read_pages: set[tuple[str, int]] = set()
        self._is_full = False

    def run(self) -> Iterator[Finding]:
        """Go. Raises OutOfTime."""
        try:
            yield from self._go()
        except OutOfTime:
            yield from self._judge_redirects()
            raise
        yield from self._judge_redirects()
        if self._queue or self._is_full:
            what = count(len(self._queue), "more URL") if not self._is_full else f"more than {_MOST_KNOWN} URLs"
            verb = "was" if what == "1 more URL" else "were"
            yield make_finding(LIMIT, self._visitor.subject.place, note(f"{what} {verb} not looked at"))
        if self._elsewhere is not None:
            yield from self._elsewhere.run(self._meter)

    def _go(self) -> Iterator[Finding]:
        subject = self._visitor.subject
        rules = () if subject.is_own else self._read_robots()
        self._learn(self.start, LinkedFrom(self.start, 0))
        while self._queue and self.pages < self._limit:
            url = self._queue.popleft()
            self._meter(self.pages, self.pages + 1 + len(self._queue), url)
            if is_barred(unquote(path_of(url)), rules):
                self.barred += 1
                continue
            self.pages += 1
            yield from self._look(url)

    def _judge_redirects(self) -> Iterator[Finding]:
        for url, rule, outcome in find_chains(self._moved):
            yield make_finding(rule, str(self._sources[url]), outcome)

    def _read_robots(self) -> tuple[str, ...]:
        try:
            return read_robots(self._visitor)
        except Failure:
            return ()

    def _look(self, url: str) -> Iterator[Finding]:
        source = self._sources[url]
        try:
            reply = self._visitor.ask(url)
        except SlowedDown as slowed:
            yield make_finding(LINK, str(source), note(f"{url}: {slowed}"))
            return
        except Failure as failure:
            yield make_finding(LINK, str(source), fault(f"{url} got no answer: {'; '.join(failure.lines)}"))
            return
        if reply.header is None or reply.status // 10 in (4, 5):
            yield make_finding(LINK, str(source), fault(f"{url} got {reply.say()}{_say_more(source)}"))
        elif reply.ending is ReplyEnd.CUT:
            yield make_finding(CUT, url, fault(f"it ended {reply.ending.value}, after {len(reply.body)} bytes"))
        elif is_redirect(reply.status):
            yield from self._follow(url, reply.header.meta)
        elif has_body(reply.status):
            yield from self._read(url, reply.header.meta, reply)

    def _follow(self, url: str, meta: str) -> Iterator[Finding]:
        there = follow_link(url, self._visitor.subject.place, meta)
        if there.way is Way.NOWHERE:
            outcome = fault(f"{url} is a redirect to what is none: {there.url}: {there.fault}")
            yield make_finding(LINK, str(self._sources[url]), outcome)
        elif there.way is Way.ELSEWHERE and self._elsewhere is not None:
            self._elsewhere.learn(there.url, str(self._sources[url]))
        elif there.way is Way.WITHIN:
            self._moved[url] = there.url
            self._learn(there.url, self._sources[url])

    def _read(self, url: str, media_type: str, reply: Reply) -> Iterator[Finding]:
        page = (_directory_of(url), hash(reply.body))
        if page in self._read_pages:
            return  # by another URL, as that of its directory
        self._read_pages.add(page)
        is_whole = reply.ending is ReplyEnd.PROPER
        for rule, outcome in judge_page(media_type, url, reply.body, is_whole=is_whole):
            yield make_finding(rule, url, outcome)
        if not is_gemtext(media_type):
            return
        broken = 0
        for line, reference in find_links(decode_page(reply.body)):
            self._visitor.pace.limit(1.0)  # a page may have more of them than there is time for
            self.links += 1
            link = follow_link(url, self._visitor.subject.place, reference)
            source = LinkedFrom(url, line)
            if link.way is Way.WITHIN:
                self._learn(link.url, source)
            elif link.way is Way.ELSEWHERE and self._elsewhere is not None:
                self._elsewhere.learn(link.url, str(source))
            elif link.way is Way.NOWHERE and broken < _MOST_TOLD:
                broken += 1
                yield make_finding(NO_URL, str(source), fault(f"{link.url}: {link.fault}"))

    def _learn(self, url: str, source: LinkedFrom) -> None:
        known = self._sources.get(url)
        if known is not None:
            self._sources[url] = msgspec.structs.replace(known, more=known.more + 1)
        elif len(self._sources) < _MOST_KNOWN:
            self._sources[url] = source
            self._queue.append(url)
        else:
            self._is_full = True


def _say_more(source: LinkedFrom) -> str:
    if not source.more:
        return ""
    return "; 1 more link leads there" if source.more == 1 else f"; {source.more} more links lead there"


def _directory_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[0]
