"""An outline as the text of a gemd.conf.

Rule: whatever the original had, a comment stays a comment of visible characters.
"""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from gemd.gemctl.foreign.outline import HostOutline, Outline, Remark, Setting, Table
from gemd.gemctl.terminal import escape
from gemd.gemctl.toml_text import write_setting

_WIDTH = 110
_LONGEST = 400  # characters of a line that is shown


def write_outline(outline: Outline) -> str:
    """The whole file."""
    name = escape(Path(outline.file).name)
    lines = [
        *_comment(f"The configuration of gemd that {name} of {outline.server} becomes: TOML, as gemd.conf(5) has it."),
        *_comment('"gemd -t -c FILE" checks it. A comment that begins with the name of a file and a line is about what'
                  " could not be carried over, or means something else here."),
    ]  # fmt: skip
    if outline.facts:
        lines += ["#", f"# What gemd does other than {outline.server}, whatever is set:"]
        for fact in outline.facts:
            lines += _comment(fact, "# * ", "#   ")
    lines += ["", *_write_entries(outline.top)]
    for heading, table in outline.tables.items():
        if table.entries:
            lines += ["", f"[{heading}]", *_write_entries(table)]
    for host in outline.hosts:
        lines += _write_host(host)
    return "\n".join(lines) + "\n"


def _write_host(host: HostOutline) -> Iterator[str]:
    yield from ("", "[[host]]", *_write_entries(host.table))
    for location in host.locations:
        yield from ("", "  [[host.location]]")
        yield from (f"  {line}" for line in _write_entries(location))


def _write_entries(table: Table) -> Iterator[str]:
    for entry in table.entries:
        if isinstance(entry, Remark):
            yield from _write_remark(entry)
        else:
            yield from _write_entry(entry)


def _write_entry(entry: Setting) -> Iterator[str]:
    if entry.note:
        yield from _comment(entry.note)
    for line in write_setting(entry.key, entry.value).split("\n"):
        yield ("#" if entry.is_off else "") + line


def _write_remark(remark: Remark) -> Iterator[str]:
    line = escape(remark.line.strip())
    if len(line) > _LONGEST:
        line = line[:_LONGEST] + " ..."
    yield f"# {remark.place.short}: {line}"
    yield from _comment(remark.reason, "#   ", "#   ")


def _comment(text: str, first: str = "# ", further: str = "# ") -> list[str]:
    """A text as lines of a comment."""
    return textwrap.wrap(
        escape(text), _WIDTH, initial_indent=first, subsequent_indent=further, break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip
