"""The settings: every key of the configuration file, its type, its limits and its default.

Rules: values are frozen and complete, so that nothing is looked up twice or defaulted later; durations are
seconds, sizes are bytes. A key of the file is the field's name with hyphens. gemd.conf(5) describes them.
"""

from typing import Annotated, Literal

from msgspec import Meta

from gemd.config.cgi_settings import CGISettings
from gemd.config.host_settings import Host, Location
from gemd.config.listen import Listen
from gemd.config.pass_settings import PassHost
from gemd.config.titan_settings import UploadSize
from gemd.config.types import (
    AccessList,
    Addresses,
    Budget,
    Count,
    Facility,
    Format,
    Queries,
    RateTable,
    Seconds,
    Settings,
    Text,
)
from gemd.protocol.peer import V6_PREFIX


class Service(Settings, frozen=True):
    """The keys at the top of the file about gemd as a service: as whom it runs, and where it is found.

    `max_requests` is the number after which a worker is recycled, `max_memory` the private memory in bytes; 0 for
    never. `auto_reload` reloads when a file of an application changes. `upload_spool` is the directory for uploads on
    their way to a program.
    """

    user: Text | None = None
    group: Text | None = None
    chroot: Text | None = None
    master_user: Literal["root"] | None = None
    pid_file: Text | None = None
    control: Text | None = None
    daemon: bool = False
    max_requests: Annotated[int, Meta(ge=0, description="a whole number, 0 for never")] = 0
    max_memory: Annotated[int, Meta(ge=0, description="a whole number of bytes, 0 for any")] = 0
    auto_reload: bool = False
    upload_spool: Text | None = None


class TLS(Settings, frozen=True):
    """The `[tls]` table."""

    certificates: Text | None = None
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    ca_file: Text | None = None
    ca_path: Text | None = None
    session_tickets: bool = False


class Timeouts(Settings, frozen=True):
    """The `[timeouts]` table, in seconds. Each is an absolute deadline, from the event it names."""

    request: Seconds = 10.0
    response: Seconds = 30.0
    close: Seconds = 0.5
    start: Seconds = 30.0
    stop: Seconds = 30.0
    worker: Seconds = 30.0
    cgi: Seconds = 30.0
    cgi_header: Seconds = 10.0
    app: Seconds = 60.0
    pass_idle: Seconds = 60.0
    upload: Seconds = 600.0


class Limits(Settings, frozen=True):
    """The `[limits]` table. Unless said otherwise, a limit holds for each worker."""

    connections: Count = 1024
    request_bytes: Annotated[int, Meta(ge=2048, description="a whole number of bytes, at least 2048")] = 16 * 1024
    buffered: Annotated[int, Meta(ge=1 << 20, description="a whole number of bytes, at least 1048576")] = 64 * 1024**2
    threads: Count = 64
    connections_per_address: (
        Annotated[int, Meta(ge=1, le=10_000, description="a whole number from 1 to 10000")] | None
    ) = None
    handshakes: Count | None = None
    ipv6_prefix: Annotated[int, Meta(ge=32, le=128, description="a whole number from 32 to 128")] = V6_PREFIX
    rate: Text | RateTable | None = None
    listing: Count = 50_000
    cgi: Count = 34
    cgi_per_address: Count = 8
    cgi_output: Annotated[int, Meta(ge=1, description="a whole number of bytes, at least 1")] = 4 * 1024**3
    uploads: UploadSize = 256 * 1024**2
    uploads_per_address: UploadSize = 64 * 1024**2


class Log(Settings, frozen=True):
    """The `[log]` table."""

    access: Text = "stdout"
    error: Text = "stderr"
    facility: Facility = "daemon"
    format: Format = "common"
    addresses: Addresses = "full"
    queries: Queries = "none"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(Settings, frozen=True):
    """The whole configuration. `budget` is that of `limits.rate`; `passes` are the hosts that are passed on, beside
    those that are served. `source` is the file, `included` are those that it includes."""

    listen: tuple[Listen, ...]
    hosts: tuple[Host, ...]
    workers: int
    service: Service
    tls: TLS
    timeouts: Timeouts
    limits: Limits
    log: Log
    access: AccessList
    cgi: CGISettings
    budget: Budget | None = None
    passes: tuple[PassHost, ...] = ()
    source: str | None = None
    included: tuple[str, ...] = ()

    @property
    def uses_tls(self) -> bool:
        """Whether any listener does, and certificates are needed."""
        return any(entry.tls for entry in self.listen)

    @property
    def locations(self) -> tuple[Location, ...]:
        """Those of all hosts."""
        return tuple(location for host in self.hosts for location in host.locations)

    @property
    def has_people(self) -> bool:
        """Whether any host has directories of users."""
        return any(host.user_directories is not None for host in self.hosts)
