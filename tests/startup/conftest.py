"""Configurations that a start could read, in a folder of their own."""

from pathlib import Path

import pytest

from gemd.config import parse_config


@pytest.fixture
def root(tmp_path):
    """The root of a capsule."""
    root = tmp_path / "capsule"
    root.mkdir()
    (root / "index.gmi").write_text("# A capsule\n")
    return root


@pytest.fixture
def configure(tmp_path, root):
    """A configuration: one host and quiet logs, with these tables and keys over them."""

    def configure(**tables):
        defaults = {
            "listen": ["127.0.0.1:0"],
            "host": [{"name": "localhost", "root": str(root)}],
            "tls": {"certificates": str(tmp_path / "certificates")},
            "log": {"access": "off", "error": "off"},
        }
        tables = {name.replace("_", "-"): value for name, value in tables.items()}
        return parse_config({**defaults, **tables}, base=Path(tmp_path), source=None, cpus=1)

    return configure
