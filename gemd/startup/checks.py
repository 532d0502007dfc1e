"""Checking the configuration against this machine.

Rule: nothing is made or changed here, so that `gemd -t` can do all of it beside a gemd that runs.
"""

import os

from gemd.config import Config, ConfigError, Problem
from gemd.config.app_settings import find_app_users
from gemd.config.convert_locations import find_converters
from gemd.config.script_settings import find_script_users
from gemd.config.tables import key_path
from gemd.startup.libraries import find_missing_libraries
from gemd.startup.pass_checks import find_loops
from gemd.startup.root_checks import find_missing_roots, why_no_root
from gemd.startup.script_checks import find_missing_places, find_missing_scripts
from gemd.startup.upload_spool import find_missing_spool
from gemd.system.hindrances import explain_unusable
from gemd.system.privileges import PrivilegeError, find_identity
from gemd.system.socket_file import find_socket_file


def check_machine(config: Config, *, needs_default_cgi: bool = False) -> None:
    """Raise ConfigError unless this machine has the users and directories that are named. That flags alone have a
    directory of scripts by default does not name it, unless it is said that they do."""
    problems = _check_user(config) + find_missing_roots(config)
    problems += find_missing_places(config, needs_default=needs_default_cgi)
    problems += find_missing_scripts(config)
    problems += _check_lists(config)
    problems += find_loops(config) + _find_redirect_loops(config)
    problems += find_missing_libraries(config)
    problems += find_missing_spool(config)
    problems += _check_programs(config)
    if config.has_people:
        from gemd.startup.people import find_people_problems

        problems += find_people_problems(config)
    if problems:
        raise ConfigError(problems, config.source)


def _check_user(config: Config) -> list[Problem]:
    service = config.service
    problems = []
    if service.user not in (None, "root"):
        try:
            find_identity(str(service.user), service.group)
        except PrivilegeError as error:
            problems.append(Problem(error.key or "user", error.text))
    for user, path in (find_script_users(config) | find_app_users(config)).items():
        try:
            find_identity(user, None)
        except PrivilegeError as error:
            problems.append(Problem(path, error.text))
    for i, entry in enumerate(config.listen, 1):
        try:
            find_socket_file(entry.mode, entry.owner)
        except PrivilegeError as error:
            problems.append(Problem(key_path(key_path("listen", i), "owner"), str(error)))
    if service.chroot is not None and (reason := why_no_root(service.chroot)):
        problems.append(Problem("chroot", f"{service.chroot} {reason}"))
    return problems


def _find_redirect_loops(config: Config) -> list[Problem]:
    if all(location.redirect is None for location in config.locations):
        return []
    from gemd.startup.redirect_loops import find_redirect_loops

    return find_redirect_loops(config)


def _check_lists(config: Config) -> list[Problem]:
    """A problem for every path that scripts are to be kept to, and that is none."""
    problems = []
    for key, paths in (("read", config.cgi.read), ("write", config.cgi.write)):
        for i, path in enumerate(paths or (), 1):
            try:
                os.stat(path)
            except OSError as error:
                text = f"{path} can't be used: {explain_unusable(path, error)}"
                problems.append(Problem(key_path("cgi", key, i), text))
    return problems


def _check_programs(config: Config) -> list[Problem]:
    """A problem for every program of a converter that can't be run."""
    if not any(find_converters(config)):
        return []
    from gemd.startup.convert_checks import find_missing_programs

    return find_missing_programs(config)
