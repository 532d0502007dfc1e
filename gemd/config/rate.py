"""Rates as they are written: "120/1m" is at most 120 in a minute. Jetforce's form, N/[n]unit with s, m, h or d."""

import re

from gemd.config.types import Rate

_RATE = re.compile(r"(?P<count>[0-9]{1,9})/(?P<number>[1-9][0-9]{0,5})?(?P<unit>[smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_rate(text: str) -> Rate:
    """The rate, whose count may be 0. Raises ValueError, which says what was expected."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError('expected a rate such as "120/1m" or "5/s"')
    return Rate(int(match["count"]), float(int(match["number"] or 1) * _UNITS[match["unit"]]))
