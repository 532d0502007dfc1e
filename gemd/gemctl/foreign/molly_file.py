"""The file of Molly Brown's configuration: its keys, with where they stand.

Rule: a key is known by its letters, upper or lower case, and has a value of the kind that Molly Brown takes.
"""

import re

from gemd.config.tables import key_path
from gemd.config.toml_lines import find_lines
from gemd.config.toml_text import parse_text
from gemd.gemctl.foreign.original import Spot, mistake
from gemd.gemctl.foreign.outline import Table

_DEFAULTS: dict[str, object] = {
    "Port": 1965,
    "Hostname": "localhost",
    "CertPath": "cert.pem",
    "KeyPath": "key.pem",
    "DocBase": "/var/gemini/",
    "HomeDocBase": "users",
    "GeminiExt": "gmi",
    "DefaultLang": "",
    "DefaultEncoding": "",
    "AccessLog": "access.log",
    "ErrorLog": "",
    "ReadMollyFiles": False,
    "AllowTLS12": True,
    "DirectoryListing": True,
    "DirectorySort": "Name",
    "DirectorySubdirsFirst": False,
    "DirectoryReverse": False,
    "DirectoryTitles": False,
    "RateLimitEnable": False,
    "RateLimitAverage": 1,
    "RateLimitSoft": 10,
    "RateLimitHard": 50,
    "CGIPaths": [],
    "SCGIPaths": {},
    "TempRedirects": {},
    "PermRedirects": {},
    "MimeOverrides": {},
    "CertificateZones": {},
}
_TYPES: dict[type, str] = {
    int: "a whole number", str: "a text", bool: "true or false", list: "a list of texts", dict: "a table of texts",
}  # fmt: skip
_NESTED = re.compile(r"""(?<![\w.-])(?:(?:"[^"\n]*"|'[^'\n]*'|[\w-]+)[ \t]*\.[ \t]*){32}""")  # no key of its own is
_MOST_ENTRIES = 1_000  # of a table or list


class MollyBrown:
    """What the file says, with the place of each key."""

    def __init__(self, text: str, file: str) -> None:
        """Raises Failure."""
        self.file = file
        self._text = text.split("\n")
        if (nested := _NESTED.search(text)) is not None:
            line = text.count("\n", 0, nested.start()) + 1
            raise mistake(Spot(file, line), "has a key within too many others")
        given = _parse(text, file)
        self._lines = find_lines(text)
        self.unknown: list[str] = []
        self.values = dict(_DEFAULTS)
        self._written: dict[str, str] = {}
        names = {name.lower(): name for name in _DEFAULTS}
        for written, value in given.items():
            name = names.get(written.lower())
            if name is None:
                self.unknown.append(written)
                continue
            self._written[name] = written
            self.values[name] = self._judge(name, written, value)

    def _judge(self, name: str, written: str, value: object) -> object:
        kind = type(_DEFAULTS[name])
        is_right = type(value) is kind
        if is_right and isinstance(value, list):
            is_right = all(isinstance(each, str) for each in value)
        if is_right and isinstance(value, dict):
            inner = list if name == "CertificateZones" else str
            is_right = all(isinstance(each, inner) for each in value.values())
        if is_right and isinstance(value, (list, dict)) and len(value) > _MOST_ENTRIES:
            raise mistake(self.place(written), f"{written}: has more than {_MOST_ENTRIES} entries")
        if not is_right:
            expected = "a table of lists" if name == "CertificateZones" else _TYPES[kind]
            raise mistake(self.place(written), f"{written}: expected {expected}")
        if name == "Port" and not 0 < int(str(value)) < 65536:
            raise mistake(self.place(written), f"{written}: expected a port up to 65535, not {value}")
        return value

    def is_given(self, name: str) -> bool:
        """Whether the file has this key."""
        return name in self._written

    def text(self, name: str) -> str:
        """The value of a key that is a text."""
        return str(self.values[name])

    def table(self, name: str) -> dict[str, object]:
        """The value of a key that is a table."""
        value = self.values[name]
        assert isinstance(value, dict)
        return value

    def place(self, *names: str) -> Spot:
        """Where a key stands, by its name here and what is in its table."""
        path = ""
        for name in (self._written.get(names[0], names[0]), *names[1:]):
            path = key_path(path, name)
        return Spot(self.file, self._lines.get(path, 0))

    def line(self, *names: str) -> str:
        """That line."""
        number = self.place(*names).line
        return self._text[number - 1] if number else " ".join(names)

    def remark(self, table: Table, reason: str, *names: str) -> None:
        """Say of a key why it is not carried over."""
        table.remark(self.place(*names), self.line(*names), reason)

    def remark_entry(self, table: Table, reason: str, name: str, entry: str) -> None:
        """The same of a text in the list of a key."""
        begun = self.place(name).line
        number = next((i for i, line in enumerate(self._text[begun - 1 :], begun) if entry in line), begun)
        table.remark(Spot(self.file, number), self._text[number - 1], reason)


def _parse(text: str, file: str) -> dict[str, object]:
    """The tables. Raises Failure for what is no TOML, and for what is said twice."""
    parsed = parse_text(text)
    for problem in parsed.problems:
        raise mistake(Spot(file, problem.line), str(problem))
    assert parsed.tables is not None
    return parsed.tables
