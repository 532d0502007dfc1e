"""Locations that an HTTP server answers: what it is asked for, and whose its redirects are.

Rule: what is asked for is found before anybody is connected. Whoever imports this pays for h11.
"""

from functools import partial

from gemd.config.host_settings import Host, Location
from gemd.config.proxy_checks import parse_upstreams
from gemd.config.settings import Config
from gemd.config.types import Address
from gemd.protocol.characters import is_misleading
from gemd.protocol.errors import NotFound
from gemd.protocol.http_question import make_forwarded, make_host, make_question
from gemd.protocol.request import Request
from gemd.responders.gateway.exchange import RelayedRequest
from gemd.responders.gateway.http import HTTPCodec
from gemd.responders.gateway.proxy_means import ProxyMeans
from gemd.responders.gateway.upstreams import Upstreams

_UNIX_HOST = "localhost"  # what is asked for by a unix socket


class HTTPProxy:
    """What passes the requests of one location on."""

    def __init__(self, config: Config, host: Host, location: Location, means: ProxyMeans) -> None:
        proxy = location.proxy
        assert proxy is not None
        self._proxy = proxy
        self._max_output = config.limits.cgi_output
        addresses = [upstream.address for upstream in parse_upstreams(proxy)]
        self._hosts = frozenset(map(_host_of, addresses))
        name = f"the proxy at {host.name}{location.path}"
        self.upstreams = Upstreams("http", name, addresses, proxy.connections, means.is_own)

    def __call__(self, request: Request) -> RelayedRequest:
        """An exchange that is still to begin. Raises NotFound (51) for a path that no server is told."""
        url = request.url
        if any(is_misleading(part) for part in url.rule_names):
            raise NotFound
        make_question(url, "", self._proxy.strip)  # or it can't be asked for
        make_codec = partial(self._make_codec, request)
        return RelayedRequest(self.upstreams, make_codec, self._proxy.timeout, self._max_output)

    def _make_codec(self, request: Request, address: Address) -> HTTPCodec:
        url = request.url
        host = _host_of(address) if self._proxy.rewrite_host else make_host(url.host)
        question = make_question(url, host, self._proxy.strip)
        # A server that knows its own port says it behind whatever name it was asked for.
        own_hosts = self._hosts if address.path else {*self._hosts, make_host(url.host, address.port)}
        translate = partial(question.translate_redirect, own_hosts=own_hosts)
        return HTTPCodec(question.target, host, make_forwarded(url, request.peer), translate)


def _host_of(address: Address) -> str:
    return _UNIX_HOST if address.path else make_host(address.host, address.port)
