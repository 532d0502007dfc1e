"""Locations that match something else, or lead elsewhere, than is expected (-t)."""

import sys

from gemd.config import Config
from gemd.config.answer_checks import find_idle_patterns, find_plain_signs
from gemd.config.glob_checks import find_plain_stars
from gemd.protocol.characters import escape
from gemd.startup.redirect_loops import find_redirect_warnings


def check_locations(config: Config) -> None:
    """Print which these are."""
    found = (find_plain_stars, find_plain_signs, find_idle_patterns, find_redirect_warnings)
    for problem in (problem for find in found for problem in find(config)):
        print(f"gemd: warning: {escape(str(problem))}", file=sys.stderr)
