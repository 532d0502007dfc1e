"""Locations that another Gemini server answers: what it is asked for, and how it is known.

Rules: the server gets the client's URL, with its dot segments resolved, less what `strip` takes off the path; its own
name is in there, and in the handshake, where the configuration wants it so, else the client's. What comes back passes
as it is; an upload by Titan goes with its parameters.
"""

from functools import partial

from gemd.config.host_settings import Host, Location
from gemd.config.proxy_checks import parse_upstreams
from gemd.config.settings import Config
from gemd.config.types import Address
from gemd.protocol.errors import BadRequest, ProxyFailed
from gemd.protocol.fingerprint import parse_fingerprint
from gemd.protocol.host import ANY_HOST, bracket, covers, is_address
from gemd.protocol.proxy_header import MAX_HOPS
from gemd.protocol.proxy_versions import encode_proxy_header
from gemd.protocol.request import MAX_URL, Request
from gemd.protocol.url import DEFAULT_PORT, Url, cut_path
from gemd.responders.gateway.codec import Codec, RequestBody
from gemd.responders.gateway.exchange import RelayedRequest
from gemd.responders.gateway.gemini import GeminiCodec
from gemd.responders.gateway.proxy_means import ProxyMeans
from gemd.responders.gateway.upload_body import relay_body
from gemd.responders.gateway.upstreams import Upstreams
from gemd.system.log import error_log
from gemd.system.server_trust import Chain, MetServers, PinnedServers, ServerTrust, VouchedServers
from gemd.system.tls_client import ClientContext


class GeminiProxy:
    """What passes the requests of one location on."""

    def __init__(self, _config: Config, host: Host, location: Location, means: ProxyMeans) -> None:
        assert location.proxy is not None
        self._proxy = proxy = location.proxy
        self._host = host
        self._name = f"the proxy at {host.name}{location.path}"
        self._addresses = [upstream.address for upstream in parse_upstreams(proxy)]
        self.upstreams = Upstreams("gemini", self._name, self._addresses, proxy.connections, means.is_own)
        certificate = means.certificates[proxy.certificate] if proxy.certificate is not None else None
        self._context = ClientContext(certificate)
        self._trust: ServerTrust
        if proxy.ca is not None:
            self._trust = VouchedServers(means.read(proxy.ca))
        elif proxy.fingerprints or means.known is None:
            self._trust = PinnedServers(list(map(parse_fingerprint, proxy.fingerprints)))
        else:
            self._trust = MetServers(means.known)

    def __call__(self, request: Request) -> RelayedRequest:
        """An exchange that is still to begin. Raises BadRequest (59) for a URL that gets too long, NotFound (51) for a
        path that can't be cut, and ProxyFailed (43) for what was passed on too often."""
        if request.peer.hops >= MAX_HOPS:
            error_log.error("%s: this is a loop: %d gemd have passed it on already", self._name, MAX_HOPS)
            raise ProxyFailed
        _, path = cut_path(request.url, self._proxy.strip)
        lines = {address: self._make_line(request.url, path, address) for address in self._addresses}
        if any(len(line) > MAX_URL + 2 for line in lines.values()):
            raise BadRequest("The URL is too long to be passed on")
        upload = relay_body(request.upload)
        make_codec = partial(self._make_codec, request, lines, upload)
        return RelayedRequest(self.upstreams, make_codec, self._proxy.timeout, upload=upload)

    def _make_line(self, url: Url, path: str, address: Address) -> bytes:
        """The request line for one of the servers."""
        host, port = url.host, url.port
        if self._proxy.rewrite_host:
            host = self._proxy.sni or address.host
            port = address.port if address.port != DEFAULT_PORT else None
        place = bracket(host) + (f":{port}" if port else "")
        parameters = f";{url.parameters}" if url.parameters else ""
        query = "" if url.query is None else f"?{url.query}"
        return f"{url.scheme}://{place}{path}{parameters}{query}\r\n".encode()

    def _make_codec(
        self, request: Request, lines: dict[Address, bytes], upload: RequestBody | None, address: Address
    ) -> Codec:
        """What is said to the server that was reached. Raises CodecError."""
        asked = address.host if self._proxy.rewrite_host else request.url.host
        name = self._proxy.sni or (None if is_address(asked) else asked)
        check = partial(self._check, address, name)
        peer = request.peer
        first = encode_proxy_header(self._proxy.send_proxy, peer, server_name=peer.tls.server_name, hops=peer.hops)
        return GeminiCodec(self._context.connect(name), check, lines[address], first, upload)

    def _check(self, address: Address, name: str | None, chain: Chain) -> None:
        """Raises Distrusted. A name that a wildcard stands for is any client's word: what is remembered of it goes by
        the wildcard, so that nobody makes it grow."""
        is_clients = not self._proxy.rewrite_host and self._proxy.sni is None
        if is_clients and name is not None and isinstance(self._trust, MetServers) and name not in self._host.names:
            name = next((own for own in self._host.names if covers((own,), name)), ANY_HOST)
        self._trust.check(chain, address, name)
