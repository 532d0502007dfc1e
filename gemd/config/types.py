"""The types of values that more than one key has, or somebody beside the configuration: each with its limits, and with
what an operator is told of them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gemd.protocol.host import place
from gemd.protocol.status import REDIRECTS

Seconds = Annotated[float, Meta(gt=0, le=31_536_000, description="a number of seconds above 0 and at most 31536000")]
Duration = Annotated[float, Meta(ge=0, le=31_536_000, description="a number of seconds up to 31536000, 0 for none")]
Count = Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")]
Workers = Annotated[int, Meta(ge=1, le=512, description="a whole number from 1 to 512")]
Text = Annotated[str, Meta(min_length=1, description="a text that is not empty")]
RedirectStatus = Annotated[
    int, Meta(ge=min(REDIRECTS), le=max(REDIRECTS), description=" or ".join(map(str, REDIRECTS)))
]
RefusalStatus = Literal[40, 41, 42, 43, 50, 51, 52, 53, 59]  # not 44, whose text is seconds to wait

Format = Literal["jetforce", "common", "combined", "condensed", "legacy", "json"]  # of the access log
Facility = Literal[
    "daemon", "user", "ftp", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"
]  # of syslog
Addresses = Literal["full", "truncated", "hashed", "none"]
Queries = Literal["none", "full"]
LOG_WORDS = ("stdout", "stderr", "syslog", "off")  # where a log goes that is no file
Symlinks = Literal["beneath", "none", "any"]
Niceness = Annotated[int, Meta(ge=0, le=19, description="a whole number from 0 to 19")]
MemorySize = Annotated[int, Meta(ge=1 << 20, description="a whole number of bytes, at least 1048576")]
FileSize = Annotated[int, Meta(ge=0, description="a whole number of bytes")]
# Of scripts: for which server they are, or for the web.
Dialect = Literal["jetforce", "gmid", "molly-brown", "gemserv", "gmcapsule", "http"]
HashForm = Literal["SHA256:UPPER", "SHA256:lower", "lower"]  # of a certificate's fingerprint
ExitStatus = Literal["lenient", "strict"]  # whether another one than 0 spoils a script's answer


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """A table of the file."""


class CAFile(Settings, frozen=True):
    """`client-certificate = { ca = ... }`: any certificate that this file or directory of authorities vouches for."""

    ca: Text


ClientCertificate = Literal["none", "any"] | tuple[Text, ...] | CAFile


class AccessList(Settings, frozen=True):
    """Networks that may come and others that may not: the most specific one decides. Without `allow` all others may."""

    allow: tuple[Text, ...] | None = None
    deny: tuple[Text, ...] = ()


class LocationAccess(AccessList, frozen=True):
    """The same for a location; `status` is what the others are answered with."""

    status: RefusalStatus = 50


class Address(msgspec.Struct, frozen=True):
    """Where to listen: a host name or IP address and a port, or the path of a unix socket with port 0."""

    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return place(self.host, self.port)


class Rate(msgspec.Struct, frozen=True):
    """At most `count` requests in any `seconds`."""

    count: int
    seconds: float


class RateTable(Settings, frozen=True):
    """A `rate` in full: `burst` is how many may come at once, the whole count by default, and `exempt` who is not
    counted."""

    limit: Text
    by: Literal["address", "certificate"] = "address"
    burst: Count | None = None
    exempt: tuple[Text, ...] = ()


class Budget(msgspec.Struct, frozen=True):
    """What each client may ask of a place, which is a name that no other place has."""

    place: str
    count: int
    seconds: float
    burst: int
    by: Literal["address", "certificate"] = "address"
    exempt: tuple[str, ...] = ()
