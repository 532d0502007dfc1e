"""Locations that match something else, or lead elsewhere, than is expected (-t)."""

import sys

from gemd.config import Config
from gemd.config.answer_checks import find_idle_patterns
from gemd.config.glob_checks import find_plain_stars
from gemd.protocol.characters import escape
from gemd.startup.redirect_loops import find_redirect_warnings


def check_locations(config: Config) -> None:
    """Print which these are."""
    for problem in (*find_plain_stars(config), *find_idle_patterns(config), *find_redirect_warnings(config)):
        print(f"gemd: warning: {escape(str(problem))}", file=sys.stderr)
