"""What an operator should mend in a certificate or its key, though a server can run with it.

Rule: each text names the file, says who will mind, and what to do.
"""

import datetime
import itertools
import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from gemd.protocol.host import covers
from gemd.system.certificate_parsing import CURVES, Certificates, PrivateKey, is_self_signed, read_names

T = TypeVar("T", bound=x509.ExtensionType)

_SOON = datetime.timedelta(days=30)
_RENEWED_BY = 4  # when that part of its time is left: certbot begins at a third
_MIN_RSA = 2048  # bits
_SERVER = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


class Pair(msgspec.Struct, frozen=True):
    """A certificate with its chain (leaf first) and key, from which files they are, and how many keys are in the
    latter. `names` are those of its host. It is a client's unless it `is_server`, and `is_kept` by gemd, or else named
    by the configuration."""

    chain: Certificates
    key: PrivateKey
    path: Path
    key_path: Path
    keys: int = 1
    names: tuple[str, ...] = ()
    is_server: bool = True
    is_kept: bool = False


def find_warnings(pair: Pair) -> tuple[str, ...]:
    """All of it. Raises OSError where the key's file can't be looked at."""
    try:
        extensions = pair.chain[0].extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        text = f"{pair.path} has extensions that can't be read: clients may refuse it; {_remedy(pair)}"
        return (text, *_judge_dates(pair), *_judge_key(pair))
    return (
        *_judge_dates(pair),
        *_judge_key(pair),
        *_judge_form(pair, extensions),
        *_judge_chain(pair, extensions),
    )


def _remedy(pair: Pair) -> str:
    if not pair.is_server:
        return "have another one made, for its key"
    if not is_self_signed(pair.chain[0]):
        return "have it issued anew"
    name = pair.names[0] if pair.names else "HOST"
    return f"`gemctl cert renew {name}` makes another for its key" if pair.is_kept else "make another for its key"


def _judge_dates(pair: Pair) -> Iterator[str]:
    leaf, now = pair.chain[0], datetime.datetime.now(datetime.UTC)
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now >= end:
        yield f"{pair.path} expired on {end:%Y-%m-%d}: {_remedy(pair)}"
    elif now + min(_SOON, (end - start) / _RENEWED_BY) >= end:
        yield f"{pair.path} expires on {end:%Y-%m-%d}: {_remedy(pair)}"
    if now < start:
        yield f"{pair.path} is not valid before {start:%Y-%m-%d}: clients refuse it, or the clock here is wrong"


def _judge_key(pair: Pair) -> Iterator[str]:
    key, path = pair.key, pair.key_path
    if stat.S_IMODE(path.stat().st_mode) & 0o007:
        yield f"{path} can be read or changed by everyone: chmod 600 {path}"
    if pair.keys > 1:
        yield f"{path} has {pair.keys} private keys, of which the first is used: leave that alone in it"
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _MIN_RSA:
        yield f"{path} is an RSA key of {key.key_size} bits: clients refuse what has less than {_MIN_RSA}"
    if not pair.is_server:
        return
    rest = "some clients can't do that and don't get in, and those that have pinned it would ask about another one"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        yield f"{path} is an Ed25519 key: {rest}"
    elif isinstance(key, ec.EllipticCurvePrivateKey) and CURVES.get(key.curve.name) == "P-521":
        yield f"{path} is a key on the curve P-521: {rest}"


def _judge_form(pair: Pair, extensions: x509.Extensions) -> Iterator[str]:
    leaf, path = pair.chain[0], pair.path
    if leaf.version is x509.Version.v1:
        yield f"{path} is of X.509 version 1, which clients written in Rust refuse: {_remedy(pair)}, of version 3"
    if isinstance(pair.key, ec.EllipticCurvePrivateKey) and not _names_curve(leaf):
        text = f"{path} has its curve in numbers, and not by name (RFC 5480, 2.1.1), which clients written in Go refuse"
        yield f"{text}: {_remedy(pair)}"
    usage = _find(extensions, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        yield f"{path} is not for signatures (key usage), so that clients with TLS 1.2 don't get in: {_remedy(pair)}"
    if not pair.is_server:
        return
    purposes = _find(extensions, x509.ExtendedKeyUsage)
    if purposes is not None and not _SERVER & set(purposes):
        text = f"{path} is not for servers (extended key usage without serverAuth), which some clients mind"
        yield f"{text}: {_remedy(pair)}"
    if pair.names:
        yield from _judge_names(pair)


def _names_curve(certificate: x509.Certificate) -> bool:
    """Whether it has the curve of its key by name, which not every cryptography takes otherwise."""
    try:
        key = certificate.public_key()
    except ValueError:
        return False
    written = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return written in certificate.tbs_certificate_bytes


def _judge_names(pair: Pair) -> Iterator[str]:
    named = {name.lower() for name in read_names(pair.chain[0])}
    in_subject = {name.lower() for name in _read_subject(pair.chain[0])} if not named else set()
    absent = [name for name in pair.names if not covers(named | in_subject, name)]
    if absent:
        yield f"{pair.path} does not name {', '.join(absent)}, which clients mind that check names: {_remedy(pair)}"
    elif in_subject:
        yield f"{pair.path} has its name in the subject alone, where many clients don't look (no SAN): {_remedy(pair)}"


def _read_subject(certificate: x509.Certificate) -> Iterator[str]:
    """The names that stand where there was room for one before there were SANs (RFC 6125, 6.4.4)."""
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        text = str(attribute.value)
        try:
            yield str(ip_address(text))
        except ValueError:
            yield text


def _judge_chain(pair: Pair, extensions: x509.Extensions) -> Iterator[str]:
    chain, path = pair.chain, pair.path
    if is_self_signed(chain[0]):
        if len(chain) > 1:
            text = f"{path} has {len(chain) - 1} more behind a self-signed certificate, which no client needs"
            yield f"{text}: remove them"
        return
    for i, (one, issuer) in enumerate(itertools.pairwise(chain), 1):
        if one.issuer != issuer.subject:
            text = f"the order of the chain in {path} is wrong: number {i + 1} is not the issuer of number {i}"
            yield f"{text}; clients that ask authorities may refuse it: put each issuer behind what it issued"
            return
    access = _find(extensions, x509.AuthorityInformationAccess)
    has_issuer = access is not None and any(
        each.access_method == AuthorityInformationAccessOID.CA_ISSUERS for each in access
    )
    if len(chain) == 1 and has_issuer:
        text = f"{path} lacks the certificates of its issuers, and clients that ask authorities may refuse it"
        yield f"{text}: put them behind it (of Let's Encrypt, take fullchain.pem)"


def _find(extensions: x509.Extensions, kind: type[T]) -> T | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
