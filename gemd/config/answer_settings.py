"""The tables of answers that need nothing but what stands in them: `redirect` and `answer`."""

from gemd.config.types import RedirectStatus, Settings, Text
from gemd.protocol.status import Status, asks_for_input


class Redirect(Settings, frozen=True):
    """A `redirect` table: where everything below a location has gone, or what is like `match` there."""

    to: Text
    match: Text | None = None
    status: RedirectStatus = Status.REDIRECT_PERMANENT


class FixedAnswer(Settings, frozen=True):
    """An `answer` table: what everything below a location is answered with."""

    status: int
    meta: str = ""


def list_redirects(value: object) -> tuple[Redirect, ...]:
    """Those of the value of `redirect`, in the order in which they are tried."""
    if isinstance(value, tuple):
        return tuple(each for each in value if isinstance(each, Redirect))
    return (value,) if isinstance(value, Redirect) else ()


def is_partial(value: object) -> bool:
    """Whether the value of `redirect` or `answer` leaves some requests to whoever is asked next: what no pattern
    matches, and what was typed where input is asked for."""
    if isinstance(value, FixedAnswer):
        return asks_for_input(value.status)
    redirects = list_redirects(value)
    return bool(redirects) and all(each.match is not None for each in redirects)
