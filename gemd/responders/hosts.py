"""Which location a request is for, by the host in its URL, the name in the handshake, and the path; and what is asked
there: limits, access, then the responders in their order.

Rules: locations are matched on the names that open the file, so that no spelling of a URL steps around a rule; nothing
of another host than TLS was set up for, and nothing of a host that is passed on, is answered; each step sees only what
the steps before it let through.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from gemd.config.host_settings import Host, Location
from gemd.config.pass_settings import PassHost
from gemd.config.settings import Config
from gemd.protocol.errors import BadRequest, NotFound, Overloaded, ProxyRefused
from gemd.protocol.host import ANY_HOST, find_by_name, is_address
from gemd.protocol.peer import Peer
from gemd.protocol.request import Request
from gemd.protocol.response import Answer
from gemd.protocol.upload import Intake
from gemd.protocol.url import TITAN, Url
from gemd.responders.access import Check
from gemd.responders.attribution import NOWHERE, CountPlace, Note
from gemd.responders.judged import MAX_JUDGEMENTS, Unjudged
from gemd.responders.location_finder import build_finder
from gemd.responders.normal_paths import redirect_to_normal
from gemd.responders.own_texts import Texts, reword

# Raises GeminiError, or Unjudged to be asked again.
Responder = Callable[[Request, Location], Answer | Intake | None]


class ServedLocation(msgspec.Struct, frozen=True):
    """A location, how often and by whom it may be asked for, and who answers there, in the order in which they are
    asked; `application` is the one of them that answers for others, and `uploads` takes what is written to it, None
    where nothing is. `texts` are for refusals; `places` are where answers are counted, by responder, and `refused`
    where those that come from none; `note` is told."""

    location: Location
    check_rate: Check | None
    check_access: Check | None
    responders: tuple[tuple[Responder, CountPlace], ...]
    application: Responder
    texts: Texts = {}
    uploads: Responder | None = None
    note: Note = msgspec.field(default_factory=Note)
    places: Mapping[Responder, CountPlace] = {}
    refused: CountPlace = NOWHERE

    def respond(self, request: Request) -> Answer | Intake:
        """What is answered here; a refusal has the text that the location has for it. Raises GeminiError."""
        if self.texts:
            return reword(self.texts, lambda: self._respond(request))
        return self._respond(request)

    def _respond(self, request: Request) -> Answer | Intake:
        self.note.place = self.refused
        if self.check_rate is not None:
            self.check_rate(request.peer)
        return self._answer(request)

    def _answer(
        self, request: Request, judgements: int = MAX_JUDGEMENTS, held: CountPlace | None = None
    ) -> Answer | Intake:
        """Who has to be judged at length, in whatever step, comes here again when that is done, with the place that the
        answer has already."""
        note = self.note
        try:
            if self.check_access is not None:
                self.check_access(request.peer)
            for responder, note.place in self.responders:
                answer = responder(request, self.location)
                if answer is not None:
                    return answer
        except Unjudged as error:
            if not judgements:
                raise Overloaded from None
            kept = held if held is not None else note.hold()
            return error.wait(lambda: self._answer_later(request, judgements - 1, kept))
        raise NotFound

    def _answer_later(self, request: Request, judgements: int, held: CountPlace) -> Answer | Intake:
        """The same, for an answer that has its place already."""
        self.note.place = self.refused
        try:
            return self._answer(request, judgements, held)
        finally:
            self.note.settle(held)

    def alone(self, responder: Responder) -> "ServedLocation":
        """The same where this one alone is asked: for an upload, a URL of a foreign scheme or host, which means no file
        and no script, or one that is written otherwise."""
        return msgspec.structs.replace(self, responders=((responder, self.places.get(responder, NOWHERE)),))


class ServedHosts:
    """The hosts of a configuration; `locations` are those of each, by its name."""

    def __init__(self, config: Config, locations: Mapping[str, Sequence[ServedLocation]]) -> None:
        self._first = config.hosts[0]
        self._hosts = {name: host for host in config.hosts for name in host.names}
        passed = {name: host for host in config.passes for name in host.names}
        self._owners = {**self._hosts, **passed} if passed else {}  # only where some are passed on
        self._rest = self._hosts.pop(ANY_HOST, None)
        self._for_others = [host for host in config.hosts if any(location.hosts for location in host.locations)]
        self._schemes = {scheme for location in config.locations for scheme in location.schemes}
        self._has_texts = any(served.texts for entries in locations.values() for served in entries)
        self._finders = {
            host: build_finder([(served.location.place, served) for served in entries])
            for host, entries in locations.items()
        }

    def find(self, request: Request) -> ServedLocation:
        """Where a request is answered. Raises BadRequest (59) without a host, ProxyRefused (53) for a foreign scheme,
        host or port that no application takes, and where TLS was set up for another host."""
        url, peer = request.url, request.peer
        if url.scheme == "gemini" and not url.host:
            raise BadRequest("The URL needs a host name")
        host = self._find_host(url.host, peer)
        if host is None or url.scheme != "gemini":
            return self._find_for_uploads(request, host) or self._find_for_others(request, host)
        self._check_way(url, host, peer)
        served = self._finders[host.name](url.rule_names)
        if url.scheme not in served.location.schemes:
            raise ProxyRefused("This scheme is not served here")
        return served.alone(redirect_to_normal) if url.had_dot_segments else served

    def _find_for_uploads(self, request: Request, own: Host | None) -> ServedLocation | None:
        """Where an upload is taken. Raises as `find`."""
        url = request.url
        if url.scheme != TITAN or own is None:
            return None
        served = self._finders[own.name](url.rule_names)
        if served.uploads is None:
            return None
        self._check_way(url, own, request.peer)
        return served.alone(served.uploads)

    def _check_way(self, url: Url, host: Host, peer: Peer) -> None:
        """Raise ProxyRefused (53) where a URL of this host came by another one's port or handshake."""
        if host.check_port and peer.local_port and (url.port or peer.local_port) != peer.local_port:
            raise ProxyRefused(f"This port is not served here, only {peer.local_port} is")
        if not self._is_set_up_for(host, url.host, peer):
            raise ProxyRefused("The URL names another host than the TLS handshake did")

    def find_texts(self, request: Request) -> Texts:
        """Those for refusals of the location that the URL leads to, whatever its scheme and port; none where its host
        is not served, or TLS was set up for another one."""
        url, peer = request.url, request.peer
        try:
            host = self._find_host(url.host, peer) if self._has_texts else None
            if host is None or not self._is_set_up_for(host, url.host, peer):
                return {}
        except ProxyRefused:
            return {}
        return self._finders[host.name](url.rule_names).texts

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

    def _find_for_others(self, request: Request, own: Host | None) -> ServedLocation:
        """The application for a URL of a foreign scheme or host: of `own`, the URL's host, or else one for all hosts,
        of the host that TLS was set up for if it has one. Raises ProxyRefused (53), and BadRequest (59) for what is no
        URL of a scheme that one takes."""
        url, server_name = request.url, request.peer.tls.server_name
        if url.fault and url.scheme in self._schemes:
            raise BadRequest(url.fault)
        if own is not None and self._is_set_up_for(own, url.host, request.peer):
            served = self._finders[own.name](url.rule_names)
            if url.scheme in served.location.schemes:
                return served.alone(served.application)
        asked = find_by_name(self._hosts, server_name) if server_name is not None else None
        for host in sorted(self._for_others, key=lambda host: host is not asked):
            served = self._finders[host.name](url.rule_names)
            if url.host and served.location.hosts is not None and url.scheme in served.location.schemes:
                return served.alone(served.application)
        if url.scheme != "gemini":
            is_upload = url.scheme == TITAN and own is not None
            raise ProxyRefused("No uploads are taken here" if is_upload else "This scheme is not served here")
        raise ProxyRefused("This host is not served here")
