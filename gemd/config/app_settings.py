"""What holds for applications, across the locations where they are mounted."""

from collections.abc import Iterator

from gemd.config.host_settings import AnswerKind, Location
from gemd.config.settings import Config
from gemd.config.tables import key_path


def find_applications(config: Config) -> Iterator[tuple[str, Location]]:
    """The locations with an application, each with its key's path in the configuration."""
    for location in config.locations:
        if AnswerKind.APP in location.answers:
            yield key_path(location.where, AnswerKind.APP.value), location


def app_key(location: Location) -> object:
    """What makes two mounted applications the same one."""
    options = tuple(sorted(location.app_options.items()))
    process = location.app_process, location.app_user, location.app_directory, location.app_threads
    return location.app, location.app_path, options, process


def find_environments(config: Config) -> dict[object, dict[str, tuple[str, str]]]:
    """The environment of each application, by `app_key`: the value of each variable, and the path of the key `app`
    beside which it is first said. Raises ValueError where the same application wants another value elsewhere."""
    environments: dict[object, dict[str, tuple[str, str]]] = {}
    for where, location in find_applications(config):
        environment = environments.setdefault(app_key(location), {})
        for name, value in location.app_env.items():
            other, there = environment.setdefault(name, (value, where))
            if other != value:
                raise ValueError(f"{where}-env.{name}: {there}-env has another value, and a process has one alone")
    return environments


def find_app_users(config: Config) -> dict[str, str]:
    """The users that applications run as, other than the workers', each with the key that says so first."""
    users: dict[str, str] = {}
    for _, location in find_applications(config):
        if location.app_user is not None:
            users.setdefault(location.app_user, key_path(location.where, "app-user"))
    return users
