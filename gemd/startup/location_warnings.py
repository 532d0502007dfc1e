"""Locations that match something else than is expected (-t)."""

import sys

from gemd.config import Config
from gemd.config.glob_checks import find_plain_stars
from gemd.protocol.characters import escape


def check_locations(config: Config) -> None:
    """Print which these are."""
    for problem in find_plain_stars(config):
        print(f"gemd: warning: {escape(str(problem))}", file=sys.stderr)
