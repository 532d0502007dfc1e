"""`gemctl config import`: from another server's file to the text of a gemd.conf.

Rules: the text goes to standard output and all else to standard error; nothing is written and nothing is asked; what
gemd would not start with is told, whatever the original was.
"""

import argparse
import tomllib
from collections.abc import Callable
from pathlib import Path

from gemd.config import ConfigError, parse_config
from gemd.config.origins import Origins
from gemd.gemctl.failure import ExitCode
from gemd.gemctl.foreign.agate import import_agate
from gemd.gemctl.foreign.gmid import import_gmid
from gemd.gemctl.foreign.jetforce import import_jetforce
from gemd.gemctl.foreign.molly_brown import import_molly_brown
from gemd.gemctl.foreign.original import STDIN, read_original
from gemd.gemctl.foreign.outline import Outline
from gemd.gemctl.foreign.writing import write_outline
from gemd.gemctl.terminal import complain, escape

IMPORTERS: dict[str, Callable[[str, str], Outline]] = {
    "agate": import_agate,
    "gmid": import_gmid,
    "jetforce": import_jetforce,
    "molly-brown": import_molly_brown,
}


def import_configuration(options: argparse.Namespace) -> ExitCode:
    """Print the configuration, and say how much of it needs somebody's eye. Raises Failure."""
    file = "standard input" if options.file == STDIN else options.file
    outline = IMPORTERS[options.server](read_original(options.file), file)
    text = write_outline(outline)
    print(text, end="")
    count = len(outline.remarks)
    if count:
        what = "a line was" if count == 1 else f"{count} lines were"
        complain(f"{what} not carried over, or not as before: see the comments that begin with a file and a line")
    faults = _find_faults(text)
    if faults:
        complain("gemd does not start with what is printed, before this is mended there:", *faults)
    return ExitCode.FAILED if faults else ExitCode.OK


def _find_faults(text: str) -> list[str]:
    """What gemd has against the configuration, whatever is on this machine."""
    tables, base = tomllib.loads(text), Path.cwd()
    origins = Origins(base, tables, main="standard output", text=text)
    try:
        parse_config(tables, base=base, source=None, cpus=1, origins=origins)
    except ConfigError as error:
        return [escape(line) for line in error.lines()]
    return []
