"""The URLs of servers that requests are passed on to, and what is wrong with a `proxy` table.

Rule: all upstreams of a location speak the same protocol, so that what is said of one holds for each.
"""

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from gemd.config.gateway_settings import ProxyTable
from gemd.config.tables import show
from gemd.config.types import Address
from gemd.config.upstream import parse_upstream
from gemd.protocol.fingerprint import parse_fingerprint
from gemd.protocol.host import is_address, is_host_name
from gemd.protocol.url import DEFAULT_PORT

Scheme = Literal["gemini", "http"]

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9.-]*)(?P<unix>\+unix:.*|://(?P<place>[^/?#]*)(?P<rest>.*))")
_PLACE = re.compile(r"(?:\[[^\]]*\]|[^\[\]:@]+)(?P<port>:[0-9]+)?")
_PORTS: dict[Scheme, int] = {"gemini": DEFAULT_PORT, "http": 80}
_TLS_KEYS = ("fingerprint", "ca", "sni", "certificate", "key", "send_proxy")


class ProxyUpstream(msgspec.Struct, frozen=True):
    """One of the servers: what it speaks, and where it is."""

    scheme: Scheme
    address: Address


def parse_proxy_upstream(text: str) -> ProxyUpstream:
    """ "gemini://10.0.0.2:1965", "http://[::1]:8000", "gemini+unix:/path" or "http+unix:/path"; a port may be left out.
    Raises ValueError."""
    match = _URL.fullmatch(text)
    if match is None:
        if text.startswith("unix:/"):
            raise ValueError(f'expected what is spoken there too: "http+{text}" or "gemini+{text}"')
        raise ValueError('expected a URL such as "gemini://10.0.0.2:1965" or "http://127.0.0.1:8000"')
    scheme = match["scheme"].lower()
    if scheme == "https":
        raise ValueError('https is not there: expected "http://" with a server on this machine, or "gemini://"')
    known = next((known for known in _PORTS if known == scheme), None)
    if known is None:
        raise ValueError(f"expected {' or '.join(f'{known}://' for known in _PORTS)} before the server")
    if match["place"] is None:
        return ProxyUpstream(known, parse_upstream(match["unix"].removeprefix("+")))
    if match["place"] == "unix:":
        raise ValueError(f'expected "{scheme}+unix:{match["rest"]}" for a socket')
    if match["rest"] not in ("", "/"):
        raise ValueError("expected a server alone, without a path: what is passed on is the client's path, see strip")
    place = match["place"]
    if not place:
        raise ValueError(f'expected a server behind "{scheme}://"')
    parts = _PLACE.fullmatch(place)
    if parts is None:
        raise ValueError(f'expected "{scheme}://name:port", with an IPv6 address as "{scheme}://[::1]:port"')
    return ProxyUpstream(known, parse_upstream(place if parts["port"] else f"{place}:{_PORTS[known]}"))


def parse_upstreams(proxy: ProxyTable) -> tuple[ProxyUpstream, ...]:
    """All of a table. Raises ValueError."""
    return tuple(map(parse_proxy_upstream, proxy.upstreams))


def judge_proxy(proxy: ProxyTable) -> Iterator[tuple[str, str]]:
    """What is wrong with the values of a `proxy` table, by key."""
    upstreams: list[ProxyUpstream] = []
    for text in proxy.upstreams:
        try:
            upstreams.append(parse_proxy_upstream(text))
        except ValueError as error:
            yield "to", f"{error}, not {show(text)}"
    if not proxy.upstreams:
        yield "to", "expected at least one server"
    if len(set(upstreams)) < len(upstreams):
        yield "to", "a server is listed twice"
    schemes = {upstream.scheme for upstream in upstreams}
    if len(schemes) > 1:
        yield "to", "all servers of a location have to speak the same protocol: gemini:// or http://"
    elif schemes == {"http"}:
        for field in _TLS_KEYS:
            if getattr(proxy, field) is not None:
                yield field.replace("_", "-"), "is for gemini:// alone: remove it"
    yield from _judge_trust(
        proxy, is_unix=any(upstream.address.path for upstream in upstreams if upstream.scheme == "gemini")
    )


def _judge_trust(proxy: ProxyTable, *, is_unix: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with how upstreams are known, and what they know gemd by."""
    for text in proxy.fingerprints:
        try:
            parse_fingerprint(text)
        except ValueError as error:
            yield "fingerprint", f"{error}, not {show(text)}"
    if proxy.fingerprint == ():
        yield "fingerprint", "expected at least one, or no such key: then the key that a server has first is remembered"
    if proxy.fingerprint is not None and proxy.ca is not None:
        yield "ca", "a server is known by its fingerprint, or by authorities: remove one of the two keys"
    if is_unix and proxy.sni is None and (proxy.ca is not None or proxy.rewrite_host):
        key = "ca" if proxy.ca is not None else "rewrite-host"
        yield key, "needs sni beside it for a unix socket: the name that the server behind it has"
    if proxy.sni is not None and (is_address(proxy.sni) or not is_host_name(proxy.sni)):
        yield "sni", f"expected a host name in lower case, not {show(proxy.sni)}"
    if (proxy.certificate is None) != (proxy.key is None):
        yield "certificate" if proxy.key is None else "key", 'needs both "certificate" and "key", or neither'
