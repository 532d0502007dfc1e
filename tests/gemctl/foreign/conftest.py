"""What all originals have in common: the text that they become, and gemd's own word on that."""

import tomllib

import pytest

from gemd.config import parse_config
from gemd.gemctl.foreign.imports import IMPORTERS
from gemd.gemctl.foreign.writing import write_outline
from gemd.protocol.characters import escape


class Imported:
    """What an original became. Making one checks that it is in order."""

    def __init__(self, server, text, base, file="some.conf"):
        self.outline = IMPORTERS[server](text, file)
        self.text = write_outline(self.outline)
        assert write_outline(IMPORTERS[server](text, file)) == self.text
        assert escape(self.text, keep="\n") == self.text
        self.tables = tomllib.loads(self.text)
        self.config = parse_config(self.tables, base=base, source=None, cpus=2)
        self.remarks = [(remark.place.line, remark.reason) for remark in self.outline.remarks]

    @property
    def host(self):
        return self.tables["host"][0]

    def location(self, path, match="prefix"):
        places = self.host.get("location", [])
        found = [each for each in places if (each["path"], each.get("match", "prefix")) == (path, match)]
        assert len(found) == 1, self.text
        return {key: value for key, value in found[0].items() if key not in ("path", "match")}

    def reason(self, line):
        """What is said of this line."""
        return " ".join(reason for where, reason in self.remarks if where == line)


@pytest.fixture
def become(tmp_path):
    """Import a text of a server's."""
    return lambda server, text, **more: Imported(server, text, tmp_path, **more)
