"""Who may see a location: client certificates and the answers 60, 61 and 62 (specification 0.24.1, "Status codes").

Rule: the answer depends on the location's path and the certificate alone, never on what is below the path, so that
nobody learns from it whether a file exists.
"""

import datetime
from collections.abc import Callable

from gemd.config.settings import CAFile, ClientCertificate
from gemd.protocol.errors import CertificateNotAuthorised, CertificateNotValid, CertificateRequired
from gemd.protocol.fingerprint import parse_fingerprint
from gemd.protocol.peer import Peer
from gemd.system.client_certificates import Authorities

Check = Callable[[Peer], None]


def build_check(rule: ClientCertificate | None) -> Check | None:
    """A function that raises CertificateRequired (60), CertificateNotAuthorised (61) or CertificateNotValid (62) for a
    peer that may not pass; None where everybody may. Raises CertificateError for authorities that can't be loaded."""
    if rule is None:
        return None
    if isinstance(rule, CAFile):
        authorities = Authorities(rule.ca)
        return lambda peer: _demand(peer, authorities.vouch_for(peer.tls.client_chain) if has_valid(peer) else False)
    if rule == "any":
        return lambda peer: _demand(peer, True)
    fingerprints = [parse_fingerprint(text) for text in rule]
    certificates = {entry.digest for entry in fingerprints if entry.of == "certificate"}
    public_keys = {entry.digest for entry in fingerprints if entry.of == "public key"}

    def check(peer: Peer) -> None:
        given = peer.tls.client_certificate
        is_listed = given is not None and (
            given.fingerprint in certificates or given.public_key_fingerprint in public_keys
        )
        _demand(peer, is_listed)

    return check


def has_valid(peer: Peer) -> bool:
    """Whether the client gave a certificate that is usable and within its dates."""
    given = peer.tls.client_certificate
    now = datetime.datetime.now(datetime.UTC)
    return given is not None and not given.fault and given.not_before <= now <= given.not_after


def _demand(peer: Peer, is_authorised: bool) -> None:
    if peer.tls.client_certificate is None:
        raise CertificateRequired("A client certificate is required")
    if not has_valid(peer):
        raise CertificateNotValid("The client certificate is not valid, or not valid now")
    if not is_authorised:
        raise CertificateNotAuthorised("The client certificate is not authorised")
