"""The access log: one line a request, in one of five formats.

Rules: every text that a client chose is escaped, so that a line is a line and a field is a field; addresses are written
as much as the operator wants them known.
"""

import functools
import hashlib
import json
import re
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Literal

import msgspec

from gemd.system.log import Sink

# Everything that could end a line, end a field, move a terminal's cursor or turn its text around.
_UNSAFE = re.compile('[\x00-\x1f"\\\\\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]')
_BLANK = re.compile(r"\s")  # ends a field that has no quotes

Addresses = Literal["full", "truncated", "hashed", "none"]
Format = Literal["jetforce", "common", "combined", "condensed", "json"]


class Entry(msgspec.Struct, frozen=True):
    """What one request came to. `size` counts header and body, in bytes; `seconds` from accept to the end.

    `url` is what was sent, "" when no request line was complete; `user` is the certificate's common name.
    """

    address: str
    host: str
    url: str
    status: int
    meta: str
    size: int
    seconds: float
    complete: bool
    user: str = ""
    certificate: str = ""


def escape(text: str) -> str:
    """`text` with every character that could break a line or a quoted field as an escape, xhh or uhhhh."""
    return _UNSAFE.sub(_escape_one, text)


def _escape_one(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def address_writer(policy: Addresses, secret: bytes) -> Callable[[str], str]:
    """How addresses are written: whole, without their last part (IPv4 /24, IPv6 /48), as 12 digits of a keyed
    hash that changes at each start, or not at all."""
    if policy == "full":
        return str
    if policy == "none":
        return lambda _address: "-"
    write = _truncate if policy == "truncated" else functools.partial(_hash, secret)
    return functools.lru_cache(maxsize=1024)(write)


def _truncate(address: str) -> str:
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((ip, 24 if ip.version == 4 else 48), strict=False).network_address)


def _hash(secret: bytes, address: str) -> str:
    return hashlib.blake2b(address.encode(), key=secret, digest_size=6).hexdigest()


@functools.lru_cache(maxsize=4)
def _common_time(second: int) -> str:
    return time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(second))


@functools.lru_cache(maxsize=4)
def _iso_time(second: int) -> str:
    text = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(second))
    return text[:-2] + ":" + text[-2:]


def _jetforce(entry: Entry, address: str, now: int) -> str:
    url, meta = escape(entry.url), escape(entry.meta)
    return f'{address} [{_common_time(now)}] "{url}" {entry.status} "{meta}" {entry.size}'


def _common(entry: Entry, address: str, now: int) -> str:
    user = _BLANK.sub("_", escape(entry.user)) or "-"
    return f'{address} - {user} [{_common_time(now)}] "{escape(entry.url)}" {entry.status} {entry.size}'


def _combined(entry: Entry, address: str, now: int) -> str:
    return _common(entry, address, now) + ' "-" "-"'


def _condensed(entry: Entry, address: str, now: int) -> str:
    user = _BLANK.sub("_", escape(entry.user)) or "-"
    host, url, meta = escape(entry.host) or "-", _BLANK.sub("%20", escape(entry.url)) or "-", escape(entry.meta)
    return f"{_iso_time(now)} {address} {user} {host} {url} 0 {entry.size} {entry.status} {meta}"


def _json(entry: Entry, address: str, now: int) -> str:
    # ASCII output escapes whatever could harm a terminal.
    return json.dumps(
        {
            "time": _iso_time(now),
            "address": address,
            "host": entry.host,
            "url": entry.url,
            "status": entry.status,
            "meta": entry.meta,
            "bytes": entry.size,
            "seconds": round(entry.seconds, 6),
            "complete": entry.complete,
            "user": entry.user,
            "certificate": entry.certificate,
        }
    )


_FORMATS: dict[str, Callable[[Entry, str, int], str]] = {
    "jetforce": _jetforce,
    "common": _common,
    "combined": _combined,
    "condensed": _condensed,
    "json": _json,
}


class AccessLog:
    """Writes entries to a sink. `secret` keys hashed addresses and is shared by all workers."""

    def __init__(self, sink: Sink, log_format: Format, addresses: Addresses, secret: bytes) -> None:
        self.sink = sink
        self.secret = secret
        self._format = _FORMATS[log_format]
        self.write_address = address_writer(addresses, secret)

    def write(self, entry: Entry) -> None:
        """Write one line for the entry, with the time of day."""
        self.sink.write(self._format(entry, self.write_address(entry.address), int(time.time())))
