"""Redirects that lead back to where they begin, or on for ever, found by following them as a client would.

Rules: each is followed from addresses that it is for, by those who answer requests, so that what is found is so; what
is another server's for all that is known ends it. A circle through an address that may be another server's is no
mistake, and told of by -t alone.
"""

from collections.abc import Iterator

import msgspec

from gemd.config import Config, Problem
from gemd.config.answer_settings import is_partial, list_redirects
from gemd.config.host_settings import AnswerKind, Host, Location
from gemd.config.tables import key_path
from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.host import ANY_HOST, find_by_name
from gemd.protocol.path_pattern import PathPattern
from gemd.protocol.peer import Peer
from gemd.protocol.request import Request
from gemd.protocol.response import Response
from gemd.protocol.status import MOST_REDIRECTS, is_redirect
from gemd.protocol.url import DEFAULT_PORT, Url, encode_path, parse_url, resolve
from gemd.responders.hosts import Responder
from gemd.responders.location_finder import build_finder
from gemd.responders.pattern_redirects import PatternRedirects
from gemd.responders.redirect import give_answer, gone
from gemd.system.plain import PlainConnection

_MAX_STEPS = 64
_MOST_SHOWN = 6
_NOBODY = Peer("", 0, "", 0, PlainConnection())


class _Step(msgspec.Struct, frozen=True):
    """A URL that is asked for, the location that redirects it, and whether it is this server's for certain."""

    url: Url
    location: Location
    is_sure: bool


class _Way(msgspec.Struct, frozen=True):
    """Where one leads: the steps to a circle or to the end, and the circle, or what is found to grow of it."""

    steps: tuple[_Step, ...]
    circle: tuple[_Step, ...] = ()
    is_growing: bool = False


def find_redirect_loops(config: Config) -> list[Problem]:
    """A problem for each that leads nowhere for certain."""
    return [problem for is_sure, problem in _find_loops(config) if is_sure]


def find_redirect_warnings(config: Config) -> Iterator[Problem]:
    """Those of which that is not certain, and those that clients may not follow to their end."""
    yield from (problem for is_sure, problem in _find_loops(config) if not is_sure)
    seen = set()
    for way in _Follower(config).follow_all():
        if not way.circle and len(way.steps) > MOST_REDIRECTS and (where := way.steps[0].location.where) not in seen:
            seen.add(where)
            text = f"clients follow {MOST_REDIRECTS} redirects, and here are {len(way.steps)}: {_show(way.steps)}"
            yield Problem(key_path(where, "redirect"), text)


def _find_loops(config: Config) -> Iterator[tuple[bool, Problem]]:
    """Each circle once, and whether it is certain."""
    seen: set[frozenset[str]] = set()
    for way in _Follower(config).follow_all():
        members = frozenset(step.location.where for step in way.circle)
        if members and members not in seen:
            seen.add(members)
            text = "goes on for ever" if way.is_growing else "leads in a circle"
            begin = (*way.steps, *way.circle)[0].location.where
            where = key_path(begin if begin in members else way.circle[0].location.where, "redirect")
            is_sure = all(step.is_sure for step in (*way.steps, *way.circle))
            unless = "" if is_sure else "; unless one of these is another server's"
            shown = _show(way.circle, is_endless=way.is_growing)
            yield is_sure, Problem(where, f"{text}: {shown}{unless}")


class _Follower:
    def __init__(self, config: Config) -> None:
        self._hosts = {name: host for host in config.hosts for name in host.names}
        self._owners = {**self._hosts, **{name: host for host in config.passes for name in host.names}}
        self._ports = {entry.address.port for entry in config.listen}
        self._locations = [(host, location) for host in config.hosts for location in host.locations]
        self._finders = {
            host.name: build_finder([(location.place, location) for location in host.locations])
            for host in config.hosts
        }
        redirect = PatternRedirects(config)
        self._responders: dict[AnswerKind, Responder] = {
            AnswerKind.GONE: gone,
            AnswerKind.ANSWER: give_answer,
            AnswerKind.REDIRECT: redirect,
        }

    def follow_all(self) -> Iterator[_Way]:
        """Where all redirects lead, each from some addresses that it is for."""
        for host, location in self._locations:
            query = "?query" if is_partial(location.answer) else ""
            for path in _list_paths(location):
                name = host.name.replace(ANY_HOST, "any") if host.name != ANY_HOST else "any.invalid"
                yield self._follow(host, parse_url(f"gemini://{name}{path}{query}".encode()))

    def _follow(self, host: Host, url: Url) -> _Way:
        steps: list[_Step] = []
        is_sure = True
        while len(steps) < _MAX_STEPS:
            location = self._finders[host.name](url.rule_names)
            step = _Step(url, location, is_sure)
            same = [at for at, before in enumerate(steps) if before.url.text == url.text]
            if same:
                return _Way(tuple(steps[: same[0]]), (*steps[same[0] :], step))
            try:
                target = self._ask(url, location)
            except NotFound:
                break
            if target is None:
                return _Way(tuple(steps))
            steps.append(step)
            led = self._lead(host, url, target)
            if led is None:
                return _Way(tuple(steps))
            host, url, is_sure = led
        return _find_growth(steps)

    def _ask(self, url: Url, location: Location) -> str | None:
        """Where the location leads; None for an answer of another kind. Raises NotFound where that gets too long."""
        request = Request(url, _NOBODY)
        for kind in location.answers:
            if kind not in self._responders:
                return None
            try:
                answer = self._responders[kind](request, location)
            except NotFound:
                raise
            except GeminiError:
                return None
            if isinstance(answer, Response):
                return answer.meta if is_redirect(answer.status) else None
        return None

    def _lead(self, host: Host, url: Url, target: str) -> tuple[Host, Url, bool] | None:
        """Whose the target is, and whether that is certain; None for another server's."""
        try:
            led = parse_url(resolve(url.text, target).encode())
        except GeminiError:
            return None
        if led.scheme != "gemini" or led.fault:
            return None
        if not ("//" in target and target.index("//") == target.find("/")):
            return host, led, True
        owner = find_by_name(self._owners, led.host)
        if owner is None or owner is self._owners.get(ANY_HOST) or not isinstance(owner, Host):
            return None
        if (led.port or DEFAULT_PORT) in self._ports:
            return owner, led, led.host in self._hosts
        return None if owner.check_port else (owner, led, False)


def _find_growth(steps: list[_Step]) -> _Way:
    """That which goes on, where the same location is there again, by a longer URL."""
    for at, step in enumerate(steps):
        again = [other for other in steps[at + 1 :] if other.location is step.location]
        if again and len(again[-1].url.text) > len(step.url.text):
            return _Way(tuple(steps[:at]), tuple(steps[at:]), is_growing=True)
    return _Way(())


def _list_paths(location: Location) -> Iterator[str]:
    """Paths that the redirects of a location are for."""
    for redirect in list_redirects(location.redirect):
        if redirect.match is not None:
            for names in PathPattern(redirect.match).list_samples():
                yield encode_path(names)
            continue
        names = location.names
        if location.match == "glob":
            names = tuple(name.replace("*", "x").replace("?", "x") for name in names)
        yield encode_path(names) + ("/" if names and location.path.endswith("/") else "")
        if location.match != "exact":
            yield encode_path((*names, "page"))


def _show(steps: tuple[_Step, ...], *, is_endless: bool = False) -> str:
    """The URLs of a chain, without the host where that is always the same. One without an end shows none."""
    is_one = len({step.url.host for step in steps}) == 1
    texts = ["/" + step.url.text.split("/", 3)[3] if is_one else step.url.text for step in steps]
    if is_endless:
        texts = [*texts[: _MOST_SHOWN - 1], "..."]
    shown = [*texts[: _MOST_SHOWN - 1], "...", texts[-1]] if len(texts) > _MOST_SHOWN else texts
    return " -> ".join(shown)
