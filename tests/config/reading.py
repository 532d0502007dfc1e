"""Configurations as texts."""

import tomllib
from pathlib import Path

import pytest

from gemd.config import ConfigError, parse_config

HOST = '[[host]]\nname = "h"\nroot = "/srv"\n'
DIGEST = "ab" * 32


def parse(text, cpus=4):
    return parse_config(tomllib.loads(text), base=Path("/etc"), source=None, cpus=cpus)


def problems_of(text):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return {problem.path: problem.text for problem in caught.value.problems}


def first(text):
    """The host's own location."""
    return parse(text).hosts[0].locations[0]
