"""From a request to the one who answers it: host, location, limits, access, then the responders in their order.

Rules: each step sees only what the steps before it let through; locations are matched on the names that open the file,
so that no spelling of a URL steps around a rule; who answers in a location is what `Location.answers` says.
"""

import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

import msgspec

from gemd.config import host_settings
from gemd.config.host_settings import Host, Location
from gemd.config.pass_settings import PassHost
from gemd.config.settings import Config
from gemd.config.types import Budget
from gemd.protocol.errors import BadRequest, GeminiError, NotFound, ProxyRefused
from gemd.protocol.host import ANY_HOST, find_by_name, is_address
from gemd.protocol.peer import Peer
from gemd.protocol.request import Request
from gemd.protocol.response import Answer
from gemd.responders.access import Check, build_location_check
from gemd.responders.app.applications import NO_PROCESSES, Applications
from gemd.responders.cgi.scripts import CGI, NO_USERS, ScriptUsers
from gemd.responders.gateway.applications import ApplicationGateways
from gemd.responders.gateway.fastcgi import FastCGICodec
from gemd.responders.gateway.proxies import Proxies
from gemd.responders.gateway.proxy_means import ProxyMeans
from gemd.responders.gateway.scgi import SCGICodec
from gemd.responders.gateway.upstreams import Upstreams
from gemd.responders.judged import Judged, Unjudged
from gemd.responders.own_texts import Texts, reword
from gemd.responders.protection import Protection, Rule
from gemd.responders.redirect import gone, redirect
from gemd.responders.static import StaticFiles
from gemd.system.authorities import Authorities, Read, read_authorities

Responder = Callable[[Request, Location], Answer | None]  # raises GeminiError, or Unjudged to be asked again
Respond = Callable[[Request], Answer]  # raises GeminiError
MakeLimit = Callable[[Sequence[Budget]], Check]


class Gateway(Protocol):
    """A responder that has other processes answer, and these."""

    @property
    def upstreams(self) -> Iterable[Upstreams]:
        """Those of all its locations."""

    def __call__(self, request: Request, location: Location) -> Answer:
        """An answer that is still to begin. Raises GeminiError."""


class ServedLocation(msgspec.Struct, frozen=True):
    """A location, how often and by whom it may be asked for, and who answers there, in the order in which they are
    asked; `application` is the one of them that answers for others. `texts` are for refusals."""

    names: tuple[str, ...]
    location: Location
    check_rate: Check | None
    check_access: Check | None
    responders: tuple[Responder, ...]
    application: Responder
    texts: Texts = {}

    def application_alone(self) -> "ServedLocation":
        """The same for a URL of a foreign scheme or host, which no file and no script is meant by."""
        return msgspec.structs.replace(self, responders=(self.application,))


class Router:
    """The hosts with their locations, and the responders. `make_limit` makes of budgets what counts a peer's request
    and raises SlowDown; `read` has the authorities in a file or directory; `script_users` are whom scripts run as, by
    name, and None for the workers' user; `private` are the paths of files that are never shown; `app_processes` are
    what leads to applications that have a process of their own, by `app_key`; `proxies` are the means to pass on."""

    def __init__(
        self,
        config: Config,
        mime_table: Mapping[str, str],
        make_limit: MakeLimit | None,
        read: Read = read_authorities,
        script_users: ScriptUsers = NO_USERS,
        private: Collection[str] = (),
        app_processes: Mapping[object, socket.socket] = NO_PROCESSES,
        proxies: ProxyMeans | None = None,
    ) -> None:
        self._first = config.hosts[0]
        self._hosts = {name: host for host in config.hosts for name in host.names}
        passed = {name: host for host in config.passes for name in host.names}
        self._owners = {**self._hosts, **passed} if passed else {}  # only where some are passed on
        self._rest = self._hosts.pop(ANY_HOST, None)
        self._proxies = [host for host in config.hosts if any(location.hosts for location in host.locations)]
        authorities = load_authorities(config, read)
        rules = {
            host.name: [(location, build_location_check(location, read)) for location in host.locations]
            for host in config.hosts
        }
        protection = Protection(rules, private)
        self.applications = Applications(config, authorities, app_processes)
        self._scripts = CGI(config, authorities, protection, script_users)
        fastcgi, scgi = host_settings.Answer.FASTCGI, host_settings.Answer.SCGI
        self._gateways: dict[host_settings.Answer, Gateway] = {
            fastcgi: ApplicationGateways("fastcgi", config, authorities, lambda one: one.fastcgi, FastCGICodec),
            scgi: ApplicationGateways("scgi", config, authorities, lambda one: one.scgi, SCGICodec),
            host_settings.Answer.PROXY: Proxies(config, proxies if proxies is not None else ProxyMeans(read=read)),
        }
        responders: dict[host_settings.Answer, Responder] = {
            host_settings.Answer.GONE: gone,
            host_settings.Answer.REDIRECT: redirect,
            host_settings.Answer.SCRIPT: self._scripts.run_mounted,
            host_settings.Answer.CGI: self._scripts,
            host_settings.Answer.APP: self.applications,
            **self._gateways,
            host_settings.Answer.FILES: StaticFiles(mime_table, config.limits.listing, protection),
        }
        self._locations = {host: _longest_first(entries, responders, make_limit) for host, entries in rules.items()}

    def respond(self, request: Request) -> Answer:
        """The answer. Raises GeminiError where it is a refusal."""
        served = self.find(request)
        if served.texts:
            return reword(served.texts, lambda: _respond(request, served))
        return _respond(request, served)

    def end_by(self, moment: float) -> None:
        """Break off what others' answers still go on with at `moment`, in monotonic seconds: the worker ends."""
        self.applications.end_by(moment)
        for upstreams in self._upstreams():
            upstreams.end_by(moment)

    def count_answers(self, count: Callable[[str, int], None]) -> None:
        """Have `count` told the kind of gateway and the status of each answer from now on."""
        for upstreams in self._upstreams():
            upstreams.count = partial(count, upstreams.kind)

    def _upstreams(self) -> Iterable[Upstreams]:
        return (upstreams for gateways in self._gateways.values() for upstreams in gateways.upstreams)

    def has_room(self) -> bool:
        """Whether a script would be started at once."""
        return self._scripts.has_room

    def locate(self, request: Request) -> Location | None:
        """The location that decides about a request; None where nobody is to have it."""
        try:
            return self.find(request).location
        except GeminiError:
            return None

    def find(self, request: Request) -> ServedLocation:
        """Where a request is answered. Raises BadRequest (59) without a host, ProxyRefused (53) for a foreign scheme,
        host or port that no application takes, and where TLS was set up for another host."""
        url, peer = request.url, request.peer
        if url.scheme == "gemini" and not url.host:
            raise BadRequest("The URL needs a host name")
        host = self._find_host(url.host, peer)
        if host is None or url.scheme != "gemini":
            return self._find_proxy(request, host)
        if host.check_port and peer.local_port and (url.port or peer.local_port) != peer.local_port:
            raise ProxyRefused(f"This port is not served here, only {peer.local_port} is")
        if not self._is_set_up_for(host, url.host, peer):
            raise ProxyRefused("The URL names another host than the TLS handshake did")
        served = self.find_location(host, url.rule_names)
        if url.scheme not in served.location.schemes:
            raise ProxyRefused("This scheme is not served here")
        return served

    def _find_host(self, name: str, peer: Peer) -> Host | None:
        """The one of this name, or the first one where it is the address that the connection came to, or the one that
        has the rest. Raises ProxyRefused (53) for one that is passed on before TLS: what it has is nobody's to answer
        here."""
        host = find_by_name(self._hosts, name)
        if host is None and is_address(name) and name == peer.local_address:
            return self._first
        if self._owners and isinstance(find_by_name(self._owners, name), PassHost):
            raise ProxyRefused("This host is served only to who names it in the TLS handshake")
        return host if host is not None else self._rest

    def _is_set_up_for(self, host: Host, name: str, peer: Peer) -> bool:
        """Whether TLS was set up for the host of this name, by that or another one of its names, or for none."""
        server_name = peer.tls.server_name
        return server_name is None or server_name == name or self._find_host(server_name, peer) is host

    def _find_proxy(self, request: Request, own: Host | None) -> ServedLocation:
        """The application for a URL of a foreign scheme or host: of `own`, the URL's host, or else one for all hosts,
        of the host that TLS was set up for if it has one. Raises ProxyRefused (53)."""
        url, server_name = request.url, request.peer.tls.server_name
        if own is not None and self._is_set_up_for(own, url.host, request.peer):
            served = self.find_location(own, url.rule_names)
            if url.scheme in served.location.schemes:
                return served.application_alone()
        asked = find_by_name(self._hosts, server_name) if server_name is not None else None
        for host in sorted(self._proxies, key=lambda host: host is not asked):
            served = self.find_location(host, url.rule_names)
            if url.host and served.location.hosts is not None and url.scheme in served.location.schemes:
                return served.application_alone()
        if url.scheme != "gemini":
            raise ProxyRefused("This scheme is not served here")
        raise ProxyRefused("This host is not served here")

    def find_location(self, host: Host, names: tuple[str, ...]) -> ServedLocation:
        """The one whose location has the longest path that is a prefix of `names`, whole segments only."""
        return next(served for served in self._locations[host.name] if names[: len(served.names)] == served.names)


def _respond(request: Request, served: ServedLocation) -> Answer:
    if served.check_rate is not None:
        served.check_rate(request.peer)
    return _answer(request, served)


def _answer(request: Request, served: ServedLocation) -> Answer:
    """Who has to be judged at length, in whatever step, comes here again when that is done."""
    try:
        if served.check_access is not None:
            served.check_access(request.peer)
        for responder in served.responders:
            answer = responder(request, served.location)
            if answer is not None:
                return answer
    except Unjudged as error:
        return Judged(error.judge, lambda: _answer(request, served))
    raise NotFound


def load_authorities(config: Config, read: Read = read_authorities) -> Authorities | None:
    """Who vouches for clients in TLS_CLIENT_AUTHORISED. Raises CertificateError."""
    paths = [path for path in (config.tls.ca_file, config.tls.ca_path) if path]
    return Authorities(*paths, read=read) if paths else None


def _longest_first(
    rules: Sequence[Rule], responders: Mapping[host_settings.Answer, Responder], make_limit: MakeLimit | None
) -> list[ServedLocation]:
    locations = [
        ServedLocation(
            location.names,
            location,
            make_limit(location.budgets) if make_limit is not None and location.budgets else None,
            check,
            tuple(responders[answer] for answer in location.answers),
            responders[host_settings.Answer.APP],
            {int(status): text for status, text in location.errors.items()},
        )
        for location, check in rules
    ]
    return sorted(locations, key=lambda served: -len(served.names))
