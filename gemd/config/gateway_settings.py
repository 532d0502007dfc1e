"""The settings of gateways: who answers in another process, and what is said to it."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from gemd.config.cgi_settings import judge_variables
from gemd.config.tables import key_path, show
from gemd.config.types import Address, Count, Dialect, Seconds, Settings, Text
from gemd.config.upstream import parse_upstream
from gemd.protocol.proxy_header import Version

_OURS = ("AUTH_TYPE", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_IDENT", "REMOTE_PORT", "REMOTE_USER")  # who asks

Strip = Annotated[int, Meta(ge=0, le=64, description="a whole number from 0 to 64")]
OneOrMore = Text | tuple[Text, ...]


class GatewayTable(Settings, frozen=True):
    """What tables of all kinds have. `to` is where one or several upstreams are; `timeout` is for the header of an
    answer, and for each piece of its body; `connections` are at once, of each worker."""

    to: OneOrMore
    timeout: Seconds = 30.0
    connections: Count = 64

    @property
    def upstreams(self) -> tuple[str, ...]:
        """All that are named."""
        return _list(self.to)


class ApplicationTable(GatewayTable, frozen=True):
    """A `fastcgi` or `scgi` table. `strip` is how many segments of a path are SCRIPT_NAME, by default those of the
    location; `dialect` is that of scripts by default."""

    params: dict[str, str] = {}
    dialect: Dialect | None = None
    strip: Strip | None = None

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where the upstreams are. Raises ValueError."""
        return tuple(parse_upstream(text, needs_port=True) for text in self.upstreams)


class ProxyTable(GatewayTable, frozen=True):
    """A `proxy` table: servers that answer in the place of files. `strip` is how many segments are taken off the front
    of a path before it is passed on; with `rewrite_host` the URL names the upstream, and else the host that the client
    asked for. An upstream is known by its `fingerprint`, by the authorities in `ca`, or else by the key that it had
    first; `certificate` and `key` are what it knows gemd by."""

    fingerprint: OneOrMore | None = None
    ca: Text | None = None
    sni: Text | None = None
    strip: Strip = 0
    rewrite_host: bool = False
    send_proxy: Version | None = None
    certificate: Text | None = None
    key: Text | None = None

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """All that are named."""
        return _list(self.fingerprint)


def _list(texts: OneOrMore | None) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else texts or ()


def judge_gateway(table: ApplicationTable) -> Iterator[tuple[str, str]]:
    """What is wrong with the values of a `fastcgi` or `scgi` table, by key."""
    if not table.upstreams:
        yield "to", 'expected at least one upstream, as in "unix:/run/app.sock" or "127.0.0.1:9000"'
    for text in table.upstreams:
        try:
            parse_upstream(text, needs_port=True)
        except ValueError as error:
            yield "to", f"{error}, not {show(text)}"
    for text in {text for text in table.upstreams if table.upstreams.count(text) > 1}:
        yield "to", f"{text} is listed twice"
    for name, fault in judge_variables(table.params):
        yield key_path("params", name), fault
    for name in table.params:
        if name.startswith("TLS_") or name in _OURS:
            yield key_path("params", name), "says who asks, which is gemd's to say: choose another name"
    if table.params.get("CONTENT_LENGTH", "0") not in ("", "0"):
        yield key_path("params", "CONTENT_LENGTH"), "there is no body, for which an application would wait: remove it"
