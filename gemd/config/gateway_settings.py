"""The settings of gateways: who answers in another process, and what is said to it."""

from typing import Annotated, Literal

from msgspec import Meta

from gemd.config.types import Dialect, Seconds, Settings, Text

Strip = Annotated[int, Meta(ge=0, le=64, description="a whole number from 0 to 64")]
Upstreams = Text | tuple[Text, ...]


class ApplicationGateway(Settings, frozen=True):
    """A `fastcgi` or `scgi` table. `strip` is how many segments of a path are SCRIPT_NAME, by default those of the
    location; `dialect` is that of scripts by default; `timeout` is for the header, and for each piece of a body."""

    to: Upstreams
    params: dict[str, str] = {}
    dialect: Dialect | None = None
    strip: Strip | None = None
    timeout: Seconds = 30.0

    @property
    def upstreams(self) -> tuple[str, ...]:
        """All that are named."""
        return (self.to,) if isinstance(self.to, str) else self.to


class ProxyGateway(Settings, frozen=True):
    """A `proxy` table: servers that answer in the place of files. `strip` is how many segments are taken off the front
    of a path before it is passed on; with `rewrite_host` the URL names the upstream, and else the host that the client
    asked for. An upstream is known by its `fingerprint`, by the authorities in `ca`, or else by the key that it had
    first; `certificate` and `key` are what it knows gemd by."""

    to: Upstreams
    fingerprint: Upstreams | None = None
    ca: Text | None = None
    sni: Text | None = None
    strip: Strip = 0
    rewrite_host: bool = False
    send_proxy: Literal["v1", "v2"] | None = None
    certificate: Text | None = None
    key: Text | None = None
    timeout: Seconds = 30.0

    @property
    def upstreams(self) -> tuple[str, ...]:
        """All that are named."""
        return (self.to,) if isinstance(self.to, str) else self.to

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """All that are named."""
        return (self.fingerprint,) if isinstance(self.fingerprint, str) else self.fingerprint or ()
