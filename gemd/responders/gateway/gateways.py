"""All that ask other processes for answers: which kinds there are, and what concerns them all.

Rule: a kind is a line of the table KINDS, under the word of `AnswerKind` that a location has for it; it is loaded with
the first location of that kind, and nobody else pays for it.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from gemd.config.host_settings import AnswerKind, Location
from gemd.config.settings import Config
from gemd.protocol.request import Request
from gemd.responders.gateway.proxy_means import ProxyMeans
from gemd.system.authorities import Authorities

if TYPE_CHECKING:
    from gemd.responders.gateway.exchange import RelayedRequest
    from gemd.responders.gateway.upstreams import Upstreams


class Gateway(Protocol):
    """A responder that has other processes answer, and these."""

    @property
    def upstreams(self) -> "Iterable[Upstreams]":
        """Those of all its locations."""

    def __call__(self, request: Request, location: Location) -> "RelayedRequest":
        """An answer that is still to begin. Raises GeminiError."""


Make = Callable[[Config, Authorities | None, ProxyMeans], Gateway]


def _make_fastcgi(config: Config, authorities: Authorities | None, _means: ProxyMeans) -> Gateway:
    from gemd.responders.gateway.applications import ApplicationGateways
    from gemd.responders.gateway.fastcgi import FastCGICodec

    return ApplicationGateways("fastcgi", config, authorities, lambda location: location.fastcgi, FastCGICodec)


def _make_scgi(config: Config, authorities: Authorities | None, _means: ProxyMeans) -> Gateway:
    from gemd.responders.gateway.applications import ApplicationGateways
    from gemd.responders.gateway.scgi import SCGICodec

    return ApplicationGateways("scgi", config, authorities, lambda location: location.scgi, SCGICodec)


def _make_proxies(config: Config, _authorities: Authorities | None, means: ProxyMeans) -> Gateway:
    from gemd.responders.gateway.proxies import Proxies

    return Proxies(config, means)


KINDS: Mapping[AnswerKind, Make] = {
    AnswerKind.FASTCGI: _make_fastcgi,
    AnswerKind.SCGI: _make_scgi,
    AnswerKind.PROXY: _make_proxies,
}


class Gateways:
    """One of each kind that a location has. `by_answer` are the responders."""

    def __init__(self, config: Config, authorities: Authorities | None, means: ProxyMeans) -> None:
        used = {answer for location in config.locations for answer in location.answers}
        self.by_answer: Mapping[AnswerKind, Gateway] = {
            answer: make(config, authorities, means) for answer, make in KINDS.items() if answer in used
        }

    def end_by(self, moment: float) -> None:
        """Break off what is still going on at `moment`, in monotonic seconds: the worker ends."""
        for upstreams in self._upstreams():
            upstreams.end_by(moment)

    def count_answers(self, count: Callable[[str, int], None]) -> None:
        """Have `count` told the kind of gateway and the status of each answer from now on."""
        for upstreams in self._upstreams():
            upstreams.count = partial(count, upstreams.kind)

    def _upstreams(self) -> "Iterable[Upstreams]":
        return (upstreams for gateway in self.by_answer.values() for upstreams in gateway.upstreams)
