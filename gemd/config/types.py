"""The types of values that more than one key has, or somebody beside the configuration: each with its limits, and with
what an operator is told of them."""

from typing import Annotated, Literal

from msgspec import Meta

from gemd.protocol.status import REDIRECTS

Seconds = Annotated[float, Meta(gt=0, le=31_536_000, description="a number of seconds above 0")]
Count = Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")]
Workers = Annotated[int, Meta(ge=1, le=512, description="a whole number from 1 to 512")]
Text = Annotated[str, Meta(min_length=1, description="a text that is not empty")]
RedirectStatus = Annotated[
    int, Meta(ge=min(REDIRECTS), le=max(REDIRECTS), description=" or ".join(map(str, REDIRECTS)))
]


Format = Literal["jetforce", "common", "combined", "condensed", "json"]  # of the access log
Addresses = Literal["full", "truncated", "hashed", "none"]
Queries = Literal["none", "full"]
LOG_WORDS = ("stdout", "stderr", "syslog", "off")  # where a log goes that is no file
Symlinks = Literal["beneath", "none", "any"]
