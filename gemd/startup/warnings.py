"""What is worth a look in a configuration that is in order (-t): what does something else than is expected.

Rule: what only some configurations have is looked for in these alone.
"""

import os
from collections.abc import Callable, Iterable, Iterator

from gemd.config import Config, Problem
from gemd.config.access_lists import find_idle_entries
from gemd.config.convert_locations import find_converters
from gemd.config.glob_checks import find_plain_stars
from gemd.config.host_settings import AnswerKind
from gemd.startup.gateway_checks import find_idle_sockets
from gemd.startup.private_files import find_confinement, script_directories
from gemd.startup.script_checks import find_idle_places
from gemd.startup.upload_checks import find_upload_warnings

_Find = Callable[[Config], Iterable[Problem]]


def find_all_warnings(config: Config) -> Iterator[Problem]:
    """All of it. Raises PrivilegeError for a user that there is not."""
    for find in _list_finders(config):
        yield from find(config)


def _list_finders(config: Config) -> Iterator[_Find]:
    locations = config.locations
    yield find_plain_stars
    if any(location.redirect is not None for location in locations):
        from gemd.config.answer_checks import find_idle_patterns, find_plain_signs
        from gemd.startup.redirect_loops import find_redirect_warnings

        yield from (find_plain_signs, find_idle_patterns, find_redirect_warnings)
    yield from (find_idle_entries, find_idle_places, find_idle_sockets, find_upload_warnings)
    if any(AnswerKind.CGI in location.answers for location in locations):
        from gemd.startup.interpreter_checks import find_broken_places

        yield find_broken_places
    if any(location.meta_files for location in locations):
        from gemd.startup.meta_checks import find_meta_warnings

        yield find_meta_warnings
    if config.has_people:
        from gemd.startup.people import find_people_warnings

        yield find_people_warnings
    if any(map(os.path.exists, script_directories(config))) or any(find_converters(config)):
        yield _find_blind_spots


def _find_blind_spots(config: Config) -> Iterator[Problem]:
    """What scripts would miss, against expectation."""
    confinement = find_confinement(config)
    for directory, hidden in confinement.find_blind_spots() if confinement is not None else ():
        text = f"until a reload, scripts will miss what is made or replaced in {directory}"
        yield Problem("", f"{text}, since {hidden} is kept from them (cgi.confine)")
