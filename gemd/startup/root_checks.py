"""Roots that are none.

Rule: only what a location sets itself is looked at, so that a root which many have is told once.
"""

import os

from gemd.config import Config, Problem
from gemd.config.tables import key_path
from gemd.system.attempt import attempt
from gemd.system.hindrances import explain_unusable


def find_missing_roots(config: Config) -> list[Problem]:
    """A problem for every root that is no directory which can be opened."""
    problems = []
    for host in config.hosts:
        for i, location in enumerate(host.locations):
            where = key_path(location.where, "root")
            if location.root is None:
                if not location.answers and location.people is None:
                    text = "there is nothing to serve: set a root directory, or another answer, such as proxy"
                    problems.append(Problem(where, text))
            elif i == 0 or location.mount or location.root != host.locations[0].root:
                reason = why_no_root(location.root)
                if reason:
                    problems.append(Problem(where, f"{location.root} {reason}"))
    return problems


def why_no_root(path: str) -> str | None:
    """Why this is no directory that can be opened; None where it is one."""
    try:
        with attempt(f"the directory {path} could not be opened"):
            os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        return f"can't be opened: {explain_unusable(path, error)}"
    return None
