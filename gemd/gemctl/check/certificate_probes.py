"""Checks of the certificate that clients are shown.

Rule: nothing is remembered: what clients would say to a change is told by who is known already.
"""

import datetime
import ssl

from gemd.gemctl.check.finding import PASSED, CheckOutcome, fault, note
from gemd.gemctl.check.probe import probe
from gemd.gemctl.check.visit import Visitor
from gemd.gemctl.failure import Failure
from gemd.gemctl.gemini_client import NoHandshake, build_client_context
from gemd.gemctl.known_hosts import KnownHosts, default_path
from gemd.protocol.host import covers
from gemd.protocol.quantities import count

_SOON = 14  # days
_GOOD_CURVES = frozenset({"ECDSA P-256", "ECDSA P-384"})
_LESS_KNOWN = frozenset({"ECDSA P-521", "Ed25519"})  # of which -t warns too
_SHORTEST_RSA = 2048
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME: dates are another check's


def _check_names(visitor: Visitor) -> CheckOutcome:
    names = visitor.facts.names
    if covers(names, visitor.subject.host):
        return PASSED
    return fault(f"it names {', '.join(names) or 'nobody'}")


def _check_dates(visitor: Visitor) -> CheckOutcome:
    facts, now = visitor.facts, datetime.datetime.now(datetime.UTC)
    if now < facts.not_before:
        return fault(f"it is not valid before {facts.not_before:%Y-%m-%d %H:%M} UTC")
    if now > facts.not_after:
        return fault(f"it expired on {facts.not_after:%Y-%m-%d}")
    days = (facts.not_after - now).days
    return fault(f"it expires in {count(days, 'day')}") if days < _SOON else PASSED


def _check_key(visitor: Visitor) -> CheckOutcome:
    kind = visitor.facts.key_type
    if kind in _GOOD_CURVES or (kind.startswith("RSA ") and int(kind[4:]) >= _SHORTEST_RSA):
        return PASSED
    if kind in _LESS_KNOWN:
        return note(f"it is {kind}, which some clients can't use")
    return fault(f"it is {kind}, which most clients refuse")


def _check_issuer(visitor: Visitor) -> CheckOutcome:
    with visitor.connect() as connection:
        shown = connection.certificate
    if _verifies(visitor, shown) or _verifies(visitor, None):
        return PASSED
    return note("it is signed by somebody else, and what came with it leads to no authority that this machine knows")


def _verifies(visitor: Visitor, trusted: bytes | None) -> bool:
    """Whether the chain ends at this certificate, or at an authority of this machine. Raises NoHandshake."""
    context = build_client_context(None, None)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags = _NO_CHECK_TIME
    if trusted is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cadata=trusted)
    try:
        visitor.connect(context).tls.close()
    except NoHandshake:
        raise  # which says nothing of the chain
    except Failure:
        return False
    return True


def _check_pin(visitor: Visitor) -> CheckOutcome:
    known = KnownHosts(default_path()).find(visitor.subject.place)
    facts = visitor.facts
    if known is None or facts.fingerprint == known.fingerprint:
        return PASSED
    if facts.public_key_fingerprint == known.public_key_fingerprint:
        return note("it is another one than gemctl has seen before, for the same key")
    return fault("it is another one than gemctl has seen before, and so is its key: clients warn their users")


PROBES = (
    probe(
        "certificate-names",
        _check_names,
        "the host is among the names of its certificate",
        "`gemctl cert show` tells what it lacks; have it made anew with that name, or add the name to its order",
        '"TLS server certificate validation"',
    ),
    probe(
        "certificate-dates",
        _check_dates,
        f"a certificate that is valid, and will be for {_SOON} days",
        "`gemctl cert renew` makes a new one for the same key; one that was issued elsewhere is renewed there",
        '"TLS server certificate validation"',
    ),
    probe(
        "certificate-key",
        _check_key,
        "a key by ECDSA P-256 or P-384, or by RSA with 2048 bits and more",
        "where few clients know the certificate yet, have one made with another key",
        "RFC 8446, 4.2.3",
    ),
    probe(
        "certificate-issuer",
        _check_issuer,
        "a certificate that signs itself, or a chain to an authority",
        'name the file with the whole chain ("fullchain.pem") as certificate; one of a private authority may stay',
        '"TLS server certificate validation"',
    ),
    probe(
        "certificate-known",
        _check_pin,
        "the certificate, or at least the key, that clients know",
        "go back to the former key if it is there; else tell your readers, and `gemctl fetch --trust` here",
        '"TLS server certificate validation"',
    ),
)
