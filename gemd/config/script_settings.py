"""What holds for the scripts of a location: its own keys, or those of all scripts."""

import msgspec

from gemd.config.cgi_settings import CGISettings
from gemd.config.host_settings import AnswerKind, Location
from gemd.config.settings import Config

_SCRIPTS = frozenset({AnswerKind.SCRIPT, AnswerKind.CGI})
_OWN = {name: f"cgi_{name}" for name in CGISettings.__struct_fields__ if f"cgi_{name}" in Location.__struct_fields__}


class ScriptSettings(msgspec.Struct, frozen=True):
    """All of it. `timeout` and `header_timeout` are in seconds, from the start of a script, and the keys those that
    say so, and how long what goes on after an answer may do so."""

    cgi: CGISettings
    timeout: float
    header_timeout: float
    timeout_key: str = "timeouts.cgi"
    header_timeout_key: str = "timeouts.cgi-header"
    after_key: str = "cgi.after"


def find_script_settings(config: Config, location: Location) -> ScriptSettings:
    """What holds for this location's scripts. Its variables are added to those of all scripts."""
    own = {name: value for name, key in _OWN.items() if (value := getattr(location, key)) is not None}
    own["environment"] = config.cgi.environment | location.cgi_environment
    return ScriptSettings(
        cgi=msgspec.structs.replace(config.cgi, **own),
        timeout=location.cgi_timeout or config.timeouts.cgi,
        header_timeout=location.cgi_header_timeout or config.timeouts.cgi_header,
        timeout_key="cgi-timeout" if location.cgi_timeout else "timeouts.cgi",
        header_timeout_key="cgi-header-timeout" if location.cgi_header_timeout else "timeouts.cgi-header",
        after_key="cgi.after" if location.cgi_after is None else "cgi-after",
    )


def find_own_keys(location: Location) -> list[object]:
    """The values of a location's own keys of scripts, in an order that is the same for all."""
    return [getattr(location, key) for key in (*_OWN.values(), "cgi_timeout", "cgi_header_timeout")]


def find_script_users(config: Config) -> dict[str, str]:
    """All whom scripts and converters run as, but for the workers' user, each with the path of the first key that names
    it."""
    found: dict[str, str] = {}
    for location in config.locations:
        user = location.cgi_user or config.cgi.user
        if user is not None and may_run_programs(location):
            found.setdefault(user, f"{location.where}.cgi-user" if location.cgi_user else "cgi.user")
    return found


def may_run_programs(location: Location) -> bool:
    """Whether it may have scripts or converters: of its own, or in users' directories."""
    people = location.people
    if not _SCRIPTS.isdisjoint(location.answers) or (people is not None and people.cgi is not None):
        return True
    return bool(location.convert) and (people is not None or AnswerKind.FILES in location.answers)
