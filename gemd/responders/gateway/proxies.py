"""Servers that answer in the place of files. The URL of an upstream says which protocol it is asked by: see KINDS.

Rule: where a location is passed on, nothing else answers.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from gemd.config.host_settings import Host, Location
from gemd.config.proxy_checks import Scheme, parse_upstreams
from gemd.config.settings import Config
from gemd.protocol.request import Request
from gemd.responders.gateway.exchange import RelayedRequest
from gemd.responders.gateway.proxy_means import ProxyMeans
from gemd.responders.gateway.upstreams import Upstreams


class Proxy(Protocol):
    """What passes the requests of one location on, to its `upstreams`."""

    upstreams: Upstreams

    def __call__(self, request: Request) -> RelayedRequest:
        """A request that is still to begin. Raises GeminiError for what can't be passed on."""


MakeProxy = Callable[[Config, Host, Location, ProxyMeans], Proxy]  # for a location that has a `proxy` table


def _make_gemini_proxy(config: Config, host: Host, location: Location, means: ProxyMeans) -> Proxy:
    from gemd.responders.gateway.gemini_proxy import GeminiProxy

    return GeminiProxy(config, host, location, means)


def _make_http_proxy(config: Config, host: Host, location: Location, means: ProxyMeans) -> Proxy:
    """Loads h11 with the first of them, for which nobody else shall pay."""
    from gemd.responders.gateway.http_proxy import HTTPProxy

    return HTTPProxy(config, host, location, means)


KINDS: Mapping[Scheme, MakeProxy] = {"gemini": _make_gemini_proxy, "http": _make_http_proxy}


class Proxies:
    """The responder for all locations that are passed on to another server."""

    def __init__(self, config: Config, means: ProxyMeans) -> None:
        self._proxies: dict[str, Proxy] = {}  # by where the location is in the file
        for host in config.hosts:
            for location in host.locations:
                if location.proxy is not None:
                    make = KINDS[parse_upstreams(location.proxy)[0].scheme]
                    self._proxies[location.where] = make(config, host, location, means)

    @property
    def upstreams(self) -> Iterable[Upstreams]:
        """Those of all its locations."""
        return [one.upstreams for one in self._proxies.values()]

    def __call__(self, request: Request, location: Location) -> RelayedRequest:
        """An exchange that is still to begin. Raises GeminiError for what can't be passed on."""
        return self._proxies[location.where](request)
