"""`gemctl fetch`: a small Gemini client, for looking at one's own server.

Rules: a certificate that has changed is refused before anything is asked; redirects are shown, not followed; what is
not the body goes to standard error, escaped.
"""

import argparse
import datetime
import re
import shlex
import sys
from collections.abc import Iterable
from urllib.parse import quote

import msgspec

from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.gemini_client import GeminiConnection, Header, build_client_context
from gemd.gemctl.known_hosts import KnownHost, KnownHosts, default_path
from gemd.gemctl.terminal import BodyWriter, complain, escape
from gemd.protocol.errors import BadRequest
from gemd.protocol.host import bracket, covers, place
from gemd.protocol.request import MAX_URL
from gemd.protocol.status import Status, asks_for_input, has_body, is_redirect
from gemd.protocol.url import DEFAULT_PORT, parse_url, resolve
from gemd.system.certificate_facts import CertificateFacts, parse_facts
from gemd.system.encoding import decode_typed

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CONNECT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))  # has been checked, or escaped, by whoever wrote the URL


class Target(msgspec.Struct, frozen=True):
    """What is asked for: the URL as it is sent, and the host and port that it names."""

    url: str
    host: str
    port: int

    @property
    def place(self) -> str:
        """ "host:port", the name under which a certificate is remembered."""
        return place(self.host, self.port)


def parse_target(text: str) -> Target:
    """The URL that was typed, normalised: an IDN in A-labels, other characters than ASCII percent-encoded, no fragment.

    Raises Failure for what is no Gemini URL.
    """
    typed = text if _SCHEME.match(text) else f"gemini://{text}"
    try:
        url = parse_url(typed.partition("#")[0].encode("utf-8", "surrogateescape"))
    except BadRequest as error:
        raise Failure(f"{escape(text)}: {error.meta}", code=ExitCode.USAGE) from None
    if url.scheme != "gemini":
        raise Failure(f"{escape(text)}: only gemini:// can be fetched", code=ExitCode.USAGE)
    if not url.host:
        raise Failure(f"{escape(text)}: the URL names no host", code=ExitCode.USAGE)
    port = "" if url.port in (None, DEFAULT_PORT) else f":{url.port}"
    query = "" if url.query is None else "?" + quote(url.query, safe=_ASCII)
    sent = f"gemini://{bracket(url.host)}{port}{quote(url.path, safe=_ASCII)}{query}"
    if len(sent) > MAX_URL:
        raise Failure(f"the URL has {len(sent)} bytes; a request has at most {MAX_URL}", code=ExitCode.USAGE)
    return Target(sent, url.host, url.port or DEFAULT_PORT)


def parse_address(text: str) -> tuple[str, int]:
    """ "host:port" or "[address]:port". Raises Failure."""
    match = _CONNECT.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise Failure(f"--connect: expected HOST:PORT, not {escape(text)}", code=ExitCode.USAGE)
    return match["v6"] or match["name"], int(match["port"])


def fetch(options: argparse.Namespace) -> ExitCode:
    """Fetch the URL. Raises Failure, and CertificateError for a certificate that can't be read."""
    if options.key and not options.cert:
        raise Failure("--key needs --cert", code=ExitCode.USAGE)
    target = parse_target(decode_typed(options.url))
    address = parse_address(options.connect) if options.connect else (target.host, target.port)
    context = build_client_context(options.cert, options.key)
    with GeminiConnection(address, target.host, context, options.timeout) as connection:
        facts = parse_facts(connection.certificate)
        complain(*check_trust(KnownHosts(default_path()), target, facts, trust=options.trust))
        header = connection.request(target.url)
        print(escape(f"{header.status} {header.meta}".rstrip(" ")), file=sys.stderr, flush=True)
        if not options.head:
            _take_body(header, connection)
        complain(*explain_header(header, target))
    return ExitCode.OK if has_body(header.status) else ExitCode.FAILED


def check_trust(store: KnownHosts, target: Target, facts: CertificateFacts, *, trust: bool) -> Iterable[str]:
    """Compare the certificate with what is known of the host, and remember it if it is new or `trust` says so.

    Returns what the operator should know. Raises Failure for one that has changed.
    """
    now = datetime.datetime.now(datetime.UTC)
    notes = []
    known = store.find(target.place)
    if known is not None and known.fingerprint != facts.fingerprint and not trust:
        raise Failure(
            f"the certificate of {target.place} has changed, and nothing was asked of it",
            f"  known: {known.fingerprint}, {_say_until(known.not_after, now)}",
            f"  shown: {facts.fingerprint}, {_say_until(facts.not_after, now)}",
            "if that is as it should be, say so with --trust",
        )
    if known is None or known.fingerprint != facts.fingerprint:
        store.remember(KnownHost(target.place, facts.fingerprint, facts.not_after))
        news = "is new here" if known is None else f"has changed from {known.fingerprint}"
        notes.append(
            f"{target.place} {news}; its certificate {facts.fingerprint}, {_say_until(facts.not_after, now)}, "
            f"is trusted from now on ({store.path})"
        )
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


def _take_body(header: Header, connection: GeminiConnection) -> None:
    """Read to the end, which a response without a body has too. Raises Truncated."""
    writer = BodyWriter()
    size = 0
    for chunk in connection.body():
        size += len(chunk)
        if has_body(header.status):
            writer.write(chunk)
    if size and not has_body(header.status):
        complain(f"warning: {size} bytes after a header that has no body")
    what = f"{size} bytes of body, " if has_body(header.status) else ""
    complain(f"{what}ended with close_notify ({connection.protocol})")


def explain_header(header: Header, target: Target) -> list[str]:
    """What to do about a response that is no success."""
    if asks_for_input(header.status):
        answer = shlex.quote(target.url.partition("?")[0] + "?your%20answer")
        secret = ", and wants it to stay secret" if header.status == Status.SENSITIVE_INPUT else ""
        return [f"it asks: {escape(header.meta)}", f"to answer{secret}: gemctl fetch {answer}"]
    if is_redirect(header.status):
        span = "for a while" if header.status == Status.REDIRECT_TEMPORARY else "for good"
        return [f"moved {span} to {escape(resolve(target.url, header.meta))}"]
    if header.status == Status.CLIENT_CERTIFICATE_REQUIRED:
        return ["it wants a client certificate: --cert FILE --key FILE"]
    return []
