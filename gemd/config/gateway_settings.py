"""The settings of gateways: who answers in another process, and what is said to it."""

from typing import Annotated

from msgspec import Meta

from gemd.config.types import Seconds, Settings, Text

Strip = Annotated[int, Meta(ge=0, le=64, description="a whole number from 0 to 64")]
Upstreams = Text | tuple[Text, ...]


class ApplicationGateway(Settings, frozen=True):
    """A `fastcgi` or `scgi` table. `strip` is how many segments of a path are SCRIPT_NAME, by default those of the
    location; `timeout` is for the header, and for each piece of a body after it."""

    to: Upstreams
    params: dict[str, str] = {}
    strip: Strip | None = None
    timeout: Seconds = 30.0

    @property
    def upstreams(self) -> tuple[str, ...]:
        """All that are named."""
        return (self.to,) if isinstance(self.to, str) else self.to
