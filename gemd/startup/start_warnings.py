"""What a start and a reload say in the log that an operator should mend, and -t as well.

Rule: nothing of it keeps anybody from serving; each is told with the key that it is about, where that is known.
"""

from collections.abc import Iterable, Iterator

from gemd.config import Config, Problem
from gemd.config.tables import key_path
from gemd.startup.files import find_hidden
from gemd.startup.private_files import NOT_CONFINED, find_lost_keys, is_confinement_missing
from gemd.startup.proxies import find_proxies
from gemd.startup.resources import Resources
from gemd.startup.tickets import find_idle_tickets
from gemd.system.privileges import Identity


def look_around(config: Config, user: Identity | None = None) -> list[Problem]:
    """What this process finds on this machine, which has become `user` unless that is None. May wait for a disk."""
    found = [*find_hidden(config), *find_lost_keys(config, user)]
    if any(location.script is not None for location in config.locations):
        from gemd.startup.interpreter_checks import find_broken_scripts

        found += find_broken_scripts(config)
    return found


def list_warnings(resources: Resources, config: Config, others: Iterable[Problem]) -> Iterable[Problem]:
    """All of it, and `others`, each once."""
    missing = [Problem("cgi.confine", NOT_CONFINED)] if is_confinement_missing(config) else []
    all_of_it = (*missing, *others, *find_idle_tickets(config), *_find_certificate_warnings(resources, config))
    return {problem.text: problem for problem in all_of_it}.values()


def _find_certificate_warnings(resources: Resources, config: Config) -> Iterator[Problem]:
    for where, proxy in find_proxies(config):
        shown = resources.proxy_certificates.get(proxy.certificate or "")
        key = key_path(where, "proxy", "certificate")
        yield from (Problem(key, text) for text in (shown.warnings if shown is not None else ()))
    for host in config.hosts:
        certificate = resources.certificates.get(host.name)
        key = key_path(host.where, "certificate") if host.certificate is not None else host.where
        yield from (Problem(key, text) for text in (certificate.warnings if certificate is not None else ()))
