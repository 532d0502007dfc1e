"""Keys that are in the wrong table, and where they belong: in TOML whatever stands below a heading is in its table."""

import msgspec

from gemd.config.hosts import HOST_KEYS, LOCATION_KEYS
from gemd.config.keys import TOP_KEYS
from gemd.config.tables import Problem

# Keys of other servers, and what says the same here.
_FOREIGN = {
    **dict.fromkeys(("port", "bind", "address", "interface", "socket"), "listen"),
    **dict.fromkeys(("hostname", "hostnames", "domain", "server-name", "server_name"), "name of [[host]]"),
    **dict.fromkeys(("docbase", "docroot", "documentroot", "content", "directory", "path-root"), "root of [[host]]"),
    **dict.fromkeys(("certfile", "cert", "certpath", "tls-cert", "certificates-dir"), "certificate of [[host]]"),
    **dict.fromkeys(("keyfile", "keypath", "private-key", "tls-key"), "key of [[host]]"),
    **dict.fromkeys(("cgipath", "cgipaths", "cgi-path", "cgi-bin", "cgi-dir"), "cgi of [[host]]"),
    **dict.fromkeys(("accesslog", "access-log", "log-file", "logfile"), "access of [log]"),
    **dict.fromkeys(("errorlog", "error-log"), "error of [log]"),
    **dict.fromkeys(("defaultlang", "default-lang", "language"), "lang of [[host]]"),
    **dict.fromkeys(("directorylisting", "directorysort", "auto-index", "autoindex"), "listing of [[host]]"),
    **dict.fromkeys(("prefork", "processes", "threads-count"), "workers"),
    **dict.fromkeys(("rate-limit", "ratelimit", "ratelimitenable"), "rate of [limits] or [[host]]"),
    **dict.fromkeys(("redirects", "tempredirects", "permredirects"), "redirect of [[host.location]]"),
}


def tell_place(problem: Problem) -> Problem:
    """The problem, with the place of its key where that is unknown to its table and known to another one."""
    place = _find_place(problem.unknown) if problem.unknown is not None else None
    return problem if place is None else msgspec.structs.replace(problem, text=f"there is no such key here; {place}")


def _find_place(key: str) -> str | None:
    if key == "location":
        return "locations are under [[host.location]], each below its [[host]]"
    if key in _FOREIGN:
        return f"what other servers call so is {_FOREIGN[key]} here"
    if key in TOP_KEYS:
        return "it is one of the top: put it before the first heading in brackets"
    if key in HOST_KEYS:
        return "it is one of a host: put it below [[host]], and before [[host.location]]"
    return "it is one of a location: put it below [[host.location]]" if key in LOCATION_KEYS else None
