"""Whether a server that requests are passed on to is the one that is meant.

Rules: it is asked before anything is sent that is not for everybody; the text of a refusal is for the operator, and
names what was shown and what was expected.
"""

from collections.abc import Collection
from typing import Protocol

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from gemd.config.types import Address
from gemd.protocol.fingerprint import Fingerprint
from gemd.protocol.host import covers
from gemd.protocol.peer import ClientCertificate
from gemd.system.certificate_parsing import Certificates, read_names
from gemd.system.client_certificates import parse_client_certificate
from gemd.system.client_chain import UNREADABLE, UnfitChain, read_chain
from gemd.system.known_servers import KnownServers, KnownServersError, name_server

Chain = tuple[bytes, ...]  # certificates in DER, the server's own first


class Distrusted(Exception):
    """It is not, or nobody can tell; the text says why."""


class ServerTrust(Protocol):
    """By what a server is known."""

    def check(self, chain: Chain, address: Address, name: str | None) -> None:
        """Whether the server at an address, asked for `name`, is the one that is meant. Raises Distrusted."""


class PinnedServers:
    """Servers are known by fingerprints, of their certificates or keys."""

    def __init__(self, fingerprints: Collection[Fingerprint]) -> None:
        self._fingerprints = frozenset(fingerprints)

    def check(self, chain: Chain, address: Address, name: str | None) -> None:
        """Raises Distrusted."""
        del address, name
        shown = parse_client_certificate(chain[0])
        ours = Fingerprint("certificate", shown.fingerprint), Fingerprint("public key", shown.public_key_fingerprint)
        if self._fingerprints.isdisjoint(ours):
            raise Distrusted(f"has another certificate than fingerprint says: it shows {_describe(shown)}")


class VouchedServers:
    """Servers are known by authorities, which have to vouch for the name that is asked for, or else the address."""

    def __init__(self, authorities: Certificates) -> None:
        self._store = crypto.X509Store()
        for authority in authorities:
            self._store.add_cert(crypto.X509.from_cryptography(authority))

    def check(self, chain: Chain, address: Address, name: str | None) -> None:
        """Raises Distrusted."""
        try:
            own = read_chain(chain).certificates[0]
            leaf, *others = (crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in chain)
            crypto.X509StoreContext(self._store, leaf, others).verify_certificate()
            names, is_for_servers = read_names(own), _is_for_servers(own)
        except crypto.X509StoreContextError as error:
            raise Distrusted(f"has a certificate that ca does not vouch for: {error}") from None
        except (UnfitChain, crypto.Error, *UNREADABLE):
            raise Distrusted("has a certificate that can't be read") from None
        wanted = name or address.host
        if not covers(names, wanted):
            raise Distrusted(f"has a certificate for {', '.join(names) or 'nobody'}, and not for {wanted}: see sni")
        if not is_for_servers:
            raise Distrusted("has a certificate that is not meant for servers")


class MetServers:
    """Servers are known by the key that they had when they were first met."""

    def __init__(self, known: KnownServers) -> None:
        self._known = known

    def check(self, chain: Chain, address: Address, name: str | None) -> None:
        """Raises Distrusted."""
        shown = parse_client_certificate(chain[0])
        if shown.fault:
            raise Distrusted(f"has a certificate that can't be read: {shown.fault}")
        server = name_server(address, name)
        try:
            known = self._known.find(server) or self._known.remember(server, shown.public_key_fingerprint)
        except KnownServersError as error:
            raise Distrusted(f"can't be trusted: {error}") from None
        if known != shown.public_key_fingerprint:
            raise Distrusted(
                f"has another key than it had: it shows {_describe(shown)}, and had SPKI-SHA256:{known}; if that is "
                f"meant to be, remove {server} from {self._known.path} and reload, or set fingerprint"
            )


def _describe(certificate: ClientCertificate) -> str:
    key = certificate.public_key_fingerprint
    return f"SPKI-SHA256:{key}" if key else f"SHA256:{certificate.fingerprint}"


def _is_for_servers(certificate: x509.Certificate) -> bool:
    """By an extended key usage that says so, or none at all (RFC 5280, 4.2.1.12). Raises one of UNREADABLE."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usage
