"""A configuration of gemd in the making: tables with settings, and remarks on what could not be said by one.

Rule: what is in a table stands there in the order in which it came, remarks too.
"""

from collections.abc import Iterable

import msgspec

from gemd.gemctl.foreign.original import Spot


class Remark(msgspec.Struct, frozen=True):
    """Something of the original that no setting says: its place, its line, and why."""

    place: Spot
    line: str
    reason: str


class Setting(msgspec.Struct):
    """A setting, with a note for who reads it. One that `is_off` is a proposal, in a comment."""

    key: str
    value: object
    note: str = ""
    is_off: bool = False


class Table:
    """A table in the making."""

    def __init__(self) -> None:
        self.entries: list[Setting | Remark] = []

    def set(self, key: str, value: object, note: str = "") -> None:
        """Give a key this value, in the place of another one that it had."""
        for entry in self.entries:
            if isinstance(entry, Setting) and entry.key == key and not entry.is_off:
                entry.value, entry.note = value, note or entry.note
                return
        self.entries.append(Setting(key, value, note))

    def propose(self, key: str, value: object, note: str) -> None:
        """Have a setting in a comment, with what speaks for it."""
        self.entries.append(Setting(key, value, note, is_off=True))

    def remark(self, place: Spot, line: str, reason: str) -> None:
        """Say that a line is not carried over, or not as it was, and why."""
        self.entries.append(Remark(place, line, reason))

    def get(self, key: str, default: object = None) -> object:
        """The value of a key."""
        return self.values.get(key, default)

    @property
    def values(self) -> dict[str, object]:
        """What is set."""
        return {entry.key: entry.value for entry in self.entries if isinstance(entry, Setting) and not entry.is_off}

    @property
    def remarks(self) -> list[Remark]:
        """What is said beside that."""
        return [entry for entry in self.entries if isinstance(entry, Remark)]


class HostOutline:
    """A host, and its locations."""

    def __init__(self) -> None:
        self.table = Table()
        self.locations: list[Table] = []


class Outline:
    """A whole configuration: the keys of no table, the other tables by their names, and the hosts. `server` is whose
    configuration it was, `facts` are where gemd does other than that one, whatever the configuration says."""

    def __init__(self, server: str, file: str, facts: Iterable[str] = ()) -> None:
        self.server = server
        self.file = file
        self.facts = tuple(facts)
        self.top = Table()
        self.tables: dict[str, Table] = {}
        self.hosts: list[HostOutline] = []

    def table(self, name: str) -> Table:
        """The table of this name, such as `log`."""
        return self.tables.setdefault(name, Table())

    def add_host(self) -> HostOutline:
        """Another host."""
        self.hosts.append(HostOutline())
        return self.hosts[-1]

    @property
    def remarks(self) -> list[Remark]:
        """All of them."""
        tables = [self.top, *self.tables.values()]
        for host in self.hosts:
            tables += [host.table, *host.locations]
        return [remark for table in tables for remark in table.remarks]
