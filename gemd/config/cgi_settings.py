"""The settings of scripts. What a key of the table `[cgi]` says for all, a location's key says for its own, which has
the same name after `cgi-`.
"""

import re
from collections.abc import Iterator, Mapping

from gemd.config.types import (
    Count,
    Dialect,
    Duration,
    ExitStatus,
    FileSize,
    HashForm,
    MemorySize,
    Niceness,
    Settings,
    Text,
)

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class CGISettings(Settings, frozen=True):
    """The `[cgi]` table: what a script is given, may use and (`read`, `write`) alone may touch; as whom it runs."""

    environment: dict[str, str] = {}
    dialect: Dialect = "jetforce"
    exit_status: ExitStatus = "lenient"
    path: Text = "/usr/local/bin:/usr/bin:/bin"
    lang: Text = "C.UTF-8"
    client_hash: HashForm | None = None
    nice: Niceness = 0
    after: Duration = 0.0
    cpu_seconds: Count | None = None
    memory: MemorySize | None = None
    file_size: FileSize | None = None
    processes: Count | None = None
    confine: bool = True
    read: tuple[Text, ...] | None = None
    write: tuple[Text, ...] | None = None
    user: Text | None = None


def judge_variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with variables of scripts, by name."""
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            yield name, "expected a variable name of letters, digits and _, and a text without NUL"
