"""Certificate authorities that vouch for clients.

Rules: a chain is bounded before a signature is verified; a verdict is remembered for as long as no certificate that it
depends on begins or ceases to be valid, so that a client's next page costs a digest. The event loop weighs a chain, any
thread may judge it; for the connection that it came by the verdict holds as long as that does.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from weakref import WeakKeyDictionary

import msgspec
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from gemd.protocol.counters import EVICTIONS
from gemd.protocol.fingerprint import sha256
from gemd.protocol.peer import TLSInfo
from gemd.system.attempt import attempt
from gemd.system.certificate_parsing import Certificates
from gemd.system.certificates import CertificateError
from gemd.system.client_chain import (
    UNREADABLE,
    ClientChain,
    UnfitChain,
    check_length,
    check_names,
    constrains_names,
    is_large,
    is_slow,
    moments_of,
    read_chain,
    signature_cost,
)
from gemd.system.tally import tally

_MAX_VERDICTS = 1024  # some 200 bytes each
_MAX_DOUBT = 60.0  # seconds for a verdict that may have come of a want of memory
_MARGIN = 2.0  # seconds around a moment when something changes, in which nothing is remembered


class Verdict(msgspec.Struct, frozen=True):
    """Whether the client is vouched for; `fault` says what is wrong with its certificates themselves, in words fit for
    it."""

    is_vouched_for: bool
    fault: str = ""


Judge = Callable[[], Verdict]  # for a thread, as it takes a while
Read = Callable[[str], Certificates]  # the authorities in a file or directory; raises CertificateError

_VOUCHED_FOR = Verdict(is_vouched_for=True)
_UNKNOWN = Verdict(is_vouched_for=False)
_OTHER_PURPOSE = Verdict(is_vouched_for=False, fault="The client certificate is not meant for clients")


def read_authorities(path: str) -> Certificates:
    """What is in a PEM file, or a directory of such files. Raises CertificateError where there are none."""
    source = Path(path)
    found: list[x509.Certificate] = []
    try:
        with attempt(f"the authorities in {path} could not be read"):
            files = sorted(entry for entry in source.iterdir() if entry.is_file()) if source.is_dir() else [source]
            for file in files:
                found += _load_pem(file, is_only=len(files) == 1)
    except OSError as error:
        from gemd.system.hindrances import explain_unusable  # for mistakes alone

        raise CertificateError(f"the authorities in {path} can't be read: {explain_unusable(path, error)}") from None
    if not found:
        raise CertificateError(f"{path} has no certificates of authorities in PEM form")
    return tuple(found)


class Authorities:
    """What is loaded from PEM files, or directories of such files."""

    def __init__(self, *paths: str, read: Read = read_authorities) -> None:
        """Load them all. Raises CertificateError where there are none."""
        self._store = crypto.X509Store()
        self._certificates = [certificate for path in paths for certificate in read(path)]
        for certificate in self._certificates:
            self._store.add_cert(crypto.X509.from_cryptography(certificate))
        self._constrain_names = any(map(constrains_names, self._certificates))
        self._cost = max(map(_cost_of, self._certificates), default=0.0)
        self._moments = tuple(moments_of(self._certificates))
        self._verdicts: OrderedDict[str, tuple[float, float, Verdict]] = OrderedDict()
        self._judged: WeakKeyDictionary[TLSInfo, Verdict] = WeakKeyDictionary()  # for as long as they last
        self._lock = threading.Lock()

    def judge(self, ders: tuple[bytes, ...]) -> Verdict:
        """Whether the first certificate of a chain in DER, with the help of the others, leads to one of them. For any
        thread, as it may take a while."""
        key = _digest(ders)
        try:
            return self._recall(key) or self._verify_and_remember(key, read_chain(ders))
        except UnfitChain as error:
            return self._remember(key, -math.inf, math.inf, _refuse(error))

    def weigh(self, tls: TLSInfo) -> Verdict | Judge:
        """The same for the chain of a connection where it is known, or quickly found out; else a function for a thread
        that finds it out. What that found is known then, however often this is asked."""
        ders = tls.client_chain
        key = _digest(ders)
        found = self._judged.get(tls) or self._recall(key)
        if found is not None:
            return found
        try:
            check_length(ders)
            chain = None if is_large(ders) else read_chain(ders)
        except UnfitChain as error:
            return _refuse(error)
        if chain is None or self._constrain_names or is_slow(chain, self._cost):
            return lambda: self._judge_for(tls, ders)
        return self._verify_and_remember(key, chain)

    def _judge_for(self, tls: TLSInfo, ders: tuple[bytes, ...]) -> Verdict:
        """Runs in any thread."""
        verdict = self._judged[tls] = self.judge(ders)
        return verdict

    def _verify_and_remember(self, key: str, chain: ClientChain) -> Verdict:
        """Raises UnfitChain. Runs in any thread."""
        begun = time.time()
        verdict = self._verify(chain)
        now = time.time()
        moments = (*self._moments, *moments_of(chain.certificates))
        start = max((moment for moment in moments if moment <= now), default=-math.inf) + _MARGIN
        end = min((moment for moment in moments if moment > now), default=math.inf) - _MARGIN
        if not verdict.is_vouched_for:
            end = min(end, now + _MAX_DOUBT)
        return self._remember(key, start, end, verdict) if start <= begun <= now < end else verdict

    def _remember(self, key: str, start: float, end: float, verdict: Verdict) -> Verdict:
        """It holds from `start` until `end`, in seconds since the epoch."""
        with self._lock:
            self._verdicts[key] = start, end, verdict
            if len(self._verdicts) > _MAX_VERDICTS:
                self._verdicts.popitem(last=False)
                tally.count(EVICTIONS, "verdicts")
        return verdict

    def _recall(self, key: str) -> Verdict | None:
        """What was found out, if that still holds."""
        with self._lock:
            start, end, verdict = self._verdicts.get(key, (0.0, 0.0, _UNKNOWN))
            if start <= time.time() < end:
                self._verdicts.move_to_end(key)
                return verdict
        return None

    def _verify(self, chain: ClientChain) -> Verdict:
        """Raises UnfitChain where there are too many names."""
        if not chain.ders:
            return _UNKNOWN
        if self._constrain_names or chain.has_constraints:
            check_names(chain.certificates)
        try:
            leaf, *others = (crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in chain.ders)
            verified = crypto.X509StoreContext(self._store, leaf, others).get_verified_chain()
            is_for_clients = [_is_for_clients(certificate.to_cryptography()) for certificate in verified]
        except (crypto.X509StoreContextError, crypto.Error, *UNREADABLE):
            return _UNKNOWN
        if not is_for_clients[0] or not _may_sign(chain.certificates[0]):
            return _OTHER_PURPOSE
        return _VOUCHED_FOR if all(is_for_clients) else _UNKNOWN


def _refuse(error: UnfitChain) -> Verdict:
    return Verdict(is_vouched_for=False, fault=str(error))


def _is_for_clients(certificate: x509.Certificate) -> bool:
    """Whether it may vouch for clients, or be theirs: by an extended key usage that says so, or none at all (RFC 5280,
    4.2.1.12). Raises one of UNREADABLE."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage


def _may_sign(certificate: x509.Certificate) -> bool:
    """Whether a client's key is meant for what a handshake has it do (RFC 5280, 4.2.1.3). Raises one of UNREADABLE."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage.digital_signature or usage.key_agreement


def _digest(ders: tuple[bytes, ...]) -> str:
    """Of the whole chain; lengths keep one chain from being read as another."""
    return sha256(b"".join(part for der in ders for part in (len(der).to_bytes(4, "big"), der)))


def _cost_of(authority: x509.Certificate) -> float:
    """What its signature costs, in milliseconds; infinity where that is not known."""
    try:
        cost = signature_cost(authority.public_key())
    except UNREADABLE:
        cost = None
    return math.inf if cost is None else cost


def _load_pem(file: Path, *, is_only: bool) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except ValueError as error:
        if is_only:
            raise CertificateError(f"{file} has no certificate in PEM form: {error}") from None
        return []  # a directory may hold other things beside
