"""Whom a client talks to: servers are known by the certificate that they have shown first.

Rule: a certificate that has changed is refused before anything is asked, unless it is for the same key: whoever has
that is who it was.
"""

import argparse
import contextlib
import datetime
from collections.abc import Iterable, Iterator

from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.gemini_client import GeminiConnection, build_client_context
from gemd.gemctl.known_hosts import KnownHost, KnownHosts, default_path
from gemd.gemctl.target import Target, parse_address
from gemd.gemctl.terminal import complain, escape
from gemd.protocol.host import covers
from gemd.system.certificate_facts import CertificateFacts, parse_facts


@contextlib.contextmanager
def connect_trusted(options: argparse.Namespace, target: Target) -> Iterator[GeminiConnection]:
    """A connection to whoever answers for the target, by the options that all clients have. Raises Failure, and
    CertificateError for a certificate that can't be read."""
    if options.key and not options.cert:
        raise Failure("--key needs --cert", code=ExitCode.USAGE)
    address = parse_address(options.connect) if options.connect else (target.host, target.port)
    context = build_client_context(options.cert, options.key)
    with GeminiConnection(address, target.host, context, options.timeout) as connection:
        facts = parse_facts(connection.certificate)
        complain(*check_trust(KnownHosts(default_path()), target, facts, trust=options.trust))
        yield connection


def check_trust(store: KnownHosts, target: Target, facts: CertificateFacts, *, trust: bool) -> Iterable[str]:
    """Compare the certificate with what is known of the host, and remember it if it is new, for the key that is known,
    or `trust` says so.

    Returns what the operator should know. Raises Failure for one that has changed, and its key with it.
    """
    now = datetime.datetime.now(datetime.UTC)
    notes = []
    known = store.find(target.place)
    is_known = known is not None and known.fingerprint == facts.fingerprint
    is_renewed = known is not None and not is_known and known.public_key_fingerprint == facts.public_key_fingerprint
    if known is not None and not (is_known or is_renewed or trust):
        raise Failure(
            f"the certificate of {target.place} has changed, and nothing was asked of it",
            f"  known: {known.fingerprint}, {_say_until(known.not_after, now)}",
            f"  shown: {facts.fingerprint}, {_say_until(facts.not_after, now)}",
            "if that is as it should be, say so with --trust",
        )
    shown = KnownHost(target.place, facts.fingerprint, facts.not_after, facts.public_key_fingerprint)
    if not is_known:
        store.remember(shown)
        news = "is new here" if known is None else f"has changed from {known.fingerprint}"
        if is_renewed:
            news = "has a new certificate for the same key"
        notes.append(
            f"{target.place} {news}; its certificate {facts.fingerprint}, {_say_until(facts.not_after, now)}, "
            f"is trusted from now on ({store.path})"
        )
    elif known is not None and not known.public_key_fingerprint:
        with contextlib.suppress(Failure):  # a file that nobody may write to is as good as it was
            store.remember(shown)
    if not covers(facts.names, target.host):
        named = escape(", ".join(facts.names)) or "nobody"
        notes.append(f"warning: the certificate does not name {target.host}; it names {named}")
    if now > facts.not_after:
        notes.append(f"warning: the certificate expired on {facts.not_after:%Y-%m-%d}")
    if now < facts.not_before:
        notes.append(f"warning: the certificate is not valid before {facts.not_before:%Y-%m-%d}")
    return notes


def _say_until(end: datetime.datetime, now: datetime.datetime) -> str:
    return f"expired on {end:%Y-%m-%d}" if now > end else f"valid until {end:%Y-%m-%d}"
