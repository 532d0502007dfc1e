"""Checks the programs of converters against this machine.

Rule: each has to be there, where scripts would find it, and somebody has to be allowed to execute it.
"""

from collections.abc import Iterator

from gemd.config import Config, Problem
from gemd.config.convert_locations import find_converters
from gemd.config.script_settings import find_script_settings
from gemd.system.attempt import attempt
from gemd.system.programs import ProgramError, find_program


def find_missing_programs(config: Config) -> list[Problem]:
    """A problem for every program that is not there or can't be executed, where it is named first."""
    problems, seen = [], set()
    for where, program, search_path in _list_programs(config):
        if (program, search_path) in seen:
            continue
        seen.add((program, search_path))
        try:
            with attempt(f"the program {program} could not be found"):
                find_program(program, search_path, config.service.chroot or "")
        except ProgramError as error:
            problems.append(Problem(where, str(error)))
    return problems


def find_programs(config: Config) -> Iterator[str]:
    """The paths of those that are there."""
    for _, program, search_path in _list_programs(config):
        try:
            yield find_program(program, search_path, config.service.chroot or "")
        except ProgramError:
            continue


def _list_programs(config: Config) -> Iterator[tuple[str, str, str]]:
    """Each with the path of its key, and where programs are looked for."""
    for where, location, converter in find_converters(config):
        yield where, converter.command[0], find_script_settings(config, location).cgi.path
