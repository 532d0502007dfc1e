"""Who may see a location: networks, then client certificates and the answers 60, 61 and 62 (specification 0.24.1,
"Status codes").

Rule: the answer depends on the location's path, the network and the certificate alone, never on what is below the path,
so that nobody learns from it whether a file exists.
"""

import datetime
from collections.abc import Callable

from gemd.config.host_settings import Location
from gemd.config.types import CAFile, ClientCertificate, LocationAccess
from gemd.protocol.errors import (
    CertificateNotAuthorised,
    CertificateNotValid,
    CertificateRequired,
    GeminiError,
    NotFound,
)
from gemd.protocol.fingerprint import parse_fingerprint
from gemd.protocol.networks import build_rule
from gemd.protocol.peer import Peer
from gemd.responders.judged import Unjudged
from gemd.system.authorities import Authorities, Read, Verdict, read_authorities

Check = Callable[[Peer], None]

_NOT_FOR_NETWORK = "This is not for your network"
_NOT_AUTHORISED = "The client certificate is not authorised"


def build_check(rule: ClientCertificate, read: Read = read_authorities) -> Check | None:
    """A function that raises CertificateRequired (60), CertificateNotAuthorised (61) or CertificateNotValid (62) for a
    peer that may not pass, and Unjudged where that takes a while to find out; None where everybody may pass. `read` has
    the authorities; raises CertificateError where they can't be loaded."""
    if rule == "none":
        return None
    if isinstance(rule, CAFile):
        return _by_authorities(Authorities(rule.ca, read=read))
    if rule == "any":
        return _demand_valid
    fingerprints = [parse_fingerprint(text) for text in rule]
    certificates = {entry.digest for entry in fingerprints if entry.of == "certificate"}
    public_keys = {entry.digest for entry in fingerprints if entry.of == "public key"}

    def check(peer: Peer) -> None:
        given = peer.tls.client_certificate
        is_listed = given is not None and (
            given.fingerprint in certificates or given.public_key_fingerprint in public_keys
        )
        _demand_valid(peer)
        if not is_listed:
            raise CertificateNotAuthorised(_NOT_AUTHORISED)

    return check


def build_location_check(location: Location, read: Read = read_authorities) -> Check | None:
    """The same by the network that the peer comes from, which is looked at first, and then by its certificate."""
    by_certificate = build_check(location.client_certificate, read)
    if location.access == "any":
        return by_certificate
    by_network = NetworkRule(location.access).check
    if by_certificate is None:
        return by_network

    def check(peer: Peer) -> None:
        by_network(peer)
        by_certificate(peer)

    return check


class NetworkRule:
    """Whose network may enter, and what the others are told."""

    def __init__(self, access: LocationAccess) -> None:
        self._may_come = build_rule(access.allow, access.deny)
        self._status = access.status
        self._text = NotFound.text if access.status == NotFound.status else _NOT_FOR_NETWORK

    def admits(self, peer: Peer) -> bool:
        """Whether this one may."""
        return self._may_come(peer.address)

    def check(self, peer: Peer) -> None:
        """Raise GeminiError with the status of the rule where this one may not."""
        if not self._may_come(peer.address):
            raise GeminiError(self._text, self._status)


def _by_authorities(authorities: Authorities) -> Check:
    def check(peer: Peer) -> None:
        _demand_valid(peer)
        verdict = authorities.weigh(peer.tls)
        if not isinstance(verdict, Verdict):
            raise Unjudged(verdict)
        if verdict.fault:
            raise CertificateNotValid(verdict.fault)
        if not verdict.is_vouched_for:
            raise CertificateNotAuthorised(_NOT_AUTHORISED)

    return check


def has_valid(peer: Peer) -> bool:
    """Whether the client gave a certificate that is usable and within its dates."""
    given = peer.tls.client_certificate
    now = datetime.datetime.now(datetime.UTC)
    return given is not None and not given.fault and given.not_before <= now <= given.not_after


def _demand_valid(peer: Peer) -> None:
    if peer.tls.client_certificate is None:
        raise CertificateRequired("A client certificate is required")
    if not has_valid(peer):
        raise CertificateNotValid("The client certificate is not valid, or not valid now")
