"""The access log: one line a request, in one of six formats.

Rules: every text that a client chose is escaped, so that a line is a line and a field is a field, and cut where it
could push others out of the line; addresses are written as much as the operator wants them known, and queries not at
all unless that is wanted.
"""

import functools
import hashlib
import itertools
import json
import re
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network

import msgspec

from gemd.config.types import Addresses, Format, Queries
from gemd.protocol.characters import escape_field
from gemd.protocol.redaction import hide_input, hide_input_in_meta, hide_secrets, hide_secrets_in_meta
from gemd.protocol.request import Request
from gemd.system.line_log import LineLog, NoLog

_BLANK = re.compile(r"\s")  # ends a field that has no quotes
# How many characters of a line the texts may have that a client chose: what follows them has to be in it still.
_MAX_URL = 2048  # twice as many as a request, for escapes
_MAX_META = 1024
_MAX_USER = 64  # X.520, ub-common-name
_MAX_ESCAPE = 12  # two surrogates, in JSON
_CUT = "..."
_UNKNOWN = "-"  # in the place of what can't be known of a connection that was passed on
_BROKEN = "broken"  # in the place of an identity (RFC 1413), which nobody has: any reader of this format takes a word
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Entry(msgspec.Struct, frozen=True):
    """What one request came to. `size` counts header and body, in bytes; `seconds` from accept to the end.

    `url` is what was sent, "" when no request line was complete; `user` is the certificate's common name. `received` is
    told of a connection that was passed on, of which no request is known: how many bytes the client has sent. `port` is
    the client's, 0 where it has none.
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
    received: int | None = None
    port: int = 0


def cut(text: str, most: int, write: Callable[[str], str]) -> str:
    """`text`, or as much of its beginning that `write` makes at most `most` characters of it, with "..." behind it."""
    if len(text) <= most // _MAX_ESCAPE or (len(text) <= most and len(write(text)) <= most):
        return text
    sizes = itertools.accumulate(len(write(character)) for character in text)
    end = next(end for end, size in enumerate(sizes) if size > most - len(_CUT))
    return text[:end] + _CUT


@functools.lru_cache(maxsize=256)
def _field(text: str, most: int) -> str:
    return escape_field(cut(text, most, escape_field))


def _user(entry: Entry) -> str:
    return _BLANK.sub("_", _field(entry.user, _MAX_USER)) if entry.user else "-"


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


# Not by strftime(3), which follows the locale, and that is an application's to set.


@functools.lru_cache(maxsize=4)
def _common_time(second: int) -> str:
    t = time.localtime(second)
    date = f"{t.tm_mday:02}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year}"
    return f"{date}:{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} {_offset(t.tm_gmtoff, '')}"


@functools.lru_cache(maxsize=4)
def _iso_time(second: int) -> str:
    t = time.localtime(second)
    date = f"{t.tm_year}-{t.tm_mon:02}-{t.tm_mday:02}"
    return f"{date}T{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}{_offset(t.tm_gmtoff, ':')}"


def _offset(seconds: int, separator: str) -> str:
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02}{separator}{minutes:02}"


# Each takes the entry, and of its texts what may be shown.


def _request(entry: Entry, url: str) -> str:
    """The URL; of a connection that was passed on, to which host it was, and how many bytes came from the client."""
    return _field(url if entry.received is None else f"{url} {entry.host} {entry.received}", _MAX_URL)


def _jetforce(entry: Entry, address: str, url: str, meta: str, now: int) -> str:
    url, meta = _request(entry, url), _field(meta, _MAX_META)
    return f'{address} [{_common_time(now)}] "{url}" {entry.status} "{meta}" {entry.size}'


def _common(entry: Entry, address: str, url: str, _meta: str, now: int) -> str:
    url, mark = _request(entry, url), "-" if entry.complete else _BROKEN
    return f'{address} {mark} {_user(entry)} [{_common_time(now)}] "{url}" {entry.status} {entry.size}'


def _combined(entry: Entry, address: str, url: str, meta: str, now: int) -> str:
    return _common(entry, address, url, meta, now) + ' "-" "-"'


def _condensed(entry: Entry, address: str, url: str, meta: str, now: int) -> str:
    host, url = (_BLANK.sub("%20", text) or "-" for text in (escape_field(entry.host), _field(url, _MAX_URL)))
    meta = _field(meta, _MAX_META)
    sizes = f"{entry.received or 0} {entry.size}"
    return f"{_iso_time(now)} {address} {_user(entry)} {host} {url} {sizes} {entry.status} {meta}"


def _legacy(entry: Entry, address: str, url: str, meta: str, now: int) -> str:
    url = _BLANK.sub("%20", _field(url, _MAX_URL)) or _UNKNOWN
    meta = _field(meta if entry.received is None else f"{entry.host} {entry.received}", _MAX_META)
    return f"{address}:{entry.port} GET {url} {entry.status} {meta}"


def _legacy_without_port(entry: Entry, address: str, url: str, meta: str, now: int) -> str:
    return _legacy(msgspec.structs.replace(entry, port=0), address, url, meta, now)


def _json(entry: Entry, address: str, url: str, meta: str, now: int) -> str:
    # ASCII output escapes whatever could harm a terminal.
    return json.dumps(
        {
            "time": _iso_time(now),
            "address": address,
            "host": entry.host,
            "url": cut(url, _MAX_URL, _escape_json),
            "status": entry.status,
            "meta": cut(meta, _MAX_META, _escape_json),
            "bytes": entry.size,
            "seconds": round(entry.seconds, 6),
            "complete": entry.complete,
            "user": cut(entry.user, _MAX_USER, _escape_json),
            "certificate": entry.certificate,
            **({} if entry.received is None else {"sent": entry.size, "received": entry.received}),
        }
    )


def _escape_json(text: str) -> str:
    return json.dumps(text)[1:-1]


_FORMATS: dict[Format, Callable[[Entry, str, str, str, int], str]] = {
    "jetforce": _jetforce,
    "common": _common,
    "combined": _combined,
    "condensed": _condensed,
    "legacy": _legacy,
    "json": _json,
}

ChooseLog = Callable[[Request], LineLog | NoLog]


class AccessLog:
    """Writes entries to a log, or where `choose` is given, to the one that this says for a request.

    `secret` keys hashed addresses and is shared by all workers.
    """

    def __init__(
        self,
        log: LineLog | NoLog,
        log_format: Format,
        addresses: Addresses,
        secret: bytes,
        queries: Queries = "none",
        choose: ChooseLog | None = None,
    ) -> None:
        self.log = log
        self.secret = secret
        self.write_address = address_writer(addresses, secret)
        self._format = _FORMATS[log_format]
        if log_format == "legacy" and addresses != "full":  # of many behind one address, a port tells who it was
            self._format = _legacy_without_port
        self._choose = choose
        self._show_url = hide_input if queries == "none" else hide_secrets
        self._show_meta = hide_input_in_meta if queries == "none" else hide_secrets_in_meta

    def write(self, entry: Entry, request: Request | None = None) -> None:
        """Write one line for the entry, with the time of day. `request` is None where none was complete."""
        log = self.log if self._choose is None or request is None else self._choose(request)
        if not isinstance(log, NoLog):
            if entry.received is None:
                url, meta = self._show_url(entry.url), self._show_meta(entry.status, entry.meta)
            else:
                url = meta = _UNKNOWN
            log.write(self._format(entry, self.write_address(entry.address), url, meta, int(time.time())))
