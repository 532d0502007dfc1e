"""All that ask other processes for answers: which kinds there are, and what concerns them all.

Rule: a kind is a line of the table in `Gateways`, under the word of `AnswerKind` that a location has for it.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Protocol

from gemd.config.host_settings import AnswerKind, Location
from gemd.config.settings import Config
from gemd.protocol.request import Request
from gemd.responders.gateway.applications import ApplicationGateways
from gemd.responders.gateway.exchange import RelayedRequest
from gemd.responders.gateway.fastcgi import FastCGICodec
from gemd.responders.gateway.proxies import Proxies
from gemd.responders.gateway.proxy_means import ProxyMeans
from gemd.responders.gateway.scgi import SCGICodec
from gemd.responders.gateway.upstreams import Upstreams
from gemd.system.authorities import Authorities


class Gateway(Protocol):
    """A responder that has other processes answer, and these."""

    @property
    def upstreams(self) -> Iterable[Upstreams]:
        """Those of all its locations."""

    def __call__(self, request: Request, location: Location) -> RelayedRequest:
        """An answer that is still to begin. Raises GeminiError."""


class Gateways:
    """One of each kind. `by_answer` are the responders."""

    def __init__(self, config: Config, authorities: Authorities | None, means: ProxyMeans) -> None:
        self.by_answer: Mapping[AnswerKind, Gateway] = {
            AnswerKind.FASTCGI: ApplicationGateways(
                "fastcgi", config, authorities, lambda location: location.fastcgi, FastCGICodec
            ),
            AnswerKind.SCGI: ApplicationGateways(
                "scgi", config, authorities, lambda location: location.scgi, SCGICodec
            ),
            AnswerKind.PROXY: Proxies(config, means),
        }

    def end_by(self, moment: float) -> None:
        """Break off what is still going on at `moment`, in monotonic seconds: the worker ends."""
        for upstreams in self._upstreams():
            upstreams.end_by(moment)

    def count_answers(self, count: Callable[[str, int], None]) -> None:
        """Have `count` told the kind of gateway and the status of each answer from now on."""
        for upstreams in self._upstreams():
            upstreams.count = partial(count, upstreams.kind)

    def _upstreams(self) -> Iterable[Upstreams]:
        return (upstreams for gateway in self.by_answer.values() for upstreams in gateway.upstreams)
